"""The sources of images: an image folder, parquet, a Hub data set, arrays, torchvision's CIFAR-10 and MNIST, LSUN."""

from __future__ import annotations

import io
import json
import math
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ddpm_core.disk.files import cache_folder
from ddpm_core.errors import first_line
from ddpm_core.imaging.image_files import SUFFIXES, open_picture, square, to_8_bits
from train import TrainError
from train.common.command_line import user_path
from train.common.errors import as_train_error
from train.common.lock import in_turn

TORCHVISION = ("cifar10", "mnist")
SHIPPED = {"digits": Path(__file__).parent / "digits" / "digits.npz"}  # 3,000 of MNIST
METADATA = "metadata.jsonl"
CAPTIONS = ("text", "caption", "prompt")  # columns, in order of preference
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


class ImageSource(ABC):
    """A numbered set of images."""

    description: str  # for messages, with the split
    split: str | None = None  # None: the source has no splits, and these are all its images
    classes: tuple[str, ...] | None = None  # names in the order of the labels; None: the images have no labels
    labels: Sequence[int] | None = None  # the class of each image, −1 if it has none; None if `classes` is None
    captions: Sequence[str] | None = None  # one for each image
    is_all: bool = True  # whether these are all images of the source: see `open_source`

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def picture(self, i: int) -> Image.Image:
        """Image i. For a broken file this, or reading the pixels, raises whatever Pillow raises."""

    def pixels(self, i: int, size: int, channels: int) -> np.ndarray:
        """Image i as uint8 (size, size, channels), as `to_8_bits` and `square` make it. Raises TrainError for a broken
        file.
        """
        with as_train_error(lambda _: f"{self.name(i)} can't be read as an image: remove it."):
            picture = to_8_bits(self.picture(i), channels)
        return square(picture, size)

    def label(self, i: int) -> int:
        """Return the class of image i, −1 if it has none."""
        return -1 if self.labels is None else self.labels[i]

    @abstractmethod
    def name(self, i: int) -> str:
        """Return the name of image i for messages."""

    @abstractmethod
    def mark(self, i: int) -> str:
        """Return a name or a size that tells image i from others, as far as possible without reading it."""


def open_source(
    data: str,
    split: str = "train",
    cache: str | None = None,
    captions: bool = False,
    most: float = math.inf,
    seconds: float = math.inf,
) -> ImageSource:
    """The source that `data` names (see Config.data). Raises TrainError, in one sentence, when there are no images.

    split: of CIFAR-10, MNIST, a Hub data set or a folder of parquet; other sources have none and give all their images.
    captions: whether they are asked for: then an image counts once for each that it has.
    most, seconds: of an image folder, only so many files, found in so much time; `is_all` says whether these are all.
    cache: where CIFAR-10 and MNIST are downloaded to; None is the user's cache folder.
    """
    if not data:
        raise TrainError(
            "Say what to train on with --data: an image folder, parquet, an .npz file, an LSUN database, a Hub data "
            "set, cifar10, mnist or digits."
        )
    path = user_path(data)
    if path.is_dir():
        if (path / "data.mdb").is_file():
            return LSUNDatabase(path)
        files, is_all = _files_below(path, {*SUFFIXES, ".parquet"}, most, seconds)
        if any(file.suffix.lower() == ".parquet" for file in files):
            return HubDataset(str(path), split)
        return CaptionedFolder(path) if captions else ImageFolder(path, files, is_all)
    if path.suffix == ".parquet" and path.is_file():
        return HubDataset(str(path), split)
    if path.suffix == ".npz" and path.is_file():
        return ArrayFile(path)
    if path.exists():
        raise TrainError(
            f"{data} is a file of another kind. Choose an image folder, parquet, .npz, an LSUN database or a Hub data "
            "set."
        )
    if data in SHIPPED:
        return ArrayFile(SHIPPED[data])
    if data in TORCHVISION:
        return TorchvisionDataset(data, user_path(cache) if cache else cache_folder(), split)
    if HUB_ID.fullmatch(data):
        return HubDataset(data, split)
    raise TrainError(f"There is no folder or data set {data!r}. Choose another one.")


def _files_below(
    root: Path, suffixes: Collection[str], most: float = math.inf, seconds: float = math.inf
) -> tuple[list[Path], bool]:
    """Return the files that end so, up to `most` found in so many seconds, and whether these are all.

    Hidden files, and those that macOS puts beside the files of a ZIP archive, are left out.
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
    """The images under a folder, in the order of their paths.

    Where all lie in subfolders, the topmost is the class. Classes are in the order of their names, or of the numbers
    where all names are whole numbers.
    """

    def __init__(self, root: Path, files: Iterable[Path] | None = None, is_all: bool = True):
        """files: those that were found below root already; is_all: whether these are all."""
        self._files = sorted(_files_below(root, SUFFIXES)[0] if files is None else files)
        self._root, self.is_all = root, is_all
        if not self._files and not is_all:
            raise TrainError(f"{root} holds too many other files. Choose the folder that holds the images.")
        if not self._files:
            raise TrainError(f"{root} holds no images (looked for {', '.join(sorted(SUFFIXES))}) and no parquet files.")
        self.description = f"image folder {root.resolve().name}"
        inside = [path.relative_to(root).parts for path in self._files]
        if min(map(len, inside)) > 1:
            self.classes = _in_order({parts[0] for parts in inside})
            number = {name: label for label, name in enumerate(self.classes)}
            self.labels = [number[parts[0]] for parts in inside]

    def __len__(self) -> int:
        return len(self._files)

    def picture(self, i: int) -> Image.Image:
        return open_picture(self._files[i])

    def name(self, i: int) -> str:
        return str(self._files[i])

    def mark(self, i: int) -> str:
        return f"{self._files[i].relative_to(self._root).as_posix()} {self._files[i].stat().st_size}"


class CaptionedFolder(ImageSource):
    """An image folder with metadata.jsonl, as Hugging Face's imagefolder has it: lines with file_name and text.

    An image that is in several lines is an example for each of them.
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
        return self._names[i]


def _in_order(names: Collection[str]) -> tuple[str, ...]:
    """Names of classes in the order of their labels: by number where all are whole numbers, so that 2 is before 10."""
    numbered = all(re.fullmatch(r"[+-]?[0-9]+", name) for name in names)
    return tuple(sorted(names, key=lambda name: (int(name), name) if numbered else name))


class HubDataset(ImageSource):
    """A data set with an image column: local parquet, or an id on the Hub. The label is its first ClassLabel column."""

    def __init__(self, data: str, split: str):
        import datasets

        self.split = None if data.endswith(".parquet") else split
        # Not found, offline, gated, an unknown split: the library has a kind of error for each.
        with as_train_error(lambda reason: f"The data set {data} can't be read: {reason}"):
            if self.split is None:
                rows = datasets.load_dataset("parquet", data_files=data, split="train")
            else:
                rows = datasets.load_dataset(data, split=split)
        images = [name for name, kind in rows.features.items() if isinstance(kind, datasets.Image)]
        if not images:
            raise TrainError(f"The data set {data} has no image column, only {', '.join(rows.features)}.")
        if not len(rows):
            raise TrainError(f"The data set {data} is empty.")
        labels = [name for name, kind in rows.features.items() if isinstance(kind, datasets.ClassLabel)]
        self.classes = tuple(rows.features[labels[0]].names) if labels else None
        # Read whole: one by one, from a column on the disk, 50,000 labels take seconds.
        self.labels = [-1 if label is None else label for label in rows[labels[0]][:]] if labels else None
        texts = [name for name in CAPTIONS if name in rows.features]
        self.captions = [str(text or "") for text in rows[texts[0]][:]] if texts else None
        self._images = rows.select_columns(images[:1]).cast_column(images[0], datasets.Image(decode=False))
        self._column = images[0]
        self._data = data
        name = data if HUB_ID.fullmatch(data) else Path(data).resolve().name
        self.description = f"data set {name}" + (f" ({split})" if self.split else "")

    def __len__(self) -> int:
        return len(self._images)

    def picture(self, i: int) -> Image.Image:
        image = self._images[i][self._column]
        return open_picture(io.BytesIO(image["bytes"]) if image["bytes"] is not None else image["path"])

    def name(self, i: int) -> str:
        return f"row {i} of {self._data}"

    def mark(self, i: int) -> str:
        size, path = self._sizes[i]
        return str(size) if path is None else Path(path).name

    @cached_property
    def _sizes(self) -> list[tuple[int | None, str | None]]:
        """(bytes, None), or (None, path) where only that is kept, of each image. Arrow knows without reading images."""
        from pyarrow import compute

        # pyarrow makes its functions while it is imported, so a type checker does not know them.
        length, field, choose, is_null = (
            getattr(compute, name) for name in ("binary_length", "struct_field", "if_else", "is_null")
        )
        images = self._images.data.column(self._column).combine_chunks()
        sizes = length(field(images, "bytes"))
        paths = choose(is_null(sizes), field(images, "path"), None)
        return list(zip(sizes.to_pylist(), paths.to_pylist(), strict=True))


class TorchvisionDataset(ImageSource):
    """CIFAR-10 or MNIST as torchvision has it, downloaded on first use."""

    def __init__(self, name: str, cache: Path, split: str):
        import torchvision.datasets

        self._title = {"cifar10": "CIFAR-10", "mnist": "MNIST"}[name]
        kind = {"cifar10": torchvision.datasets.CIFAR10, "mnist": torchvision.datasets.MNIST}[name]
        if split not in ("train", "test"):
            raise TrainError(f"{self._title} has no split {split!r}: choose train or test.")
        try:
            with in_turn(cache):  # torchvision downloads to the final name
                found = kind(str(cache), train=split == "train", download=True)
        except (OSError, RuntimeError) as error:
            raise TrainError(f"{self._title} can't be downloaded to {cache} ({first_line(error)}).") from error
        self._pixels, self.labels = np.asarray(found.data), np.asarray(found.targets).tolist()
        self.classes = tuple(name.partition(" - ")[0] for name in found.classes)  # MNIST's are like "4 - four"
        self.split, self.description = split, f"{self._title} (torchvision, {split})"

    def __len__(self) -> int:
        return len(self._pixels)

    def picture(self, i: int) -> Image.Image:
        return Image.fromarray(self._pixels[i])

    def name(self, i: int) -> str:
        return f"{self._title} image {i}"

    def mark(self, i: int) -> str:
        return f"{self._title} {self.split} {i}"


class ArrayFile(ImageSource):
    """A NumPy file (.npz): images, uint8 (N, H, W) or (N, H, W, 1 to 4); if it has them labels, (N,), and classes."""

    def __init__(self, path: Path):
        readable = as_train_error(lambda reason: f"{path} can't be read as a NumPy file ({reason}).")
        with readable, np.load(path, allow_pickle=False) as arrays:
            if "images" not in arrays:
                raise TrainError(f"{path} has no array named images.")
            self._pixels = arrays["images"]
            self.labels = arrays["labels"].tolist() if "labels" in arrays else None
            names = arrays["classes"].tolist() if "classes" in arrays else None
        shape = self._pixels.shape
        if self._pixels.dtype != np.uint8 or not (len(shape) == 3 or (len(shape) == 4 and 1 <= shape[3] <= 4)):
            raise TrainError(f"{path}: images must be uint8 (N, H, W) or (N, H, W, channels).")
        if not self._pixels.size:
            raise TrainError(f"{path} holds no images.")
        if self.labels is not None:
            self.classes = self._names(path, names)
        self._path, self.description = path, f"arrays {path.stem}"

    def _names(self, path: Path, names: list | None) -> tuple[str, ...]:
        labels = self.labels
        if not isinstance(labels, list) or len(labels) != len(self) or not all(type(i) is int for i in labels):
            raise TrainError(f"{path}: labels must be a whole number for each image.")
        count = max(labels) + 1 if names is None else len(names)
        if not -1 <= min(labels) <= max(labels) < count:
            raise TrainError(f"{path}: labels must be −1 (none) to {count - 1}.")
        return tuple(map(str, range(count) if names is None else names))

    def __len__(self) -> int:
        return len(self._pixels)

    def picture(self, i: int) -> Image.Image:
        return Image.fromarray(self._pixels[i].squeeze(-1) if self._pixels.shape[3:] == (1,) else self._pixels[i])

    def name(self, i: int) -> str:
        return f"image {i} of {self._path}"

    def mark(self, i: int) -> str:
        return f"{self._path.name} {i}"


class LSUNDatabase(ImageSource):
    """One category of LSUN as it is distributed and as torchvision reads it: an LMDB folder like bedroom_train_lmdb."""

    def __init__(self, root: Path):
        self._root = root
        if find_spec("lmdb") is None:
            raise TrainError("Reading an LSUN database needs one more package: pip install lmdb.")
        readable = as_train_error(lambda reason: f"The LSUN database {root} can't be read ({reason}).")
        with readable, self._begin() as transaction:
            self._keys = list(transaction.cursor().iternext(values=False))
        if not self._keys:
            raise TrainError(f"The LSUN database {root} is empty.")
        self.description = f"LSUN {root.resolve().name}"

    @contextmanager
    def _begin(self) -> Iterator[Any]:
        """A transaction of a handle that is closed again: none may be open where worker processes are made."""
        import lmdb

        with (
            lmdb.open(str(self._root), readonly=True, lock=False, readahead=False, meminit=False) as database,
            database.begin() as transaction,
        ):
            yield transaction

    def __len__(self) -> int:
        return len(self._keys)

    def picture(self, i: int) -> Image.Image:
        with self._begin() as transaction:
            return open_picture(io.BytesIO(transaction.get(self._keys[i]) or b""))

    def name(self, i: int) -> str:
        return f"image {i} of {self._root}"

    def mark(self, i: int) -> str:
        return self._keys[i].hex()
