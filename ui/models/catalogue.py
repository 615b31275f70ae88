"""The checkpoints that the page offers by name, as codes and numbers."""

from __future__ import annotations

from dataclasses import dataclass

from ddpm_core.checkpoint.hub import snapshots
from ui import web
from ui.protocol import ModelChoice


@dataclass(frozen=True)
class Offered:
    """A checkpoint of the Hub, in codes and numbers; the page has its words (ui/web/words/checkpoints.js)."""

    data: str
    """the set that it was trained with, by which the list is ordered"""
    family: str
    steps: int
    """of a picture, as its authors draw one; 0 if they don't say it"""
    gigabytes: float
    """about how much its files take, if nobody has asked the Hub, or can't"""
    tflop: float = 0.0
    """of one evaluation of its network for one picture, as `network_cost` counts it; 0 if that was not counted"""


# The paper's models, and others of the same data. Which weights they hold: the repositories' own documentation, and
# their FID. Steps: the authors' code. Sizes of score, consistency and DiT models: their parameters in float32.
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
# Those that come with the project; the first one is for the first look.
EMBEDDED = (
    *("mnist-tiny", "cifar10-tiny", "emoji-tiny", "mnist-tiny-consistency", "mnist-tiny-2-steps"),
    *("cifar10-tiny-4-steps", "cifar10-tiny-2-steps", "emoji-tiny-3-steps"),
)
LATENT = {  # draw latents of an autoencoder
    *("CompVis/ldm-celebahq-256", "stabilityai/sd-turbo", "stable-diffusion-v1-5/stable-diffusion-v1-5"),
    *("facebook/DiT-XL-2-256", "emoji-tiny", "emoji-tiny-3-steps"),
}
GUIDANCE = {"stabilityai/sd-turbo": 1.0, "stable-diffusion-v1-5/stable-diffusion-v1-5": 7.5}  # as their cards advise
# Who draws the sketches of a model while its words are typed, and how: a student of it, in its own steps.
SKETCHES = {
    "emoji-tiny": {"checkpoint": "emoji-tiny-3-steps", "steps": 3, "sampler": "ddim", "spacing": "auto", "eta": 0.0},
}


def named(ref: str) -> str:
    """A checkpoint in a log: what the page offers by its name, of others only what kind of thing they are."""
    name = ref.partition("@")[0]
    return name if name in OFFERED or name in EMBEDDED else "another"


def usual_guidance(ref: str) -> float:
    """The guidance that suits a model that takes words: 3 where its card says nothing else."""
    return GUIDANCE.get(ref.partition("@")[0], 3.0)


def choice(ref: str, status: snapshots.Status) -> ModelChoice:
    """A checkpoint in the list of models, with what it needs."""
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
