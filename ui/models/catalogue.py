"""The checkpoints that the page offers by name."""

from __future__ import annotations

from typing import Any

from ddpm_core.checkpoint.hub import snapshots
from ui import web
from ui.forms import units

# On the Hub: the paper's models, and latent ones. Which weights they hold: the repositories' own documentation, and
# their FID.
OFFERED = {
    "google/ddpm-cifar10-32": ("CIFAR-10 32", "the paper's", "not EMA"),
    "google/ddpm-ema-church-256": ("Church 256", "large and slow", "EMA"),
    "google/ddpm-ema-bedroom-256": ("Bedroom 256", "large and slow", "EMA"),
    "google/ddpm-ema-cat-256": ("Cat 256", "large and slow", "EMA"),
    "google/ddpm-ema-celebahq-256": ("CelebA-HQ 256", "large and slow", "EMA"),
    "CompVis/ldm-celebahq-256": ("CelebA-HQ 256, latent", "64×64 latents"),
    "stabilityai/sd-turbo": ("SD-Turbo", "draws words in 1 to 4 steps"),
    "stable-diffusion-v1-5/stable-diffusion-v1-5": ("Stable Diffusion 1.5", "draws words, very slow on a CPU"),
}
# Those that come with the project, the first one for the first look, and what each is for.
EMBEDDED = {
    "mnist-tiny": ("Digits", "clear and fast"),
    "cifar10-tiny": ("CIFAR-10 tiny", "in colour, rough"),
    "emoji-tiny": ("Emoji", "draws your words"),
    "mnist-tiny-consistency": ("Digits student", "1 to 4 steps"),
    "mnist-tiny-2-steps": ("Digits student", "2 steps"),
    "cifar10-tiny-4-steps": ("CIFAR-10 student", "4 steps"),
}
LATENT = {  # draw latents of an autoencoder
    *("CompVis/ldm-celebahq-256", "stabilityai/sd-turbo", "stable-diffusion-v1-5/stable-diffusion-v1-5"),
    "emoji-tiny",
}
GIGABYTES = {  # about, of their files: for who has not asked the Hub, or can't
    "google/ddpm-cifar10-32": 0.14,
    "google/ddpm-ema-church-256": 0.46,
    "google/ddpm-ema-bedroom-256": 0.46,
    "google/ddpm-ema-cat-256": 0.46,
    "google/ddpm-ema-celebahq-256": 0.46,
    "CompVis/ldm-celebahq-256": 1.3,
    "stabilityai/sd-turbo": 5.2,
    "stable-diffusion-v1-5/stable-diffusion-v1-5": 4.3,
}
GUIDANCE = {"stabilityai/sd-turbo": 1.0, "stable-diffusion-v1-5/stable-diffusion-v1-5": 7.5}  # as their cards advise
GROUPS = READY, TRAINED, HUB = "Ready here", "Trained here", "Needs the Hub"  # of the list
_REASONS = {"offline": "not available offline", "missing": "not found"}


def named(ref: str) -> str:
    """A checkpoint in a log: what the page offers by its name, of others only what kind of thing they are."""
    name = ref.partition("@")[0]
    return name if name in OFFERED or name in EMBEDDED else "another"


def short_name(ref: str) -> str:
    """A checkpoint in a few words."""
    known = OFFERED.get(ref) or EMBEDDED.get(ref)
    return known[0] if known else ref.rstrip("/").rsplit("/", 1)[-1]


def usual_guidance(ref: str) -> float:
    """The guidance that suits a model that takes words: 3 where its card says nothing else."""
    return GUIDANCE.get(ref.partition("@")[0], 3.0)


def choice(ref: str, status: snapshots.Status) -> dict[str, Any]:
    """A checkpoint in the list of models: {ref, label, about, group, ready, latent, picture}, with what it needs.

    ready: whether it can be chosen; about says why, where it can't. picture: the address of a thumbnail, "" for none.
    """
    known = OFFERED.get(ref) or EMBEDDED.get(ref) or ()
    has_picture = ref in EMBEDDED and (web.FILES / "models" / f"{ref}.webp").is_file()
    here = status.state in ("embedded", "local", "cached")
    about = list(known[1:])
    if status.state == "download":
        about.append(f"{units.megabytes(status.bytes)} download" if status.bytes else "download")
    elif not here and ref in GIGABYTES:
        about.append(f"about {GIGABYTES[ref]} GB")
    if status.state in _REASONS:
        about.append(_REASONS[status.state])
    return {
        "ref": ref,
        "label": short_name(ref),
        "about": " · ".join(about),
        "group": READY if here else HUB,
        "ready": status.state not in _REASONS,
        "latent": ref in LATENT,
        "picture": f"web/{web.version()}/models/{ref}.webp" if has_picture else "",
    }
