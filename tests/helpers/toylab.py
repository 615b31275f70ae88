"""A lab with one toy model, and runs of parts in it, for tests of ui/parts that need no server and no page."""

import atexit
import io
import json
import shutil
import subprocess
import tempfile
import time
import weakref
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import plans
import protocol_types
import torch
from browser import _missing
from PIL import Image

import ddpm_core
from ui import protocol
from ui.forms import emoji
from ui.machine.event_log import EventLog
from ui.machine.limits import ServerLimits
from ui.machine.step_times import StepTimes
from ui.machine.turns import Turns
from ui.models.borrowed import borrow
from ui.models.services import Services
from ui.runs.jobs import Job
from ui.runs.log import Message
from ui.runs.pages import NotBegun
from ui.runs.words import page_words
from ui.serving.packing import pack
from ui.serving.scripted import Script, Scripted


class Engine:
    """An `EngineNetwork` that calls a function."""

    device, description, moves_inputs, memory = torch.device("cpu"), "toy", False, 0

    def __init__(self, network=None):
        self._network = network

    def __call__(self, *inputs):
        return self._network(*inputs)

    with_gradients = __call__

    def attention(self, *inputs):
        return self._network.attention(*inputs)


class Models:
    """A stand-in for ui.models.loaded.Models: one model, which is loaded at its first use."""

    kind = "CPU"

    def __init__(self, network=lambda x, t, labels: 0.3 * x, size=8, T=100, public=False, channels=3, load=None):
        schedule = ddpm_core.NoiseSchedule.linear(T)
        self.model = ddpm_core.Model(
            network=Engine(network), schedule=schedule, image_size=size, prediction="epsilon", channels=channels
        )
        self.is_loaded, self.public = False, public
        self._lent, self._lent_of = None, lambda: None
        self._load = load or (lambda progress: None)

    def loaded(self, ref):
        return self.model if self.is_loaded else None

    def known(self, ref):
        return self.model

    def get(self, ref):
        self.is_loaded = True
        return self.model

    def lend(self, ref):
        model = self.get(ref)
        if self._lent is None or self._lent_of() is not model:
            self._lent, self._lent_of = borrow(self, ref, model), weakref.ref(model)
        self._lent[1].held = model
        return self._lent

    def make_room(self, ref):
        pass

    def fetch(self, ref, progress):
        self._load(progress)

    def flop(self, ref):
        return None

    def to_download(self, ref):
        return None


def toy_services(models=None, turns=None, pace=None, **limits):
    limits = ServerLimits(**limits)
    if turns is None:  # an empty `Turns` is false
        turns = Turns(limits.concurrent_runs, limits.waiting_runs)
    models, pace = models or Models(), pace or StepTimes()
    return Services(models, turns, limits, pace, EventLog(), "toy")  # pyright: ignore[reportArgumentType]


def asked(*lanes, count=1, seed=13, **options):
    """What the page asks of Watch, Compare and Grid: one lane of the toy model with these options, or these lanes."""
    usual = {"checkpoint": "toy", "steps": 5, "sampler": "ddpm", "variance": "beta_tilde"}
    seeds = [*range(seed, seed + count)]
    lanes = [usual | lane for lane in lanes or [options]]
    return {"lanes": lanes, "seeds": seeds, "clip": None, "attention": False, "touch": []}


def strokes(text, times=()):
    """Return the strokes of a link as the page sends them. times: those of the run; a stroke goes to the nearest."""
    found = (stroke.split("-", 3) for stroke in text.split("_"))
    return [
        {
            "t": min(filter(None, times), key=lambda s: abs(s - int(t)), default=int(t)),
            "what": what,
            "strength": int(strength),
            "cells": [[*map(int, cell.split("."))] for cell in cells.split("-")],
        }
        for t, what, strength, cells in found
    ]


def script(checkpoint="toy", **options):
    """Return one run as scripts request it, with a few of the page's defaults."""
    return Script(checkpoint, **{"sampler": "ddpm", "steps": 50, "count": 4} | options)


def sampling(services, *scripts):
    """Return the computation of these runs side by side."""
    return Scripted(services, scripts)


def requested_of(services, name, values):
    """What the page asks of a part, of values of its form."""
    return plans.planned(SimpleNamespace(services=services), name, values)["asked"]


def requested(part, name, values):
    """The computation of a part's values, as the page asks for it. Raises ValueError with the page's sentence."""
    return part.request(requested_of(part.services, name, values))


def seconds(part, name, values):
    """Return the seconds that such a run takes; None if they are not known."""
    computation = requested(part, name, values)
    models = [part.services.models.known(ref) for ref in computation.refs]
    return computation.checked_plan(models).left(part.services.step_times, {})


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def messages(part, name, values, watch=lambda run, message: None):
    """The run of a part's values, None of one that does not begin, and its messages; `watch` sees each as it comes."""
    try:
        computation = requested(part, name, values)
    except ValueError as wrong:
        return None, [NotBegun(Message("error", str(wrong))).message]
    return heard(part, computation, watch, values)


def heard(part, computation, watch=lambda run, message: None, values=None):
    """Return the run of a computation, and its messages. values: those of the form that requested it."""
    run = Job(computation, part.services)
    run.values, seen = values, []
    for message in run.messages():
        pack(message)  # checks that it can be packed
        assert protocol_types.fits(message, protocol.RunMessage), message
        for result in message["results"]:
            assert protocol_types.fits(result, protocol.Result), result
        seen.append(message)
        watch(run, message)
    return run, seen


def results(seen, kind=None):
    found = [result for message in seen for result in message["results"]]
    return [result for result in found if kind in (None, result["kind"])]


FILES = Path(__file__).parents[2] / "ui/web/tests/local/files.mjs"


@cache
def _files():
    """Start the process of node that makes files. It ends with this process."""
    node = subprocess.Popen(["node", FILES], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
    atexit.register(node.__exit__, None, None, None)
    return node


def saved(place, part, run, *kinds, sets=None):
    """Return {kind: (name, content)} of the files that the page makes of a run of `messages`.

    sets: the test pictures, in place of the shipped ones. Raises ValueError, with the sentence of the page or the
        server, for a file that can't be made.
    """
    if not shutil.which("node"):
        _missing("node is not installed")
    known = {ref: plans.facts_of(place.services.models.known(ref)) for ref in run.computation.refs}
    words = page_words() | ({"sets": sets} if sets else {})
    asked = {"part": part, "values": run.values, "kinds": kinds}
    asked |= {"words": words, "emoji": emoji.NAMES, "facts": known}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "kept").write_bytes(b"".join(pack(run.kept())))
        node = _files()
        node.stdin.write(json.dumps(asked | {"kept": str(folder / "kept"), "out": temporary}) + "\n")
        node.stdin.flush()
        if not (line := node.stdout.readline()):
            _files.cache_clear()
            raise AssertionError("node has ended, and said why")
        found = json.loads(line)
        if wrong := [one["error"] for one in found.values() if "error" in one]:
            raise ValueError(wrong[0])
        return {kind: (one["name"], (folder / one["name"]).read_bytes()) for kind, one in found.items()}


def decoded(picture, size=8):
    """Return a sprite as (N, H, W, 3)."""
    if isinstance(picture, np.ndarray):
        return np.stack([np.asarray(Image.fromarray(one.squeeze()).convert("RGB")) for one in picture])
    row = np.asarray(Image.open(io.BytesIO(picture.content)).convert("RGB"))
    return np.stack(np.split(row, row.shape[1] // size, axis=1))
