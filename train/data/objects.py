"""Images that a Python program passes as objects: arrays, lists, data sets of PyTorch and Hugging Face, and streams."""

from __future__ import annotations

import io
import itertools
import operator
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from torch import Tensor
from torch.utils.data import IterableDataset

from ddpm_core.imaging.image_files import MODES, open_picture
from train import TrainError
from train.common.errors import as_train_error
from train.data.image_source import ImageSource, number_labels

# Names that a data set's columns or keys may have, the preferred names first.
IMAGES = ("image", "img", "picture", "pixel_values", "images")
LABELS = ("label", "labels", "class", "fine_label", "category")
CAPTIONS = ("text", "caption", "prompt")
HEAD = 64  # number of a stream's pictures that are read before training starts


class Example(NamedTuple):
    """The parts of one item of a data set."""

    picture: Any  # a picture in any form that `as_picture` takes
    label: int | str | None = None
    caption: str | None = None


def open_object(data: Any) -> ImageSource | PictureStream:
    """Return a Python object's images as a source or a stream: see "Your own data" in docs/training.md.

    Raises TrainError for an object without pictures, and for pictures of an unknown form.
    """
    if isinstance(data, Mapping):
        if "images" not in data:
            names = ", ".join(map(repr, list(data)[:5]))
            raise TrainError(f"The data are a mapping of {names}, and not of images: choose one of these.")
        return Arrays(data["images"], data.get("labels"), data.get("classes"), data.get("captions"))
    if isinstance(data, tuple) and _are_arrays(data):
        return Arrays(*data, name=type(data).__name__ if hasattr(data, "_fields") else "arrays")
    if isinstance(data, (np.ndarray, Tensor)):
        return Arrays(data, name="array")
    if _is_rows(data):
        rows: Any = data
        name = rows.info.dataset_name or type(rows).__name__
        return Rows(rows, name, f"data set {name}", str(rows.split) if rows.split else None)
    # PyTorch's IterableDataset may have a length, and always has a __getitem__, which only raises an error.
    if not isinstance(data, IterableDataset) and hasattr(data, "__len__") and hasattr(data, "__getitem__"):
        return Items(data)
    return PictureStream(data)


def _are_arrays(data: tuple[Any, ...]) -> bool:
    """Return whether a tuple is (images, labels, …), and not a tuple of pictures."""
    if len(data) < 2 or getattr(data[0], "ndim", 0) < 3 or not hasattr(data[1], "__len__"):
        return False
    return len(data[0]) == len(data[1]) and getattr(data[1], "ndim", 1) == 1


def _is_rows(data: Any) -> bool:
    """Return whether `data` is a `datasets.Dataset` whose items are its rows, which a user's transform would change."""
    if not type(data).__module__.startswith("datasets."):
        return False
    import datasets

    return isinstance(data, datasets.Dataset) and data.format["type"] != "custom"


def as_picture(value: Any) -> Image.Image:
    """Return a picture of a data set as a Pillow image.

    Arguments:
        value: a picture of Pillow, a path, the bytes of a file, {"bytes": …, "path": …}, or an array or a tensor,
            (H, W) or with 1 to 4 channels first or last: whole numbers from 0 to 255, or floats from 0 to 1.

    Raises:
        TrainError: for anything else.
    """
    if isinstance(value, Image.Image):
        value.load()  # reads the pixels here, because Pillow closes the file with the first copy
        return value
    if isinstance(value, (str, Path)):
        return open_picture(value)
    if isinstance(value, bytes):
        return open_picture(io.BytesIO(value))
    if isinstance(value, Mapping) and "bytes" in value:
        return as_picture(value["bytes"] if value["bytes"] is not None else value["path"])
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        return Image.fromarray(_levels(_channels_last(value)))
    raise TrainError(f"A picture must be one of Pillow's, an array, a tensor or a path, not {type(value).__name__}.")


def _channels_last(pixels: np.ndarray) -> np.ndarray:
    """Return the pixels as (H, W), or as (H, W, C) with 2 to 4 channels. Raises TrainError for another shape."""
    if pixels.ndim == 3 and pixels.shape[-1] not in MODES and pixels.shape[0] in MODES:
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if not pixels.size or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] in MODES)):
        several = " Give pictures one by one, not in batches." if pixels.ndim > 3 else ""
        raise TrainError(f"A picture must be (H, W), (H, W, 1 to 4) or (1 to 4, H, W), not {pixels.shape}.{several}")
    return pixels


def _levels(pixels: np.ndarray) -> np.ndarray:
    """Return the pixels as uint8: floats from 0 to 1 become 0 to 255. Raises TrainError for other numbers."""
    if pixels.dtype == np.uint8:
        return pixels
    most = 1 if pixels.dtype.kind == "f" else 255
    low, high = (float(pixels.min()), float(pixels.max())) if pixels.dtype.kind in "fiub" else (np.nan, np.nan)
    if not 0 <= low <= high <= most:
        raise TrainError(
            "The numbers of a picture must be whole ones from 0 to 255 or floats from 0 to 1, not "
            f"{pixels.dtype} from {low:g} to {high:g} (ddpm_core.to_uint8 takes floats from −1 to 1)."
        )
    return np.rint(pixels * 255.0).astype(np.uint8) if most == 1 or pixels.dtype == bool else pixels.astype(np.uint8)


def as_example(item: Any) -> Example:
    """Return the picture, the label and the caption of an item of a data set.

    The item is a picture, a pair (picture, label), or a mapping with keys from IMAGES, LABELS and CAPTIONS. Raises
    TrainError for a mapping without a picture.
    """
    if isinstance(item, Mapping) and "bytes" not in item:
        image, label, caption = (_first(names, item) for names in (IMAGES, LABELS, CAPTIONS))
        if image is None:
            raise TrainError(f"An item has no picture: it has {', '.join(map(str, item))}, and none of {_any(IMAGES)}.")
        text = None if caption is None else str(item[caption] or "")
        return Example(item[image], None if label is None else as_label(item[label]), text)
    if isinstance(item, (tuple, list)) and len(item) == 2:
        label = as_label(item[1])
        return Example(item[0], label, label if isinstance(label, str) else None)
    return Example(item)


def as_label(value: Any) -> int | str | None:
    """Return a label as a Python number, as a name, or as None.

    Raises TrainError for anything else.
    """
    if value is None or isinstance(value, str):
        return value
    try:
        return int(value.item() if hasattr(value, "item") else value.__index__())
    except (AttributeError, RuntimeError, TypeError, ValueError):
        raise TrainError(f"A label must be a whole number or a name, not {type(value).__name__}.") from None


def _first(names: Iterable[str], known: Iterable[str]) -> str | None:
    """Return the first of `names` that is in `known`, or None."""
    return next((name for name in names if name in known), None)


def _any(names: Sequence[str]) -> str:
    """Return the names as a text: "a, b or c"."""
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _check_form(item: Any, where: str) -> None:
    """Raise TrainError for an item that is not a picture. A broken file passes, because other files may be readable."""
    try:
        as_picture(as_example(item).picture)
    except TrainError as error:
        raise TrainError(f"{where}: {error}") from None
    except Exception:  # Pillow can't read the file, which `ImageSource.pixels` reports later
        return


class Arrays(ImageSource):
    """Images in an array or a tensor, (N, H, W) or with 1 to 4 channels first or last.

    labels: (N,), numbers or names. classes: the class names. name, description: the data set's name, for messages.
        Raises TrainError for pictures, labels or captions of another form.
    """

    def __init__(
        self,
        images: Any,
        labels: Sequence[Any] | np.ndarray | Tensor | None = None,
        classes: Iterable[str] | None = None,
        captions: Sequence[str] | None = None,
        name: str = "arrays",
        description: str | None = None,
    ):
        if not len(images):
            raise TrainError(f"{name} holds no images.")
        self._images, self._name, self.description = images, name, description or name
        _check_form(images[0], name)
        for what, each in (("labels", labels), ("captions", captions)):
            if each is not None and len(each) != len(images):
                raise TrainError(f"{name}: {what} must be a whole number for each image, or a name for each image.")
        self.captions = None if captions is None else [str(caption) for caption in captions]
        if labels is not None:
            names = None if classes is None else [str(one) for one in classes]
            self.labels, self.classes = number_labels([as_label(label) for label in labels], names, name)

    def __len__(self) -> int:
        return len(self._images)

    def picture(self, i: int) -> Image.Image:
        return as_picture(self._images[i])

    def name(self, i: int) -> str:
        return f"image {i} of {self._name}"

    def mark(self, i: int) -> str:
        """Return the name of the arrays and the index of the image."""
        return f"{Path(self._name).name} {i}"


class Items(ImageSource):
    """The items of a list, or of a PyTorch data set that has a length. `as_example` splits an item into its parts."""

    def __init__(self, items: Any):
        self._items, self.description = items, type(items).__name__
        if not len(items):
            raise TrainError(f"{self.description} holds no images.")
        _check_form(items[0], self.description)

    def __len__(self) -> int:
        return len(self._items)

    def picture(self, i: int) -> Image.Image:
        return as_picture(as_example(self._items[i]).picture)

    @cached_property
    def _numbered(self) -> tuple[list[int] | None, tuple[str, ...] | None]:
        """Return the labels and the class names. A torchvision data set has its labels in `targets`; else, all items
        are read.
        """
        targets = getattr(self._items, "targets", None)
        is_whole = targets is not None and len(targets) == len(self)
        if targets is not None and is_whole:
            labels = [as_label(target) for target in targets]
        else:
            labels = [as_example(self._items[i]).label for i in range(len(self))]
        if all(label is None for label in labels):
            return None, None
        return number_labels(labels, getattr(self._items, "classes", None), self.description)

    @property
    def labels(self) -> list[int] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._numbered[0]

    @property
    def classes(self) -> tuple[str, ...] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._numbered[1]

    @cached_property
    def captions(self) -> list[str] | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        texts = [as_example(self._items[i]).caption for i in range(len(self))]
        return None if any(text is None for text in texts) else [text or "" for text in texts]

    def name(self, i: int) -> str:
        return f"item {i} of {self.description}"

    def mark(self, i: int) -> str:
        """Return the path of picture i if the list holds paths, else the index."""
        item = self._items[i] if isinstance(self._items, (list, tuple)) else None
        picture = None if item is None else as_example(item).picture
        return str(picture) if isinstance(picture, (str, Path)) else f"{self.description} {i}"


class Rows(ImageSource):
    """The rows of a `datasets.Dataset` with an image column. `Columns` chooses the columns.

    name: the data set's name, for messages. description, split: see ImageSource. Raises TrainError if there are no
        images.
    """

    def __init__(self, rows: Any, name: str, description: str, split: str | None = None):
        import datasets

        columns = Columns.of(rows.features, f"data set {name}")
        if not len(rows):
            raise TrainError(f"The data set {name} is empty.")
        rows = rows.with_format(None)
        self._name, self.split = name, split
        self.description = description + (f" ({split})" if split else "")
        if columns.label is not None:
            # Read the whole column at once: reading 50,000 labels from the disk one by one takes seconds.
            labels = rows.select_columns([columns.label])[:][columns.label]
            self.labels, self.classes = number_labels(labels, columns.classes, f"The data set {name}")
        self.captions = None
        if columns.caption is not None:
            texts = rows.select_columns([columns.caption])[:][columns.caption]
            self.captions = [str(text or "") for text in texts]
        self._column = columns.image
        self._images = rows.select_columns([columns.image]).cast_column(columns.image, datasets.Image(decode=False))

    def __len__(self) -> int:
        return len(self._images)

    def picture(self, i: int) -> Image.Image:
        return as_picture(self._images[i][self._column])

    def name(self, i: int) -> str:
        return f"row {i} of {self._name}"

    def mark(self, i: int) -> str:
        """Return the size of image i in bytes, or the name of its file."""
        size, path = self._sizes[i]
        return str(size) if path is None else Path(path).name

    @cached_property
    def _sizes(self) -> list[tuple[int | None, str | None]]:
        """Return (size in bytes, None) of each image, or (None, path) if the data set has a path. Reads no image."""
        from pyarrow import compute

        # pyarrow creates these functions at import time, so a type checker can't find them.
        length, field, choose, is_null = (
            getattr(compute, name) for name in ("binary_length", "struct_field", "if_else", "is_null")
        )
        found: list[tuple[int | None, str | None]] = []
        for table in self._images.with_format("arrow").iter(1000):  # in the order of the selected rows
            images = table.column(self._column).combine_chunks()
            sizes = length(field(images, "bytes"))
            paths = choose(is_null(sizes), field(images, "path"), None)
            found += zip(sizes.to_pylist(), paths.to_pylist(), strict=True)
        return found


class Columns(NamedTuple):
    """The columns of a Hugging Face data set that a run uses.

    The image is the first column of images. The label is the first ClassLabel, else a column with a name of LABELS. The
    caption is a column with a name of CAPTIONS.
    """

    image: str
    label: str | None
    classes: tuple[str, ...] | None  # class names; None if the data set does not list them
    caption: str | None

    @classmethod
    def of(cls, features: Mapping[str, Any], name: str) -> Columns:
        """Choose the columns. Raises TrainError if there is no image column. name: the data set, for the message."""
        import datasets

        images = [column for column, kind in features.items() if isinstance(kind, datasets.Image)]
        if not images:
            raise TrainError(f"The {name} has no image column, only {', '.join(features)}.")
        classes = [column for column, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
        label, names = (classes[0], tuple(features[classes[0]].names)) if classes else (_first(LABELS, features), None)
        return cls(images[0], label, names, _first(CAPTIONS, features))


def _stated_length(rows: Any) -> int | None:
    """Return the number of examples that a `datasets.IterableDataset` states, or None."""
    about = (rows.info.splits or {}).get(str(rows.split))
    return about.num_examples if about else None


class StreamEnded(TrainError):
    """A stream that can be read only once has no more pictures."""


class PictureStream:
    """Pictures without indices, which come one after the other: the items of any iterable, see `as_example`.

    When an iterable ends, it is read again: one reading is called a pass. An iterator, such as a generator, has one
    pass.

    length: the number of pictures in a pass that the iterable states, by `len` or in the information of a Hugging Face
        data set; None if it states none. It may be wrong: Hugging Face keeps it after `filter` and `take`.
    news: sentences for the user. The trainer prints and removes them.
    """

    def __init__(self, items: Any):
        """Read the first pictures into `head`. Raises TrainError if there are none, or if an item is not a picture."""
        self.description = f"stream {type(items).__name__}"
        self.classes: tuple[str, ...] | None = tuple(map(str, getattr(items, "classes", ()))) or None
        self.length: int | None = None
        self.news: list[str] = []
        self._passes: set[int] = set()  # the numbers of pictures in the complete passes
        is_huggingface = type(items).__module__.startswith("datasets.")
        self._items = self._without_decoding(items) if is_huggingface else items
        with suppress(Exception):  # `len` may raise any error if the object does not know its length
            self.length = (_stated_length(items) if is_huggingface else operator.length_hint(items)) or None
        with self._reading(0):
            self._iterator = iter(self._items)
            self.is_iterator = self._iterator is self._items
            self.head = list(itertools.islice(self._iterator, HEAD))
        self._left = deque(self.head) if self.is_iterator else deque()
        if not self.head:
            raise TrainError(f"The {self.description} gives no pictures.")
        for item in self.head:
            _check_form(item, self.description)

    def _without_decoding(self, rows: Any) -> Any:
        """Return a Hugging Face stream that gives files, not decoded pictures: a broken picture would end the stream
        if the stream decoded it.
        """
        import datasets

        if rows.features is None:  # the columns are unknown before the first row is read
            return rows
        columns = Columns.of(rows.features, self.description)
        self.classes = columns.classes or self.classes
        return rows.cast_column(columns.image, datasets.Image(decode=False))

    def _reading(self, n: int) -> Any:
        """Return a context that turns an error of the iterable into a TrainError. n: how many pictures came before."""
        return as_train_error(lambda reason: f"The {self.description} failed after {n:,} pictures: {reason}.")

    @property
    def counted(self) -> int | None:
        """Return the number of pictures in a pass. None until a pass is complete, and if passes differ."""
        return next(iter(self._passes)) if len(self._passes) == 1 else None

    def check_enough(self, steps: int, batch: int, done: int) -> None:
        """Raise TrainError if an iterator has too few pictures for the steps that follow the first `done` steps."""
        needed = (steps - done) * batch
        if not self.is_iterator or self.length is None or self.length >= needed:
            return
        further, most = "further " if done else "", done + self.length // batch
        advice = f"Give at most {most:,} steps, or data" if most else "Give data"
        raise TrainError(
            f"The {self.description} can be read only once and has {self.length:,} pictures, but {steps - done:,} "
            f"{further}steps of {batch:,} need {needed:,}. {advice} that can be read again."
        )

    def continue_from(self, first: int, counted: int | None) -> str:
        """Prepare to go on with item `first`. Return a sentence on what the resumed run can't guarantee.

        counted: the number of pictures in a pass, as the run counted it before it stopped; None if no pass was
            complete.
        """
        if self.is_iterator:
            return f"The {self.description} can't begin again: the run goes on with what it gives next."
        self._passes |= {counted} if counted else set()
        passes, rest = self._whole_passes(first)
        where = f" from pass {passes + 1:,} on" if passes else ""
        return (
            f"The {self.description} is read again{where}, and its first {rest:,} pictures are passed over. The run "
            "repeats an uninterrupted one only if they are the same pictures in the same order."
        )

    def _whole_passes(self, first: int) -> tuple[int, int]:
        """Return the number of complete passes before item `first`, and the number of pictures after them. Before a
        pass has been counted, this is (0, first).
        """
        return divmod(first, self.counted) if self.counted else (0, first)

    def items(self, first: int) -> Iterator[tuple[int, Any]]:
        """Yield (n, item n) without end, from item `first` on. The earlier items of its pass are read and skipped. An
        iterator just continues where it is.

        Raises StreamEnded when an iterator ends or a pass has no items, and TrainError for any error of the iterable.
        """
        passes, rest = (0, 0) if self.is_iterator else self._whole_passes(first)
        n = first - rest
        for epoch in itertools.count(passes):
            begun = n
            for item in self._pass(epoch, n):
                if n >= first:
                    yield n, item
                n += 1
            if self.is_iterator or n == begun:
                raise StreamEnded(
                    f"The {self.description} ended after {n:,} pictures, and this run needs more. What was trained "
                    "until then is saved. Give data that can be read again, or fewer steps."
                )
            if self.length not in (None, n - begun) and not self._passes:
                self.news.append(
                    f"The {self.description} says that it has {self.length:,} pictures, and gave {n - begun:,}."
                )
            self._passes.add(n - begun)

    def _pass(self, epoch: int, n: int) -> Iterator[Any]:
        """Yield the items of one pass. n: how many items came before."""
        if self.is_iterator:
            while self._left:
                yield self._left.popleft()
        else:
            self._iterator = self._start_pass(epoch)
        while True:
            with self._reading(n):
                try:
                    item = next(self._iterator)
                except StopIteration:
                    return
            yield item
            n += 1

    def _start_pass(self, epoch: int) -> Iterator[Any]:
        """Start a new pass, and return its iterator."""
        if hasattr(self._items, "set_epoch"):  # so that Hugging Face shuffles each epoch differently
            self._items.set_epoch(epoch)
        return iter(self._items)

    def label(self, item: Any, n: int) -> int:
        """Return the class index of item n. Raises TrainError for an unknown class."""
        label, classes = as_example(item).label, self.classes or ()
        number = classes.index(label) if isinstance(label, str) and label in classes else label
        if not isinstance(number, int) or not 0 <= number < len(classes):
            raise TrainError(f"Picture {n + 1:,} of the {self.description} has the label {label!r}, which is no class.")
        return number
