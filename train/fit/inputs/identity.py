"""The identity of a run's images. A resumed run must have the same images in the same order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from train import TrainError
from train.data.images import Images

OTHER_DECODER = (
    "This run was started with another --decoder: the autoencoder has other weights, or scales latents otherwise."
)


def identity(images: Images) -> dict[str, Any]:
    """Return the number, the classes and the digests of a run's images, for its checkpoints.

    Of a stream that can be read again, also return the length that it states, and as "pass" the number of pictures in
    one reading of the stream.
    """
    again = images.stream if images.stream and not images.stream.is_iterator else None
    return {
        "images": len(images),
        "length": again.length if again else None,
        "pass": again.counted if again else None,
        "classes": list(images.classes or ()),
        **images.digests,
        "encoder": images.encoder,
    }


def check_same(before: Mapping[str, Any], images: Images) -> None:
    """Raise TrainError if the images differ from those whose `identity` is in a checkpoint.

    Pixels are compared if both runs have them in memory, otherwise names or sizes of the files. A checkpoint without
    digests is not compared.
    """
    now = identity(images)
    if (before["images"], before["classes"]) != (now["images"], now["classes"]):
        changed = f"{_count(before)} of {len(before['classes'])} classes then, {_count(now)} of "
        changed += f"{len(now['classes'])} now"
        if before["images"] != now["images"] and _memory_changed(before, now):
            raise TrainError(
                f"This run was started with another --data or --memory: {changed}. Images that can't be read are "
                "left out when images are kept in memory, and counted when they are read from disk."
            )
        raise TrainError(f"This run was started with another --data: {changed}.")
    if _differs("length", before, now):
        raise TrainError(
            f"This run was started with another --data: the stream had {before['length']:,} pictures then, and has "
            f"{now['length']:,} now."
        )
    if _differs("encoder", before, now):
        raise TrainError(OTHER_DECODER)
    for condition in ("labels", "captions"):
        if _differs(condition, before, now):
            raise TrainError(f"This run was started with another --data: the images have other {condition}.")
    decisive = "files" if None in (before.get("pixels"), now["pixels"]) else "pixels"
    if not _differs(decisive, before, now):
        return
    if decisive == "pixels" and not _differs("files", before, now):
        raise TrainError(
            "This run was started with another --data: files of the same names and sizes give other pixels. If "
            "only a library that decodes them is of another version, add --memory 0."
        )
    raise TrainError(
        "This run was started with another --data: the number of images is the same, but the images differ."
    )


def _count(data: Mapping[str, Any]) -> str:
    """Return how many images a run has, in words: "70 images", or "a stream" if unknown."""
    return f"{data['images']} images" if data["images"] else "a stream"


def _memory_changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Return whether only one of two runs had the images in memory. True if the checkpoint does not say."""
    return "pixels" not in before or (before["pixels"] is None) != (now["pixels"] is None)


def _differs(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Return whether both identities have this entry, with different values."""
    return None not in (before.get(name), now[name]) and before[name] != now[name]
