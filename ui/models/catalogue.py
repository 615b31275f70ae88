"""List the checkpoints that the page offers by name."""

from __future__ import annotations

from dataclasses import dataclass

from ddpm_core.checkpoint.hub import snapshots
from ui import web
from ui.protocol import ModelChoice


@dataclass(frozen=True)
class Offered:
    """A checkpoint of the Hub. The page turns its codes into texts (ui/web/words/checkpoints.js)."""

    data: str
    """code of the training data; the list is sorted by it"""
    family: str
    steps: int
    """number of steps that its authors use; 0 if they name none"""
    gigabytes: float
    """approximate size of its files, used until the Hub was queried"""
    tflop: float = 0.0
    """TFLOP of one evaluation for one picture, as `network_cost` counts them; 0 if they were not counted"""


# The paper's models, and others that were trained with the same data. Sources: the repositories' documentation and FID
# say which weights they contain; the numbers of steps are in the authors' code. The sizes of score, consistency and DiT
# models are those of their parameters in float32.
OFFERED = {
    "google/ddpm-cifar10-32": Offered("cifar10", "ddpm", 1000, 0.14, 0.012),
    "google/ddpm-ema-bedroom-256": Offered("bedroom", "ddpm", 1000, 0.46, 0.5),
    "google/ncsnpp-bedroom-256": Offered("bedroom", "score", 2000, 0.26, 0.53),
    "openai/diffusers-cd_bedroom256_lpips": Offered("bedroom", "distilled", 2, 2.1, 2.24),
    "openai/diffusers-cd_bedroom256_l2": Offered("bedroom", "distilled", 2, 2.1, 2.24),
    "openai/diffusers-ct_bedroom256": Offered("bedroom", "alone", 2, 2.1, 2.24),
    "google/ddpm-ema-church-256": Offered("church", "ddpm", 1000, 0.46, 0.5),
    "google/ncsnpp-church-256": Offered("church", "score", 2000, 0.26, 0.53),
    "google/ddpm-ema-cat-256": Offered("cat", "ddpm", 1000, 0.46, 0.5),
    "openai/diffusers-cd_cat256_lpips": Offered("cat", "distilled", 2, 2.1, 2.24),
    "openai/diffusers-cd_cat256_l2": Offered("cat", "distilled", 2, 2.1, 2.24),
    "openai/diffusers-ct_cat256": Offered("cat", "alone", 2, 2.1, 2.24),
    "google/ddpm-ema-celebahq-256": Offered("celebahq", "ddpm", 1000, 0.46, 0.5),
    "CompVis/ldm-celebahq-256": Offered("celebahq", "latent", 0, 1.3),
    "facebook/DiT-XL-2-256": Offered("imagenet", "dit", 250, 3.3, 0.24),
    "stabilityai/sd-turbo": Offered("words", "latent", 0, 5.2),
    "stable-diffusion-v1-5/stable-diffusion-v1-5": Offered("words", "latent", 0, 4.3),
}
# The checkpoints that come with the project. A new page shows the first checkpoint.
EMBEDDED = (
    *("mnist-tiny", "cifar10-tiny", "emoji-tiny", "mnist-tiny-consistency", "mnist-tiny-2-steps"),
    *("cifar10-tiny-4-steps", "cifar10-tiny-2-steps", "emoji-tiny-3-steps"),
)
LATENT = {  # models that draw latents of an autoencoder
    *("CompVis/ldm-celebahq-256", "stabilityai/sd-turbo", "stable-diffusion-v1-5/stable-diffusion-v1-5"),
    *("facebook/DiT-XL-2-256", "emoji-tiny", "emoji-tiny-3-steps"),
}
# default guidance scales, from the model cards
GUIDANCE = {"stabilityai/sd-turbo": 1.0, "stable-diffusion-v1-5/stable-diffusion-v1-5": 7.5}
# For each model whose prompts get a sketch while the visitor types: the distilled student that draws the sketch, and
# its settings.
SKETCHES = {
    "emoji-tiny": {"checkpoint": "emoji-tiny-3-steps", "steps": 3, "sampler": "ddim", "spacing": "auto", "eta": 0.0},
}


def log_name(ref: str) -> str:
    """Return a checkpoint's name for the log if the page offers it, else "another", because other names may be
    personal.
    """
    name = ref.partition("@")[0]
    return name if name in OFFERED or name in EMBEDDED else "another"


def usual_guidance(ref: str) -> float:
    """Return the default guidance scale of a model with prompts: 3 if its card recommends none."""
    return GUIDANCE.get(ref.partition("@")[0], 3.0)


def choice(ref: str, status: snapshots.Status) -> ModelChoice:
    """Return the entry of a checkpoint in the list of models."""
    offered = OFFERED.get(ref)
    has_picture = ref in EMBEDDED and (web.FILES / "models" / f"{ref}.webp").is_file()
    here = status.state in ("embedded", "local", "cached")
    about: ModelChoice = {
        "ref": ref,
        "group": "here" if here else "hub",
        "data": offered.data if offered and not here else "",
        "ready": status.state not in ("offline", "missing"),
        "latent": ref in LATENT,
        "picture": f"web/{web.version()}/models/{ref}.webp" if has_picture else "",
    }
    if offered:
        about["family"], about["steps"] = offered.family, offered.steps
        about["gigabytes"], about["tflop"] = offered.gigabytes, offered.tflop
    if status.state in ("download", "offline", "missing"):
        about["state"] = status.state
    if status.state == "download" and status.bytes:
        about["bytes"] = status.bytes
    return about
