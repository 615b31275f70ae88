"""Keep models in memory, and remember what the files of other checkpoints contain."""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar, cast, runtime_checkable

import ddpm_core
from ddpm_core.checkpoint import refs, spec
from ddpm_core.checkpoint.hub import snapshots
from ddpm_core.checkpoint.sidecars.sidecar import places
from ddpm_core.model import Model, ModelSpec, Source, engine_network
from ui.forms.fields import reference
from ui.machine.limits import ServerLimits
from ui.machine.step_times import StepTimes
from ui.machine.turns import Turns
from ui.models.borrowed import BorrowedNetwork, borrow
from ui.models.catalogue import EMBEDDED, OFFERED, choice
from ui.protocol import ModelChoice

Stamp = tuple | None
T = TypeVar("T")

READ = 64  # maximum number of remembered results of `Models.read`
STATES = 64  # maximum number of user-typed checkpoints whose status is remembered
FOLDER = "folder-1"  # name that a public page shows for the app's start folder, to hide its path


def _is_hub_id(text: str) -> bool:
    """Return whether a text has the form of a Hub id: owner/name, perhaps with @revision."""
    return bool(re.fullmatch(r"\w[\w.-]*/\w[\w.-]*(@.*)?", text, re.ASCII))


@runtime_checkable
class Sized(Protocol):
    """A part of a model that can report its approximate memory, in bytes."""

    @property
    def memory(self) -> int:
        """The approximate number of bytes that the part takes now."""
        ...


def _memory(model: Model) -> int:
    """Return how many bytes a model takes now, according to its parts."""
    return sum(part.memory for part in (model.network, model.decoder, model.text) if isinstance(part, Sized))


def _stamp(where: refs.Ref) -> Stamp:
    """Return a value that changes when the files of a folder change; None for checkpoints of the Hub, or if there are
    no files.
    """
    if where.folder is None:
        return None
    try:
        return _versions(_files(where.folder, where.name))
    except (OSError, refs.CheckpointError):
        return None


def _files(folder: Path, where: str) -> list[Path]:
    """Return the files of the checkpoint in a folder. Raises CheckpointError if a file is missing."""
    found = refs.in_folder(folder, where)
    return [found.file(name) for name in found.layout.files]


def _versions(paths: Iterable[Path]) -> tuple:
    """Return a value that changes when one of these files changes. Raises OSError if a file is missing."""
    states = [(path, path.stat()) for path in paths]
    return tuple((path, state.st_mtime_ns, state.st_size, state.st_ino) for path, state in states)


def _states(paths: Iterable[Path]) -> Stamp:
    """Return a value that changes when one of these files or folders changes, appears or disappears."""
    states = []
    for path in paths:
        try:
            state = os.stat(path)
        except OSError:
            states.append(None)
        else:
            states.append((state.st_mtime_ns, state.st_size, state.st_ino))
    return tuple(states)


def _watched(source: Source, folder: Path) -> list[Path]:
    """Return all paths that the content of a checkpoint depends on: its files, their folders (where new files can
    appear), and a file in the user's cache.
    """
    files = _files(folder, source.name)
    return [*dict.fromkeys([folder, *(file.parent for file in files), *files, *places(source, refs.ANALYTIC)])]


def _spec(checkpoint: refs.LocalCheckpoint) -> ModelSpec:
    """Return the model specification of a checkpoint from its files."""
    return spec.read(checkpoint).spec


def _flop(checkpoint: refs.LocalCheckpoint) -> float:
    """Return the FLOP of one evaluation of a checkpoint's network for one image."""
    from ddpm_core.checkpoint.cost import network_cost  # imported here to let the app start quickly: see ui/__init__.py

    return network_cost(spec.check(checkpoint).unet).flop


class _Failed(NamedTuple):
    """An error that reading a checkpoint's files raised, stored so that it can be raised again."""

    kind: type[Exception]
    sentence: str


class _Enough(Exception):
    """Raised on purpose to end a download: the small files of a checkpoint are here and show that it can be loaded."""


def _check_small_files(checkpoint: refs.LocalCheckpoint) -> None:
    """Check a checkpoint's small files, then end the download by raising _Enough. Raises CheckpointError if the
    checkpoint can't be loaded.
    """
    spec.check(checkpoint)
    raise _Enough


@dataclass(frozen=True)
class Loading:
    """The app itself, as an entry in the queue of `Turns`, while it loads a model before any run needs the model."""

    ref: str

    def stop(self) -> None:
        """Do nothing: loading takes only seconds and can't be stopped."""


@dataclass
class Loaded:
    """A model in memory, and the files from which it was loaded."""

    model: Model
    where: refs.Ref
    stamp: Stamp
    """changes when the files change; None for checkpoints of the Hub, which never change"""
    spec: ModelSpec
    lent: tuple[Model, BorrowedNetwork]
    """the borrowed model and network that runs receive"""
    known: dict[object, object] = field(default_factory=dict)
    """results of functions that read its files, valid while the paths in `watched` don't change (see `Models.read`)"""
    watched: list[Path] = field(default_factory=list)
    states: Stamp = None

    def watch(self) -> None:
        """Store the current state of the files to notice later changes, and drop the results in `known`."""
        self.known, source = {}, self.model.source
        if self.where.folder is not None and source is not None:
            self.watched = _watched(source, self.where.folder)
            self.states = _states(self.watched)
        # the files have changed since the model was loaded
        if self.stamp is not None and _stamp(self.where) != self.stamp:
            self.states = None


class Models:
    """Loads models and keeps them in memory within the limits. Also stores which of the offered checkpoints are on this
    machine.

    device: as for `ddpm_core.load`. public: strangers use the page, so only offered checkpoints are accepted, or any
    Hub id if allow_hub. limits: None for the defaults of a public or private page. first: the checkpoint with which the
    page starts. It is offered, too; if a public page starts with a folder, `first` becomes a name that hides the path.
    Raises CheckpointError if `first` does not exist.
    """

    def __init__(
        self,
        device: str = "auto",
        public: bool = False,
        limits: ServerLimits | None = None,
        allow_hub: bool = False,
        first: str = "",
        turns: Turns | None = None,
        pace: StepTimes | None = None,
    ):
        # not `turns or Turns()`, because a `Turns` without members counts as false
        self._turns = Turns() if turns is None else turns
        self._pace = pace or StepTimes()
        self.device = device
        self.public = public
        self.limits = limits or (ServerLimits.public() if public else ServerLimits())
        self.takes_any = not public or allow_hub  # whether any Hub id is accepted
        folder = refs.parse(first).folder if public and first not in refs.embedded() and first else None
        self._folder = folder and folder.resolve()  # the app's start folder if the page is public
        hub_id = [first] if _is_hub_id(first) and folder is None else []
        shipped = refs.embedded()
        first_ones = [ref for ref in EMBEDDED if ref in shipped]
        self.offered = tuple(dict.fromkeys([*first_ones, *shipped, *OFFERED, *hub_id]))
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()
        self._lock = threading.Lock()
        self._status: OrderedDict[str, snapshots.Status] = OrderedDict()
        # for each function, reference and folder: the state of the files, and the result
        self._read: OrderedDict[tuple, tuple[tuple, object]] = OrderedDict()
        self.engine = ""  # description of engine, device and precision, such as "torch · cpu · fp32"
        self._device_type = "cpu"  # device type in torch's terms
        self.first = FOLDER if self._folder else first

    def parse(self, ref: str) -> refs.Ref:
        """Parse a reference. Raises CheckpointError, and ValueError if it names a folder of another machine.

        A public page accepts no folder names from visitors. Its answer must not reveal which folders exist.
        """
        text = ref.strip() if self.public else reference(ref)
        if self._folder and text == FOLDER:
            return replace(refs.parse(str(self._folder)), name=self._folder.name)
        if not self.public:
            return refs.parse(text)
        name, at, _ = text.partition("@")
        if not self.takes_any:
            if name not in self.offered:
                raise refs.CheckpointError("This page takes only the checkpoints of its list: choose one of them")
            where = refs.parse(text, local=False)
            # Anybody can add a revision to a repository by a pull request, so only revisions that are already here are
            # accepted.
            if at and text not in self.offered and snapshots.here(where) is None:
                raise refs.CheckpointError(f"This page has only one revision of {name}: leave out the @")
            return where
        if text not in refs.embedded() and not _is_hub_id(text):
            raise refs.CheckpointError("This page takes embedded checkpoints and Hub ids (owner/name) only")
        return replace(refs.parse(text, local=False), open=name not in self.offered)

    def _name(self, ref: str) -> str:
        """Return the name of a checkpoint for an error message."""
        return self._folder.name if self._folder and ref == FOLDER else ref

    def flop(self, ref: str) -> float | None:
        """Return the FLOP of one evaluation of a checkpoint's network; None if its files are not here."""
        return self.read(ref, _flop)

    def fetch(self, ref: str, progress: Callable[[int, int], None] | None = None) -> None:
        """Download the missing files of a checkpoint. progress(bytes done, total bytes) may raise an exception to stop.

        Raises CheckpointError, and Refused if the repository or the model is too large.
        """

        snapshots.fetch(self.parse(ref), self._check_memory, progress, self._allow(ref))

    def _allow(self, ref: str) -> snapshots.Allow:
        """Return a function that raises Refused for downloads that are too large."""

        def allow(size: int, folder: Path) -> None:
            """Raise Refused if the download is too large for the limits or the disk."""
            self.limits.check_download(self._name(ref), size, folder)

        return allow

    def get(self, ref: str) -> Model:
        """Return a model. Load it if it is not in memory or its files have changed.

        Call this only during a turn. Raises CheckpointError, and Refused if the model is too large.
        """
        model = self.loaded(ref)
        if model is None:
            if here := snapshots.here(self.parse(ref)):
                self._check_memory(here)
            model = self._load(ref)
            self.make_room(ref)
        return model

    def lend(self, ref: str) -> tuple[Model, BorrowedNetwork]:
        """Return a model in the form that runs get, and its borrowed network, which holds the model until the run gives
        it back. The conditions and errors are those of `get`.
        """
        one = self._current(ref)
        model = self.get(ref) if one is None else one.model
        one = one or self._loaded.get(ref)
        lent = one.lent if one and one.model is model else borrow(self, ref, model)
        lent[1].held = model
        return lent

    def _check_memory(self, checkpoint: refs.LocalCheckpoint) -> None:
        """Refuse a model whose weights alone exceed the memory limit, before they are downloaded or loaded."""
        from ddpm_core.checkpoint.cost import model_cost

        self.limits.check_model(str(checkpoint.ref), model_cost(spec.check(checkpoint)).memory)

    def _load(self, ref: str) -> Model:
        """Load a model and store it in memory."""
        where = self.parse(ref)
        stamp = _stamp(where)
        here = snapshots.here(where) if where.kind == "hub" else None
        # a known revision, so that loading sends no request to the Hub
        exact = replace(where, revision=here.commit) if here else where
        model = ddpm_core.load(exact, device=self.device)
        if exact is not where and model.source:
            model.source = replace(model.source, ref=str(where))
        network = engine_network(model)
        self.engine, self._device_type = network.description, network.device.type
        one = Loaded(model, where, stamp, model.spec, borrow(self, ref, model))
        one.lent[1].give_back()
        one.watch()
        with self._lock:
            self._loaded[ref] = one
        return model

    def make_room(self, ref: str) -> None:
        """Drop the least recently used models until the others fit into the memory limit. Call this after loading a
        model, and after each run, because engines may compile more code during a run.

        Raises Refused if the model `ref`, which was used last, exceeds the limit alone; that model is then dropped.
        """
        most = self.limits.model_memory_mb * 1e6
        with self._lock:
            newest = self._loaded.get(ref)  # None if the model's files have just changed
            try:
                self.limits.check_model(self._name(ref), _memory(newest.model) if newest else 0)
            except ValueError:
                del self._loaded[ref]
                raise
            while sum(_memory(one.model) for one in self._loaded.values()) > most:
                self._loaded.popitem(last=False)

    def preload(self, ref: str) -> None:
        """Load a model before any run needs it. Raises CheckpointError."""
        with self._turns.turn(Loading(ref)):
            self.get(ref)

    def loaded(self, ref: str) -> Model | None:
        """Return the model if it is in memory and its files have not changed, else None."""
        one = self._current(ref)
        return one and one.model

    def _current(self, ref: str) -> Loaded | None:
        """Return the entry of a model in memory; None if there is none or its files have changed. The disk is read
        without holding the lock, as it may be slow.
        """
        with self._lock:
            one = self._loaded.get(ref)
            if one is not None:
                self._loaded.move_to_end(ref)
        if one is None or one.stamp is None or _states(one.watched) == one.states:
            return one
        # None means that the folder is missing for a moment because it is being replaced
        if _stamp(one.where) not in (one.stamp, None):
            with self._lock:
                if self._loaded.get(ref) is one:
                    del self._loaded[ref]
            self._pace.forget(ref)
            return None
        with suppress(refs.CheckpointError, OSError):
            one.watch()
        return one

    def peek(self, ref: str) -> ModelSpec | None:
        """Return the model specification from a checkpoint's JSON files, without the weights; None if they are not on
        this machine.

        Raises CheckpointError if the checkpoint does not exist or can't be loaded.
        """
        return self.read(ref, _spec)

    def read(self, ref: str, what: Callable[[refs.LocalCheckpoint], T]) -> T | None:
        """Return the result of a function that reads a checkpoint's files; None if they are not on this machine. The
        result is remembered until the files change.

        Raises CheckpointError or ValueError if the function does, at each call.
        """
        one = self._current(ref)
        if one is not None and what in one.known:
            return cast("T", one.known[what])
        found = snapshots.here(self.parse(ref))
        if found is None:
            return None
        source = Source(str(found.ref), found.ref.name, found.commit, folder=found.folder)
        # the file of Γ_t, in the checkpoint or in the user's cache
        beside = filter(Path.is_file, places(source, refs.ANALYTIC))
        version = _versions([*(found.file(name) for name in found.layout.files), *beside])
        key = what, found.ref, found.folder
        with self._lock:
            before, kept = self._read.get(key, (None, None))
        if before != version:
            try:
                kept = what(found)
            except (refs.CheckpointError, ValueError) as error:
                kept = _Failed(type(error), str(error))
            with self._lock:
                self._read[key] = version, kept
                self._read.move_to_end(key)
                while len(self._read) > READ:
                    self._read.popitem(last=False)
        if isinstance(kept, _Failed):
            raise kept.kind(kept.sentence)
        if one is not None and one.states is not None:
            one.known[what] = kept
        return cast("T", kept)

    def known(self, ref: str) -> ModelSpec | None:
        """Return the specification of a model in memory, or else the result of `peek`. This keeps no
        network in memory.
        """
        one = self._current(ref)
        return one.spec if one else self.peek(ref)

    def look(self, ref: str, typed: bool = False) -> bool:
        """Find out what loading a checkpoint requires. Return whether its files are here.

        Raises CheckpointError and Refused. typed: the visitor typed the name, so download the small files, but no
        weights, to check that the model can be loaded. If only a link names it, download nothing.
        """
        where = self.parse(ref)
        status = snapshots.status(where)
        self._note({ref: status})
        if ref not in self.offered and status.why:
            raise refs.CheckpointError(status.why)
        if typed and ref not in self.offered and status.state == "download":
            with suppress(_Enough):
                snapshots.fetch(where, _check_small_files, allow=self._allow(ref))
        return status.state in ("embedded", "local", "cached")

    def refresh(self) -> None:
        """Look up which of the offered checkpoints are on this machine. This takes some seconds if the Hub does not
        answer.
        """
        with ThreadPoolExecutor(len(self.offered)) as pool:
            states = pool.map(lambda ref: snapshots.status(self.parse(ref)), self.offered)
            self._note(dict(zip(self.offered, states, strict=True)))

    def _note(self, states: dict[str, snapshots.Status]) -> None:
        """Store the status of checkpoints: of all that are offered, and of the last STATES that users typed."""
        with self._lock:
            for ref, status in states.items():
                self._status[ref] = status
                self._status.move_to_end(ref)
            typed = [ref for ref in self._status if ref not in self.offered]
            for ref in typed[:-STATES]:
                del self._status[ref]

    @property
    def kind(self) -> str:
        """The kind of device that computes: "CPU" or "GPU"."""
        return "CPU" if self._device_type == "cpu" else "GPU"

    @property
    def precision(self) -> str:
        """The precision of the model that was loaded last; "" if there is none."""
        return "".join(part.split(" (")[0] for part in self.engine.split(" · ")[2:3])

    def to_download(self, ref: str) -> int | None:
        """Return the bytes to download before loading; None if unknown or nothing is missing."""
        status = self._status.get(ref)
        return status.bytes if status and status.state == "download" and self.loaded(ref) is None else None

    def choices(self) -> list[ModelChoice]:
        """Return the entries of the list of models (`catalogue.choice`). Checkpoints on this machine come first."""
        unknown = {ref: snapshots.Status("embedded" if ref in refs.embedded() else "") for ref in self.offered}
        known = [choice(ref, self._status.get(ref) or status) for ref, status in unknown.items()]
        usual = {"group": "trained", "data": "", "ready": True, "latent": False, "picture": ""}
        own = [ModelChoice(ref=FOLDER, label=self._folder.name, **usual)] if self._folder else []
        return sorted(known + own, key=lambda one: ("here", "trained", "hub").index(one["group"]))
