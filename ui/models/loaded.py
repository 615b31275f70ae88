"""The models in memory, and what is known of checkpoints that are not loaded."""

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

READ = 64  # things that files of checkpoints say, which are remembered
STATES = 64  # checkpoints typed by users whose snapshots.Status is remembered
FOLDER = "folder-1"  # what a public page calls the folder that it starts with, whose path is nobody's business


def _is_hub_id(text: str) -> bool:
    return bool(re.fullmatch(r"\w[\w.-]*/\w[\w.-]*(@.*)?", text, re.ASCII))


@runtime_checkable
class Sized(Protocol):
    """A part of a model that says how many bytes it takes by now, about."""

    @property
    def memory(self) -> int: ...


def _memory(model: Model) -> int:
    """Bytes that a model takes now, as its parts say."""
    return sum(part.memory for part in (model.network, model.decoder, model.text) if isinstance(part, Sized))


def _stamp(where: refs.Ref) -> Stamp:
    """Changes when the files of a folder do; None for the Hub's checkpoints, and when there are no files."""
    if where.folder is None:
        return None
    try:
        return _versions(_files(where.folder, where.name))
    except (OSError, refs.CheckpointError):
        return None


def _files(folder: Path, where: str) -> list[Path]:
    """Return the files of the checkpoint in a folder. Raises CheckpointError where something is missing."""
    found = refs.in_folder(folder, where)
    return [found.file(name) for name in found.layout.files]


def _versions(paths: Iterable[Path]) -> tuple:
    """Changes when one of these files does. Raises OSError for one that is not there."""
    states = [(path, path.stat()) for path in paths]
    return tuple((path, state.st_mtime_ns, state.st_size, state.st_ino) for path, state in states)


def _states(paths: Iterable[Path]) -> Stamp:
    """Changes when one of these files or folders does, also when it appears or goes."""
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
    """All on which what a folder's files say depends: the files, their folders, to which others may come, and a file in
    the user's cache.
    """
    files = _files(folder, source.name)
    return [*dict.fromkeys([folder, *(file.parent for file in files), *files, *places(source, refs.ANALYTIC)])]


def _spec(checkpoint: refs.LocalCheckpoint) -> ModelSpec:
    return spec.read(checkpoint).spec


def _flop(checkpoint: refs.LocalCheckpoint) -> float:
    from ddpm_core.checkpoint.cost import network_cost  # here for the start time: see ui/__init__.py

    return network_cost(spec.check(checkpoint).unet).flop


class _Failed(NamedTuple):
    """The error that reading a checkpoint's files raised."""

    kind: type[Exception]
    sentence: str


class _Enough(Exception):
    """The small files of a checkpoint are here, and it can be loaded."""


def _small(checkpoint: refs.LocalCheckpoint) -> None:
    """Ends a download before the weights. Raises CheckpointError for what can't be loaded."""
    spec.check(checkpoint)
    raise _Enough


@dataclass(frozen=True)
class Loading:
    """A member of the line that loads a model which no run has asked for yet."""

    ref: str

    def stop(self) -> None:
        """Loading takes seconds and cannot be stopped."""


@dataclass
class Loaded:
    """A model in memory, and the files from which it was loaded."""

    model: Model
    where: refs.Ref
    stamp: Stamp
    """changes when its files do; None for the Hub's, which never change"""
    spec: ModelSpec
    lent: tuple[Model, BorrowedNetwork]
    """the same model as runs get it"""
    known: dict[object, object] = field(default_factory=dict)
    """what functions read of its files, as long as nothing of `watched` changes: see `Models.read`"""
    watched: list[Path] = field(default_factory=list)
    states: Stamp = None

    def watch(self) -> None:
        """Begin to notice whether its files change, and forget what was read of them before."""
        self.known, source = {}, self.model.source
        if self.where.folder is not None and source is not None:
            self.watched = _watched(source, self.where.folder)
            self.states = _states(self.watched)
        if self.stamp is not None and _stamp(self.where) != self.stamp:  # they have changed before it watched them
            self.states = None


class Models:
    """Loads models within the limits, and keeps them; knows which of the offered ones are here.

    device: as for `ddpm_core.load`. public: strangers use the page, so only the offered checkpoints are accepted, and
    any Hub id where allow_hub says so. limits: those of such a page where none are given. first: the checkpoint that
    the page starts with, which is offered too; a public page offers a folder under a name that does not tell its
    path, and `first` is then that name. Raises CheckpointError for one that names nothing.
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
        self._turns = Turns() if turns is None else turns  # an empty one is false
        self._pace = pace or StepTimes()
        self.device = device
        self.public = public
        self.limits = limits or (ServerLimits.public() if public else ServerLimits())
        self.takes_any = not public or allow_hub  # any Hub id
        folder = refs.parse(first).folder if public and first not in refs.embedded() and first else None
        self._folder = folder and folder.resolve()  # that a public page starts with
        hub_id = [first] if _is_hub_id(first) and folder is None else []
        shipped = refs.embedded()
        first_ones = [ref for ref in EMBEDDED if ref in shipped]
        self.offered = tuple(dict.fromkeys([*first_ones, *shipped, *OFFERED, *hub_id]))
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()
        self._lock = threading.Lock()
        self._status: OrderedDict[str, snapshots.Status] = OrderedDict()
        self._read: OrderedDict[tuple, tuple[tuple, object]] = OrderedDict()  # by function, reference and folder
        self.engine = ""  # what evaluates the models, in the engine's words: "torch · cpu · fp32"
        self._device_type = "cpu"  # torch's name for the kind of device
        self.first = FOLDER if self._folder else first

    def parse(self, ref: str) -> refs.Ref:
        """Parse a reference. Raises CheckpointError, and ValueError for a folder of another machine.

        A public page accepts no folder of a visitor's, and its answer does not depend on which there are.
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
            # Anybody can put a revision into a repository, as a pull request: only what the page has itself is taken.
            if at and text not in self.offered and snapshots.here(where) is None:
                raise refs.CheckpointError(f"This page has only one revision of {name}: leave out the @")
            return where
        if text not in refs.embedded() and not _is_hub_id(text):
            raise refs.CheckpointError("This page takes embedded checkpoints and Hub ids (owner/name) only")
        return replace(refs.parse(text, local=False), open=name not in self.offered)

    def _name(self, ref: str) -> str:
        """A checkpoint in a sentence."""
        return self._folder.name if self._folder and ref == FOLDER else ref

    def flop(self, ref: str) -> float | None:
        """What one evaluation of a checkpoint's network costs; None where its files are not here."""
        return self.read(ref, _flop)

    def fetch(self, ref: str, progress: Callable[[int, int], None] | None = None) -> None:
        """Download the files of a checkpoint that are not here; progress(bytes done, bytes in all) may raise to stop.

        Raises CheckpointError, and Refused for a repository or a model that is too large.
        """

        snapshots.fetch(self.parse(ref), self._check_memory, progress, self._allow(ref))

    def _allow(self, ref: str) -> snapshots.Allow:
        """Return the function that refuses downloads that are too large."""

        def allow(size: int, folder: Path) -> None:
            self.limits.check_download(self._name(ref), size, folder)

        return allow

    def get(self, ref: str) -> Model:
        """The model of a reference, loaded if it is not in memory, or its files have changed.

        To be called while holding a turn. Raises CheckpointError, and Refused for a model that is too large.
        """
        model = self.loaded(ref)
        if model is None:
            if here := snapshots.here(self.parse(ref)):
                self._check_memory(here)
            model = self._load(ref)
            self.make_room(ref)
        return model

    def lend(self, ref: str) -> tuple[Model, BorrowedNetwork]:
        """Return the model of a reference as a run gets it, and its network, which holds it until the run gives it
        back. The rest is as for `get`.
        """
        one = self._current(ref)
        model = self.get(ref) if one is None else one.model
        one = one or self._loaded.get(ref)
        lent = one.lent if one and one.model is model else borrow(self, ref, model)
        lent[1].held = model
        return lent

    def _check_memory(self, checkpoint: refs.LocalCheckpoint) -> None:
        """Refuse a model whose weights alone are more than all may take, before they are downloaded or loaded."""
        from ddpm_core.checkpoint.cost import model_cost

        self.limits.check_model(str(checkpoint.ref), model_cost(spec.check(checkpoint)).memory)

    def _load(self, ref: str) -> Model:
        where = self.parse(ref)
        stamp = _stamp(where)
        here = snapshots.here(where) if where.kind == "hub" else None
        exact = replace(where, revision=here.commit) if here else where  # then the Hub is not asked
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
        """Drop the least recently used models until the rest, with the memory they take now, is within the limit. Call
        this when a model was loaded, or after a run, for which an engine may have compiled more.

        Raises Refused, and drops that one, where the model of ref, which was used last, alone takes more.
        """
        most = self.limits.model_memory_mb * 1e6
        with self._lock:
            newest = self._loaded.get(ref)  # None where its files have changed in this moment
            try:
                self.limits.check_model(self._name(ref), _memory(newest.model) if newest else 0)
            except ValueError:
                del self._loaded[ref]
                raise
            while sum(_memory(one.model) for one in self._loaded.values()) > most:
                self._loaded.popitem(last=False)

    def preload(self, ref: str) -> None:
        """Load a model before a run asks for it. Raises CheckpointError."""
        with self._turns.turn(Loading(ref)):
            self.get(ref)

    def loaded(self, ref: str) -> Model | None:
        """The model if it is in memory and its files are still those it was loaded from, else None."""
        one = self._current(ref)
        return one and one.model

    def _current(self, ref: str) -> Loaded | None:
        """What is in memory of a model, None where its files have changed. This asks the disk, so it holds no lock."""
        with self._lock:
            one = self._loaded.get(ref)
            if one is not None:
                self._loaded.move_to_end(ref)
        if one is None or one.stamp is None or _states(one.watched) == one.states:
            return one
        if _stamp(one.where) not in (one.stamp, None):  # None: a folder that is being replaced is away for a moment
            with self._lock:
                if self._loaded.get(ref) is one:
                    del self._loaded[ref]
            self._pace.forget(ref)
            return None
        with suppress(refs.CheckpointError, OSError):
            one.watch()
        return one

    def peek(self, ref: str) -> ModelSpec | None:
        """What a checkpoint's JSON files say of its model, without its weights; None if they are not on this machine.

        Raises CheckpointError for a reference that names nothing, or nothing that loads.
        """
        return self.read(ref, _spec)

    def read(self, ref: str, what: Callable[[refs.LocalCheckpoint], T]) -> T | None:
        """What a function reads of a checkpoint's files; None if they are not on this machine. It is called once for as
        long as the files do not change.

        Raises CheckpointError and ValueError as the function does, each time.
        """
        one = self._current(ref)
        if one is not None and what in one.known:
            return cast("T", one.known[what])
        found = snapshots.here(self.parse(ref))
        if found is None:
            return None
        source = Source(str(found.ref), found.ref.name, found.commit, folder=found.folder)
        beside = filter(Path.is_file, places(source, refs.ANALYTIC))  # also in the user's cache
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
        """What is known of a model: of the one in memory, else what `peek` returns. It keeps no network in memory."""
        one = self._current(ref)
        return one.spec if one else self.peek(ref)

    def look(self, ref: str, typed: bool = False) -> bool:
        """Find out what loading a checkpoint takes. Returns whether its files are here.

        Raises CheckpointError, and Refused. Of one that the visitor typed it says what does not load, for which it
        downloads its small files, but no weights. Of one that a link names it downloads nothing.
        """
        where = self.parse(ref)
        status = snapshots.status(where)
        self._note({ref: status})
        if ref not in self.offered and status.why:
            raise refs.CheckpointError(status.why)
        if typed and ref not in self.offered and status.state == "download":
            with suppress(_Enough):
                snapshots.fetch(where, _small, allow=self._allow(ref))
        return status.state in ("embedded", "local", "cached")

    def refresh(self) -> None:
        """Look up which of the offered checkpoints are here. It takes some seconds when the Hub does not answer."""
        with ThreadPoolExecutor(len(self.offered)) as pool:
            states = pool.map(lambda ref: snapshots.status(self.parse(ref)), self.offered)
            self._note(dict(zip(self.offered, states, strict=True)))

    def _note(self, states: dict[str, snapshots.Status]) -> None:
        """Remember the state of all that is offered, and of the last STATES that users typed."""
        with self._lock:
            for ref, status in states.items():
                self._status[ref] = status
                self._status.move_to_end(ref)
            typed = [ref for ref in self._status if ref not in self.offered]
            for ref in typed[:-STATES]:
                del self._status[ref]

    @property
    def kind(self) -> str:
        """What computes: "CPU" or "GPU"."""
        return "CPU" if self._device_type == "cpu" else "GPU"

    @property
    def precision(self) -> str:
        """Return the precision of the network that was loaded last, "" if there is none."""
        return "".join(part.split(" (")[0] for part in self.engine.split(" · ")[2:3])

    def to_download(self, ref: str) -> int | None:
        """Bytes that have to be downloaded before loading, where that is known."""
        status = self._status.get(ref)
        return status.bytes if status and status.state == "download" and self.loaded(ref) is None else None

    def choices(self) -> list[ModelChoice]:
        """`catalogue.choice` of each offered checkpoint, with what is known of it by now: those that are here first."""
        unknown = {ref: snapshots.Status("embedded" if ref in refs.embedded() else "") for ref in self.offered}
        known = [choice(ref, self._status.get(ref) or status) for ref, status in unknown.items()]
        usual = {"group": "trained", "data": "", "ready": True, "latent": False, "picture": ""}
        own = [ModelChoice(ref=FOLDER, label=self._folder.name, **usual)] if self._folder else []
        return sorted(known + own, key=lambda one: ("here", "trained", "hub").index(one["group"]))
