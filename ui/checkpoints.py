"""The checkpoints the page offers, what it takes to use them, and the few that are loaded."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace

from ddpm_core import analytic, hub, refs, settings
from ui import words

# The paper's models on the Hub. Which weights they hold: docs of the repositories, and their FID.
OFFERED = {
    "google/ddpm-cifar10-32": ("CIFAR-10 32", "not EMA"),
    "google/ddpm-ema-church-256": ("Church 256", "EMA"),
    "google/ddpm-ema-bedroom-256": ("Bedroom 256", "EMA"),
    "google/ddpm-ema-cat-256": ("Cat 256", "EMA"),
    "google/ddpm-ema-celebahq-256": ("CelebA-HQ 256", "EMA"),
}
NAMES = {"cifar10-tiny": "CIFAR-10 tiny"}
MEMORY = 2 * 10**9  # bytes that loaded models may take


def name(ref: str) -> str:
    """A checkpoint in a few words."""
    if ref in OFFERED:
        return OFFERED[ref][0]
    return NAMES.get(ref) or ref.rstrip("/").rsplit("/", 1)[-1]


def revision(model) -> str | None:
    """The commit that a model from the Hub was loaded from."""
    return getattr(getattr(model, "source", None), "revision", None)


def _bytes(model) -> int:
    """Memory of a model, about: its weights in float32, and once more as its engine wants them."""
    return 8 * (getattr(model.source, "parameters", None) or 0)


class Checkpoints:
    """Loads and remembers models within MEMORY, the last one always, and knows which of the offered ones are here.

    device: as for `ddpm_core.load`. public: strangers use the page, so that only embedded names and Hub ids are taken.
    """

    def __init__(self, device: str = "auto", public: bool = False):
        self.device = device
        self.public = public
        self._loaded: OrderedDict[str, object] = OrderedDict()
        self._loading: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()
        self._status: dict[str, hub.Status] = {}
        self.engine = ""  # what evaluates the models, in the engine's words: "torch · cpu · fp32"

    def get(self, ref: str, progress: Callable[[int, int], None] | None = None):
        """The `ddpm_core.Model` of a reference; progress(bytes done, bytes in all) may raise to give up.

        Raises CheckpointError.
        """
        import ddpm_core

        self.refuse_folders(ref)
        with self._lock:
            turn = self._loading[ref]
        with turn:
            model = self.loaded(ref)
            if model is None:
                model = ddpm_core.load(ref, device=self.device, progress=progress)
                self.engine = getattr(model.network, "description", "")
                with self._lock:
                    self._loaded[ref] = model
                    while len(self._loaded) > 1 and sum(map(_bytes, self._loaded.values())) > MEMORY:
                        self._loaded.popitem(last=False)
        return model

    def peek(self, ref: str) -> SimpleNamespace | None:
        """What a checkpoint's JSON files say of its Model, at once; None where they are not on this machine.

        Raises CheckpointError for a reference that names nothing, or nothing that loads.
        """
        self.refuse_folders(ref)
        where = refs.parse(ref)
        found = hub.here(where)
        if found is None:
            return None
        folder, layout, commit = found
        fields = settings.read(folder, layout, str(where)).model
        source = SimpleNamespace(ref=str(where), name=where.name, folder=folder, file=layout.weights, revision=commit)
        return SimpleNamespace(source=source, gamma=analytic.read(source, fields["schedule"]), **fields)

    def known(self, ref: str):
        """The model if it is in memory, else what `peek` says."""
        return self.loaded(ref) or self.peek(ref)

    def look(self, ref: str) -> None:
        """Find out what it takes to load a checkpoint, and load it behind the page's back if it is here."""
        self._status[ref] = status = hub.status(ref)
        if status.state in ("embedded", "local", "cached") and self.loaded(ref) is None:
            threading.Thread(target=self._preload, args=(ref,), daemon=True).start()

    def _preload(self, ref: str) -> None:
        with suppress(refs.CheckpointError, ValueError):  # a run will say it
            self.get(ref)

    def loaded(self, ref: str):
        """The model if it is in memory, else None."""
        with self._lock:
            if ref in self._loaded:
                self._loaded.move_to_end(ref)
            return self._loaded.get(ref)

    def refuse_folders(self, ref: str) -> None:
        """On a public page, CheckpointError for everything but embedded names and Hub ids, whether it exists or not."""
        if not self.public or ref in refs.embedded():
            return
        if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*(@.*)?", ref, re.ASCII) or refs.parse(ref).kind == "folder":
            raise refs.CheckpointError("This page takes embedded checkpoints and Hub ids (owner/name) only")

    def refresh(self) -> None:
        """Look up which of the offered checkpoints are here; takes some seconds where the Hub does not answer."""
        offered = [*refs.embedded(), *OFFERED]
        with ThreadPoolExecutor(len(offered)) as pool:
            self._status.update(zip(offered, pool.map(hub.status, offered), strict=True))

    @property
    def kind(self) -> str:
        """What computes, in a word: CPU, GPU."""
        return "CPU" if "cpu" in (self.engine or "cpu") else "GPU"

    @property
    def note(self) -> str:
        """What computes, and how precisely: "CPU · fp32"."""
        return " · ".join([self.kind, *(part.split(" (")[0] for part in self.engine.split(" · ")[2:])])

    def to_download(self, ref: str) -> int | None:
        """Bytes that loading has to download first, where that is known."""
        status = self._status.get(ref)
        return status.bytes if status and status.state == "download" and self.loaded(ref) is None else None

    def choices(self) -> list[tuple[str, str]]:
        """(label, reference) of the offered checkpoints, as far as known by now."""
        return [(self._label(ref), ref) for ref in (*refs.embedded(), *OFFERED)]

    def _label(self, ref: str) -> str:
        parts = [name(ref), *OFFERED.get(ref, ())[1:]]
        status = self._status.get(ref) or hub.Status("embedded" if ref in refs.embedded() else "")
        if status.state == "download":
            parts.append(f"{words.megabytes(status.bytes)} download" if status.bytes else "download")
        else:
            known = {"embedded": "embedded", "cached": "downloaded", "offline": "not available offline"}
            parts += filter(None, [known.get(status.state), status.state == "missing" and "not found"])
        return " · ".join(parts)
