"""Open the images that a name stands for: a folder, parquet, a Hub data set, .npz, digits, CIFAR-10 and MNIST, LSUN."""

from __future__ import annotations

import io
import json
import math
import re
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ddpm_core.data import digits
from ddpm_core.disk.files import cache_folder
from ddpm_core.errors import first_line
from ddpm_core.imaging.image_files import SUFFIXES, open_picture
from train import TrainError
from train.common.command_line import user_path
from train.common.config import PYTHON
from train.common.errors import as_train_error
from train.common.lock import in_turn
from train.data.image_source import ImageSource, in_order
from train.data.objects import Arrays, Rows

TORCHVISION = ("cifar10", "mnist")
METADATA = "metadata.jsonl"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def open_source(
    data: str | Path,
    split: str = "train",
    cache: str | None = None,
    captions: bool = False,
    most: float = math.inf,
    seconds: float = math.inf,
) -> ImageSource:
    """Return the images that `data` names (see Config.data). Raises TrainError if there are none.

    split: the split of CIFAR-10, MNIST, the digits, a Hub data set or a folder of parquet. Other sources have no
        splits.
    captions: whether the caller needs captions. If so, an image of a folder is one example for each of its captions.
    most, seconds: limits for an image folder: stop after this many files or seconds. The result's `is_all` says whether
        all files were found.
    cache: the folder into which CIFAR-10 and MNIST are downloaded; None is the user's cache folder.
    """
    data = str(data)
    if not data:
        raise TrainError(
            "Say what to train on with --data: an image folder, parquet, an .npz file, an LSUN database, a Hub data "
            "set, cifar10, mnist or digits."
        )
    if data.startswith(PYTHON):
        kind = data.removeprefix(PYTHON)
        raise TrainError(
            f"This run was started in Python, with data of the type {kind}: give them again, as in "
            "train.resume(OUT, data=…)."
        )
    path = user_path(data)
    if path.is_dir():
        if (path / "data.mdb").is_file():
            return LSUNDatabase(path)
        files, is_all = _files_below(path, {*SUFFIXES, ".parquet"}, most, seconds)
        if any(file.suffix.lower() == ".parquet" for file in files):
            return _hub_dataset(str(path), split)
        return CaptionedFolder(path) if captions else ImageFolder(path, files, is_all)
    if path.suffix == ".parquet" and path.is_file():
        return _hub_dataset(str(path), split)
    if path.suffix == ".npz" and path.is_file():
        return _array_file(path)
    if path.exists():
        raise TrainError(
            f"{data} is a file of another kind. Choose an image folder, parquet, .npz, an LSUN database or a Hub data "
            "set."
        )
    if data == "digits":
        return _embedded_digits(split)
    if data in TORCHVISION:
        return TorchvisionDataset(data, user_path(cache) if cache else cache_folder(), split)
    if HUB_ID.fullmatch(data):
        return _hub_dataset(data, split)
    raise TrainError(f"There is no folder or data set {data!r}. Choose another one.")


def _files_below(
    root: Path, suffixes: Collection[str], most: float = math.inf, seconds: float = math.inf
) -> tuple[list[Path], bool]:
    """Return the files below a folder with these suffixes, and whether the search found all of them. The search stops
    after `most` files or this many seconds.

    Hidden files, and those that macOS adds to a ZIP archive, are left out.
    """
    files: list[Path] = []
    end = time.monotonic() + seconds
    for path in root.rglob("*"):
        if time.monotonic() > end:
            return files, False
        shown = not any(part.startswith(".") or part == "__MACOSX" for part in path.relative_to(root).parts)
        if shown and path.suffix.lower() in suffixes and path.is_file():
            if len(files) >= most:
                return files, False
            files.append(path)
    return files, True


class ImageFolder(ImageSource):
    """The images below a folder, in the order of their paths.

    If all of them lie in subfolders, the name of the topmost subfolder is the class; see `in_order` for the order of
    classes.
    """

    def __init__(self, root: Path, files: Iterable[Path] | None = None, is_all: bool = True):
        """files: the image files, if the caller has already searched below root; is_all: whether these are all image
        files.
        """
        self._files = sorted(_files_below(root, SUFFIXES)[0] if files is None else files)
        self._root, self.is_all = root, is_all
        if not self._files and not is_all:
            raise TrainError(f"{root} holds too many other files. Choose the folder that holds the images.")
        if not self._files:
            raise TrainError(f"{root} holds no images (looked for {', '.join(sorted(SUFFIXES))}) and no parquet files.")
        self.description = f"image folder {root.resolve().name}"
        inside = [path.relative_to(root).parts for path in self._files]
        if min(map(len, inside)) > 1:
            self.classes = in_order({parts[0] for parts in inside})
            number = {name: label for label, name in enumerate(self.classes)}
            self.labels = [number[parts[0]] for parts in inside]

    def __len__(self) -> int:
        return len(self._files)

    def picture(self, i: int) -> Image.Image:
        return open_picture(self._files[i])

    def name(self, i: int) -> str:
        return str(self._files[i])

    def mark(self, i: int) -> str:
        """Return the path and the size of the file of image i."""
        return f"{self._files[i].relative_to(self._root).as_posix()} {self._files[i].stat().st_size}"


class CaptionedFolder(ImageSource):
    """An image folder with metadata.jsonl, as in Hugging Face's imagefolder: each line has file_name and text.

    An image that is in several lines is an example for each of them. Raises TrainError if the file is missing or
    damaged.
    """

    def __init__(self, root: Path):
        path = root / METADATA
        if not path.is_file():
            raise TrainError(f"{root} has no {METADATA}: captions are its lines of file_name and text.")
        try:
            lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
            self._names = [line["file_name"] for line in lines]
            self.captions = [line["text"] for line in lines]
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise TrainError(f"{path} must hold lines with file_name and text ({first_line(error)}).") from error
        if not lines or not all(isinstance(text, str) for text in (*self._names, *self.captions)):
            raise TrainError(f"{path} must hold lines whose file_name and text are texts.")
        outside = [name for name in self._names if not (root / name).resolve().is_relative_to(root.resolve())]
        if outside:
            raise TrainError(f"{path} names {outside[0]}, which is not in that folder.")
        self._root = root
        self.description = f"image folder {root.resolve().name}"

    def __len__(self) -> int:
        return len(self._names)

    def picture(self, i: int) -> Image.Image:
        return open_picture(self._root / self._names[i])

    def name(self, i: int) -> str:
        return str(self._root / self._names[i])

    def mark(self, i: int) -> str:
        """Return the file name of image i."""
        return self._names[i]


def _hub_dataset(data: str, split: str) -> Rows:
    """Return a data set with an image column: local parquet, or an id on the Hub. Raises TrainError on failure."""
    import datasets

    is_file = data.endswith(".parquet")
    # `datasets` has many types of errors, for example if the network, the permission or the split is missing.
    with as_train_error(lambda reason: f"The data set {data} can't be read: {reason}"):
        if is_file:
            rows = datasets.load_dataset("parquet", data_files=data, split="train")
        else:
            rows = datasets.load_dataset(data, split=split)
    name = data if HUB_ID.fullmatch(data) else Path(data).resolve().name
    return Rows(rows, data, f"data set {name}", None if is_file else split)


class TorchvisionDataset(ImageSource):
    """CIFAR-10 or MNIST from torchvision, downloaded at the first use. Raises TrainError if the download fails."""

    def __init__(self, name: str, cache: Path, split: str):
        import torchvision.datasets

        self._title = {"cifar10": "CIFAR-10", "mnist": "MNIST"}[name]
        kind = {"cifar10": torchvision.datasets.CIFAR10, "mnist": torchvision.datasets.MNIST}[name]
        if split not in ("train", "test"):
            raise TrainError(f"{self._title} has no split {split!r}: choose train or test.")
        try:
            with in_turn(cache):  # otherwise a second process would read torchvision's unfinished file
                found = kind(str(cache), train=split == "train", download=True)
        except (OSError, RuntimeError) as error:
            raise TrainError(f"{self._title} can't be downloaded to {cache} ({first_line(error)}).") from error
        self._pixels, self.labels = np.asarray(found.data), np.asarray(found.targets).tolist()
        self.classes = tuple(name.partition(" - ")[0] for name in found.classes)  # MNIST has names like "4 - four"
        self.split, self.description = split, f"{self._title} (torchvision, {split})"

    def __len__(self) -> int:
        return len(self._pixels)

    def picture(self, i: int) -> Image.Image:
        return Image.fromarray(self._pixels[i])

    def name(self, i: int) -> str:
        return f"{self._title} image {i}"

    def mark(self, i: int) -> str:
        """Return the data set, the split and the index."""
        return f"{self._title} {self.split} {i}"


def _embedded_digits(split: str) -> Arrays:
    """Return the digits that come with the library. Raises TrainError for a split other than train and test."""
    if split not in ("train", "test"):
        raise TrainError(f"The digits have no split {split!r}: choose train or test.")
    found = digits("test" if split == "test" else "train")
    name = "digits" if split == "train" else "digits_test"
    source = Arrays(found.images, found.labels, found.classes, name=f"{name}.npz", description=f"arrays {name}")
    source.split = split
    return source


def _array_file(path: Path) -> Arrays:
    """Return the arrays of an .npz file: images, and labels and classes if it has them; see `Arrays`. Raises TrainError
    if it can't be read.
    """
    readable = as_train_error(lambda reason: f"{path} can't be read as a NumPy file ({reason}).")
    with readable, np.load(path, allow_pickle=False) as file:
        if "images" not in file:
            raise TrainError(f"{path} has no array named images.")
        images, labels, classes = (file.get(name) for name in ("images", "labels", "classes"))
    return Arrays(images, labels, classes, name=str(path), description=f"arrays {path.stem}")


class LSUNDatabase(ImageSource):
    """One category of LSUN as it is distributed: an LMDB folder such as bedroom_train_lmdb."""

    def __init__(self, root: Path):
        self._root = root
        if find_spec("lmdb") is None:
            raise TrainError("Reading an LSUN database needs one more package: pip install lmdb.")
        readable = as_train_error(lambda reason: f"The LSUN database {root} can't be read ({reason}).")
        with readable, self._transaction() as transaction:
            self._keys = list(transaction.cursor().iternext(values=False))
        if not self._keys:
            raise TrainError(f"The LSUN database {root} is empty.")
        self.description = f"LSUN {root.resolve().name}"

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """Open the database for one transaction, and close it again. No handle may be open when workers start."""
        import lmdb

        with (
            lmdb.open(str(self._root), readonly=True, lock=False, readahead=False, meminit=False) as database,
            database.begin() as transaction,
        ):
            yield transaction

    def __len__(self) -> int:
        return len(self._keys)

    def picture(self, i: int) -> Image.Image:
        with self._transaction() as transaction:
            return open_picture(io.BytesIO(transaction.get(self._keys[i]) or b""))

    def name(self, i: int) -> str:
        return f"image {i} of {self._root}"

    def mark(self, i: int) -> str:
        """Return image i's key in the database, in hexadecimal."""
        return self._keys[i].hex()
