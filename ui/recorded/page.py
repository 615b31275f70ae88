"""Run the page's own modules in a node process, for recordings and tests: they plan a run from the values of a form."""

from __future__ import annotations

import atexit
import json
import subprocess
from collections.abc import Callable, Mapping
from functools import cache

from ui.forms import emoji
from ui.protocol import CheckpointFacts
from ui.runs.log import Values
from ui.runs.words import page_words
from ui.web import FILES

SCRIPT = FILES / "tests/local/plans.mjs"


def ask(question: Mapping[str, object]) -> Values:
    """Send a question to SCRIPT in the node process, and return the answer. SCRIPT describes the fields of question and
    answer. Raises FileNotFoundError if node is not installed.
    """
    page = _page()
    _write(page, question)
    assert page.stdout is not None
    line = page.stdout.readline()
    assert line, "node has ended, and said why"
    return json.loads(line)


def plan_run(part: str, values: Values, facts: Callable[[str], CheckpointFacts | None], **more: object) -> Values:
    """Return the page's plan for the values of a part's form; `asked` in it is the request to a server.

    facts: returns the facts of a checkpoint that the values name. more: further fields of the question. Raises
    ValueError with the page's error message.
    """
    question = {"part": part, "values": values, "models": {}, **more}
    found = ask(question)
    refs = found.get("refs", ())
    models = {ref: known for ref in refs if (known := facts(ref))}
    if models or not refs:
        found = ask(question | {"models": models})
    if "error" in found:
        raise ValueError(found["error"])
    return found


@cache
def _page() -> subprocess.Popen[str]:
    """Start the node process, which ends with this process."""
    page = subprocess.Popen(["node", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
    _write(page, {"words": page_words(), "emoji": emoji.NAMES})
    atexit.register(page.__exit__, None, None, None)
    return page


def _write(page: subprocess.Popen[str], message: Mapping[str, object]) -> None:
    """Send one line of JSON to the node process."""
    assert page.stdin is not None
    page.stdin.write(json.dumps(message) + "\n")
    page.stdin.flush()
