"""The identity of a run's images, which a resumed run must share to get the same images in the same order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from train import TrainError
from train.data.images import Images

OTHER_DECODER = (
    "This run was started with another --decoder: the autoencoder has other weights, or scales latents otherwise."
)


def identity(images: Images) -> dict[str, Any]:
    """Number, classes and digests of a run's images, for its checkpoints.

    Of a stream that can be read again also its claimed length, and "pass": the number of pictures that a pass gave.
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
    """Raise TrainError for other images than those whose `identity` is in a checkpoint.

    Pixels are compared where both runs have them in memory, otherwise names or sizes of the files. A checkpoint of a
    version that kept no digests is compared in neither.
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
    return f"{data['images']} images" if data["images"] else "a stream"


def _memory_changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether the images were in memory in one of two runs only, as far as is known."""
    return "pixels" not in before or (before["pixels"] is None) != (now["pixels"] is None)


def _differs(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return None not in (before.get(name), now[name]) and before[name] != now[name]
