"""Small examples: data in the plane, with exact score and ε, and the forward process on one picture."""

from ddpm_core.plane.mixtures import (
    Mixture,
    cloud,
    drawing,
    exact_model,
    least_loss,
    network_score,
    plane_model,
    shape,
    start,
)

__all__ = [
    "Mixture",
    "cloud",
    "drawing",
    "exact_model",
    "least_loss",
    "network_score",
    "plane_model",
    "shape",
    "start",
]
