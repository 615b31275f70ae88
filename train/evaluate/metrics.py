"""The metrics of an evaluation: their names, titles, and what has to be said beside their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

ScoreName = Literal["fid", "kid", "is"]  # computed from features of generated images
BoundName = Literal["bpd", "rate-distortion", "flow-bpd"]  # the terms of the variational bound; ode_log_prob
SCORES: tuple[ScoreName, ...] = get_args(ScoreName)
METRICS: tuple[ScoreName | BoundName, ...] = (*SCORES, *get_args(BoundName))


@dataclass(frozen=True)
class Metric:
    """A metric as tables and plots show it."""

    title: str  # with Inception's features
    other_title: str = ""  # with other features; "" if the metric needs Inception's
    error_meaning: str = ""  # of the number behind ±; "" if there is none
    biased: bool = False  # the value depends on the number of images: only values of equal numbers can be compared


FID = Metric("FID", "Fréchet distance", biased=True)
KID = Metric(
    "KID × 1000",
    "Kernel distance × 1000",
    "deviation of the mean over 100 subsets of the images, not counting other samples of the model",
)
IS = Metric("IS", error_meaning="deviation over 10 splits of the images", biased=True)
BITS = Metric("bits/dim", error_meaning="standard error over the images")
FLOW_BITS = Metric("bits/dim by the flow", error_meaning="standard error over the images")
SCORE_METRICS: dict[ScoreName, Metric] = {"fid": FID, "kid": KID, "is": IS}
