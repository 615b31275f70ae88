"""The checkpoints that the page offers by name."""

from __future__ import annotations

from dataclasses import dataclass

from ddpm_core.checkpoint.hub import snapshots
from ddpm_core.names import count_of
from ui import web
from ui.forms import units
from ui.protocol import ModelChoice


@dataclass(frozen=True)
class Offered:
    """A checkpoint of the Hub. data: the set that it was trained with, by which the list is ordered.

    steps: of a picture, as its authors draw one; 0 is not said. about: what else is said of it. gigabytes: about, of
    its files, for who has not asked the Hub, or can't. tflop: of one evaluation of its network for one picture, as
    `network_cost` counts it; 0 for not counted.
    """

    label: str
    data: str
    family: str
    steps: int
    about: str
    gigabytes: float
    tflop: float = 0.0


# The paper's models, and others of the same data. Which weights they hold: the repositories' own documentation, and
# their FID. Steps: the authors' code. Sizes of score, consistency and DiT models: their parameters in float32.
_BEDROOM, _CHURCH, _CAT, _FACES = "LSUN bedroom", "LSUN church", "LSUN cat", "CelebA-HQ"
_DISTILLED, _ALONE = "consistency, distilled", "consistency, without a teacher"
OFFERED = {
    "google/ddpm-cifar10-32": Offered("CIFAR-10 32", "CIFAR-10", "DDPM", 1000, "the paper's, not EMA", 0.14, 0.012),
    "google/ddpm-ema-bedroom-256": Offered("Bedroom 256", _BEDROOM, "DDPM", 1000, "EMA", 0.46, 0.5),
    "google/ncsnpp-bedroom-256": Offered("Bedroom 256, score", _BEDROOM, "score SDE", 2000, "", 0.26, 0.53),
    "openai/diffusers-cd_bedroom256_lpips": Offered(
        "Bedroom 256 in 2 steps", _BEDROOM, _DISTILLED, 2, "LPIPS", 2.1, 2.24
    ),
    "openai/diffusers-cd_bedroom256_l2": Offered(
        "Bedroom 256 in 2 steps, L2", _BEDROOM, _DISTILLED, 2, "L2", 2.1, 2.24
    ),
    "openai/diffusers-ct_bedroom256": Offered("Bedroom 256 in 2 steps, CT", _BEDROOM, _ALONE, 2, "", 2.1, 2.24),
    "google/ddpm-ema-church-256": Offered("Church 256", _CHURCH, "DDPM", 1000, "EMA", 0.46, 0.5),
    "google/ncsnpp-church-256": Offered("Church 256, score", _CHURCH, "score SDE", 2000, "", 0.26, 0.53),
    "google/ddpm-ema-cat-256": Offered("Cat 256", _CAT, "DDPM", 1000, "EMA", 0.46, 0.5),
    "openai/diffusers-cd_cat256_lpips": Offered("Cat 256 in 2 steps", _CAT, _DISTILLED, 2, "LPIPS", 2.1, 2.24),
    "openai/diffusers-cd_cat256_l2": Offered("Cat 256 in 2 steps, L2", _CAT, _DISTILLED, 2, "L2", 2.1, 2.24),
    "openai/diffusers-ct_cat256": Offered("Cat 256 in 2 steps, CT", _CAT, _ALONE, 2, "", 2.1, 2.24),
    "google/ddpm-ema-celebahq-256": Offered("CelebA-HQ 256", _FACES, "DDPM", 1000, "EMA", 0.46, 0.5),
    "CompVis/ldm-celebahq-256": Offered("CelebA-HQ 256, latent", _FACES, "latent diffusion", 0, "64×64 latents", 1.3),
    "facebook/DiT-XL-2-256": Offered("ImageNet 256", "ImageNet, by class", "DiT", 250, "learned variance", 3.3, 0.24),
    "stabilityai/sd-turbo": Offered("SD-Turbo", "Words", "latent diffusion", 0, "draws words in 1 to 4 steps", 5.2),
    "stable-diffusion-v1-5/stable-diffusion-v1-5": Offered(
        "Stable Diffusion 1.5", "Words", "latent diffusion", 0, "draws words, very slow on a CPU", 4.3
    ),
}
SPEEDS = (1.45, 0.27)  # TFLOP/s of two cores in bf16, with AMX and without, of networks of pixels: docs/performance.md
# Those that come with the project, the first one for the first look, and what each is for.
EMBEDDED = {
    "mnist-tiny": ("Digits", "clear and fast"),
    "cifar10-tiny": ("CIFAR-10 tiny", "in colour, rough"),
    "emoji-tiny": ("Emoji", "draws your words"),
    "mnist-tiny-consistency": ("Digits student", "1 to 4 steps"),
    "mnist-tiny-2-steps": ("Digits student", "2 steps"),
    "cifar10-tiny-8-steps": ("CIFAR-10 student", "8 steps"),
    "cifar10-tiny-4-steps": ("CIFAR-10 student", "4 steps"),
    "cifar10-tiny-2-steps": ("CIFAR-10 student", "2 steps"),
    "emoji-tiny-3-steps": ("Emoji student", "3 steps"),
}
LATENT = {  # draw latents of an autoencoder
    *("CompVis/ldm-celebahq-256", "stabilityai/sd-turbo", "stable-diffusion-v1-5/stable-diffusion-v1-5"),
    *("facebook/DiT-XL-2-256", "emoji-tiny", "emoji-tiny-3-steps"),
}
GUIDANCE = {"stabilityai/sd-turbo": 1.0, "stable-diffusion-v1-5/stable-diffusion-v1-5": 7.5}  # as their cards advise
# Who draws the sketches of a model while its words are typed, and how: a student of it, in its own steps.
SKETCHES = {
    "emoji-tiny": {"checkpoint": "emoji-tiny-3-steps", "steps": 3, "sampler": "ddim", "spacing": "auto", "eta": 0.0},
}
_REASONS = {"offline": "not available offline", "missing": "not found"}


def named(ref: str) -> str:
    """A checkpoint in a log: what the page offers by its name, of others only what kind of thing they are."""
    name = ref.partition("@")[0]
    return name if name in OFFERED or name in EMBEDDED else "another"


def short_name(ref: str) -> str:
    """A checkpoint in a few words."""
    if ref in OFFERED:
        return OFFERED[ref].label
    return EMBEDDED[ref][0] if ref in EMBEDDED else ref.rstrip("/").rsplit("/", 1)[-1]


def usual_guidance(ref: str) -> float:
    """The guidance that suits a model that takes words: 3 where its card says nothing else."""
    return GUIDANCE.get(ref.partition("@")[0], 3.0)


def forecast(offered: Offered) -> str:
    """How long a picture takes on a usual CPU, "" where that was not counted."""
    if not offered.tflop:
        return ""
    low, high = [units.duration(offered.steps * offered.tflop / speed) for speed in SPEEDS]
    return f"{low} to {high} on two cores"


def choice(ref: str, status: snapshots.Status) -> ModelChoice:
    """A checkpoint in the list of models, with what it needs."""
    offered = OFFERED.get(ref)
    has_picture = ref in EMBEDDED and (web.FILES / "models" / f"{ref}.webp").is_file()
    here = status.state in ("embedded", "local", "cached")
    about = list(EMBEDDED[ref][1:]) if ref in EMBEDDED else []
    if offered:
        steps = count_of(offered.steps, "step") if offered.steps else ""
        about = [text for text in (offered.family, steps, offered.about, forecast(offered)) if text]
    if status.state == "download":
        about.append(f"{units.megabytes(status.bytes)} download" if status.bytes else "download")
    elif not here and offered:
        about.append(f"about {offered.gigabytes} GB")
    if status.state in _REASONS:
        about.append(_REASONS[status.state])
    return {
        "ref": ref,
        "label": short_name(ref),
        "about": " · ".join(about),
        "group": "here" if here else "hub",
        "data": offered.data if offered and not here else "",
        "ready": status.state not in _REASONS,
        "latent": ref in LATENT,
        "picture": f"web/{web.version()}/models/{ref}.webp" if has_picture else "",
    }
