"""Store many pictures on the disk by their seeds. Several processes can write them, and a stopped run can continue."""

from __future__ import annotations

import json
import os
import shutil
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ddpm_core.disk import files
from ddpm_core.imaging import png
from ddpm_core.imaging.image_files import open_picture

if TYPE_CHECKING:
    from ddpm_core.commands.chain import Where

ABOUT = "sample.json"  # name of the file with the settings of the run, in the folder of the pictures
# --out refuses a folder with one of these endings, because the user probably means a single file.
_ONE_FILE = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".npy", ".zip")
_PAUSE = 0.1  # seconds between two checks whether other processes have finished their pictures
_END = b"\0\0\0\0IEND\xaeB`\x82"  # the last bytes of every PNG


def processes(where: Where) -> tuple[int, int]:
    """Return this process's rank and the number of processes that torchrun has started; (0, 1) without torchrun.

    where: if its device is "auto" and there are several processes, the device is set to a GPU for each process.
    """
    rank, count, local = (int(os.environ.get(*name)) for name in (("RANK", 0), ("WORLD_SIZE", 1), ("LOCAL_RANK", 0)))
    if count > 1 and where.device == "auto" and torch.cuda.is_available():
        where.device = f"cuda:{local % torch.cuda.device_count()}"
    return rank, count


def _has_end(path: Path) -> bool:
    """Return whether a PNG file has the last bytes of a complete file."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(_END)))
        return file.read() == _END


class Pictures:
    """A folder with a file SEED.png for each seed, or an .npz file, which is made when such a folder is complete.

    seeds: duplicates are ignored. Raise ValueError for a name that can't be a folder or an .npz file.
    """

    def __init__(self, out: Path, seeds: Sequence[int]):
        self.seeds = list(dict.fromkeys(seeds))
        self._npz = out if out.suffix.lower() == ".npz" else None
        if out.suffix.lower() in _ONE_FILE or (out.exists() and out.is_file() != bool(self._npz)):
            raise ValueError(f"--out takes a folder, or the name of a file that ends in .npz, got {str(out)!r}")
        self._folder = out.with_name(f"{out.name}.parts") if self._npz else out

    def begin(self, about: dict[str, Any]) -> None:
        """Make the folder, or continue in an existing one.

        about: all settings that determine the pictures. Raise ValueError if the folder has pictures of other settings.
        """
        about = about if self._npz is None else about | {"seeds": self.seeds}
        # `about` is compared with settings from a JSON file, so its tuples must become lists.
        self._about = json.loads(json.dumps(about, default=repr))
        before = self._stored_settings()
        if before is None:
            files.write_json(self._folder / ABOUT, self._about)
            return
        other = [name for name, value in self._about.items() if before.get(name) != value]
        if other:
            place = self._npz or self._folder
            raise ValueError(f"{place} holds pictures with other {', '.join(other)}: choose another --out")

    def _stored_settings(self) -> dict[str, Any] | None:
        """Return the settings that a previous run stored with its pictures; None if there are no pictures.

        Raise ValueError if the existing files were not written by `sample`.
        """
        path = self._folder / ABOUT
        try:
            if self._npz_exists():
                assert self._npz is not None
                with np.load(self._npz) as kept:
                    return json.loads(str(kept["about"]))
            if path.exists():
                return json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
            raise ValueError(f"{self._npz or path} is not what `sample` writes: choose another --out") from None
        if any(self._folder.glob("*.png")):
            raise ValueError(
                f"{self._folder} holds pictures, but no {ABOUT} that names their model: choose another --out"
            )
        return None

    def _npz_exists(self) -> bool:
        """Return whether the .npz file exists."""
        return self._npz is not None and self._npz.exists()

    def share(self, rank: int, count: int) -> list[int]:
        """Return the seeds of the process with number `rank` among `count` processes."""
        return self.seeds[rank::count]

    def missing(self, seeds: Sequence[int]) -> list[int]:
        """Return the seeds whose pictures are missing, or incomplete because of a power cut."""
        if self._npz_exists():
            return []
        there = {entry.name for entry in os.scandir(self._folder)}
        return [seed for seed in seeds if (name := f"{seed}.png") not in there or not _has_end(self._folder / name)]

    def add(self, seeds: Sequence[int], images: np.ndarray) -> None:
        """Write the pictures of some seeds, uint8 (N, H, W, C). After a kill, each file is complete or missing."""
        for seed, image in zip(seeds, images, strict=True):
            # A file that a killed process left under this name is overwritten. The new file is not flushed to the disk,
            # because flushing would be slow for thousands of files.
            temporary = self._folder / f".{seed}.png"
            temporary.write_bytes(png(image))
            temporary.replace(self._folder / f"{seed}.png")

    def finish(self) -> None:
        """Wait for the pictures of other processes. Then make the .npz file, if `out` is one."""
        waiting = self.seeds
        while waiting := self.missing(waiting):
            time.sleep(_PAUSE)
        if self._npz is None:
            return
        if not self._npz_exists():
            images = np.stack([self._read(seed) for seed in self.seeds])
            with files.replacing(self._npz) as file:
                about = np.array(json.dumps(self._about))
                np.savez(file, images=images, seeds=np.array(self.seeds), about=about)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self, seed: int) -> np.ndarray:
        """Return the stored picture of a seed, uint8 (H, W, C)."""
        with open_picture(self._folder / f"{seed}.png") as picture:
            found = np.asarray(picture)
        return found[..., None] if found.ndim == 2 else found
