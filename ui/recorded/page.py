"""The page's own modules in a process of node: what they say of settings, for examples and for tests."""

from __future__ import annotations

import atexit
import json
import subprocess
from collections.abc import Mapping
from functools import cache
from typing import Any

from ui.forms import emoji
from ui.parts import between, latents, likelihood, network, plane, repair, sampling
from ui.runs.words import page_words
from ui.web import FILES

SCRIPT = FILES / "tests/local/plans.mjs"
PARTS = (
    *(sampling.SamplingPart, latents.LatentsPart, repair.RepairPart),
    *(between.BetweenPart, plane.PlanePart, likelihood.LikelihoodPart, network.NetworkPart),
)


def ask(question: Mapping[str, object]) -> dict[str, Any]:
    """Return the answer to a question, as SCRIPT describes it. Raises FileNotFoundError where node is not installed."""
    page = _page()
    _write(page, question)
    assert page.stdout is not None
    line = page.stdout.readline()
    assert line, "node has ended, and said why"
    return json.loads(line)


@cache
def _page() -> subprocess.Popen[str]:
    """The process, which ends with this one."""
    page = subprocess.Popen(["node", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
    forms = {name: form.form() for part in PARTS for name, form in part.forms.items()}
    _write(page, {"forms": forms, "words": page_words(), "emoji": emoji.NAMES})
    atexit.register(page.__exit__, None, None, None)
    return page


def _write(page: subprocess.Popen[str], message: Mapping[str, object]) -> None:
    assert page.stdin is not None
    page.stdin.write(json.dumps(message) + "\n")
    page.stdin.flush()
