"""What the page says of settings: its own modules are asked, in one process of node, without a server or a browser."""

import atexit
import json
import shutil
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

from browser import _missing

from ddpm_core.checkpoint.refs import CheckpointError
from ui.forms import emoji
from ui.models.facts import answer as known
from ui.models.facts import facts, spec, table
from ui.parts import between, latents, likelihood, plane, repair, sampling
from ui.runs.words import page_words

SCRIPT = Path(__file__).parents[1] / "ui/web/tests/local/plans.mjs"
PARTS = (
    *(sampling.SamplingPart, latents.LatentsPart, repair.RepairPart),
    *(between.BetweenPart, plane.PlanePart, likelihood.LikelihoodPart),
)


@cache
def _page():
    """The process, which ends with this one."""
    if not shutil.which("node"):
        _missing("node is not installed")
    page = subprocess.Popen(["node", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
    forms = {name: form.form() for part in PARTS for name, form in part.forms.items()}
    _write(page, {"forms": forms, "words": page_words(), "emoji": emoji.NAMES})
    atexit.register(page.__exit__, None, None, None)
    return page


def _write(page, told):
    page.stdin.write(json.dumps(told) + "\n")
    page.stdin.flush()


def _facts(model):
    """The facts of a model, also of one that has no files."""
    if model.source is not None and model.source.folder is not None:
        return facts(model)
    steps = {name: {n: " ".join(map(str, t)) for n, t in own.items()} for name, own in (model.optimised or {}).items()}
    return {
        "spec": spec(model) | {"source": None},
        "home": {"where": "", "has_scheduler": False, "autoencoder": None, "own_class": False},
        "scheduler": table(model.schedule),
        "sidecars": {"gamma": None, "optimised": {"times": steps} if steps else None},
    }


def _ask(question):
    page = _page()
    _write(page, question)
    line = page.stdout.readline()
    assert line, "node has ended, and said why"
    return json.loads(line)


def answer(part, values, models, **more):
    """Return what the page says of values of a part: {summary}; where it has the models, by their names, also {steps,
    shown} and what the plan is about; {error}, a sentence, where it refuses the values.

    more: sets, of test pictures in the place of the shipped ones; cost, of which the page makes an estimate.
    """
    known = {ref: _facts(model) for ref, model in models.items() if model is not None}
    return _ask({"part": part, "values": values, "models": known, **more})


def described(place, part, values, **more):
    """Return the same for a part of a lab, which has the models; a refusal as the sentence alone."""
    asked = place.forms[part].defaults() | values
    models = {}
    for ref in {str(asked.get(name)) for name in ("checkpoint", "checkpoint_b")}:
        with suppress(ValueError, CheckpointError):  # the page refuses it, or it names no checkpoint
            models[ref] = place.lab.models.known(ref)
    found = answer(part, values, models, **more)
    return found.get("error", found)


def offered(lab, ref):
    """Return what a form of the page offers for a checkpoint. Raises CheckpointError where there is none."""
    model = lab.models.known(ref)
    if model is None or model.source is not None:
        return _ask({"known": known(lab, ref, pictures=True)})
    return _ask({"known": {"ref": ref, "count": 1, "download": 0, "facts": _facts(model)}})
