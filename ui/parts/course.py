"""Course: the tour and lessons, whose bar stays above what they open, and cards that go deeper.

The lessons are in ui/web/words/lessons.json; the cards are in course.html, as they have formulas. Whatever a lesson or
a card does not set has its default.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ddpm_core.checkpoint import refs
from ddpm_core.commands import defaults
from ui.models.services import Services
from ui.parts.part import Part
from ui.protocol import Asked, Cards, CourseQuestions
from ui.runs.log import Values
from ui.web import FILES

CARDS = Path(__file__).with_name("course.html")
# Measured once (docs/evaluating.md): {seeds, curves: [{side: cells of the white square, points: [(t, share)]}]}.
TOUCHES = json.loads(Path(__file__).with_name("touch_curves.json").read_text("utf-8"))
CARD = re.compile(r"<article data-name=\"([\w-]+)\" data-part=\"(\w+)\" data-values='(.*)'>")
LATENT = "emoji-tiny"


@dataclass(frozen=True)
class Task:
    """A thing to do in a lesson after its first one."""

    values: Mapping[str, str | float]
    """what it sets beside the lesson's own; without any, it goes on with what is there, and has no button"""
    todo: str
    button: str
    question: str
    answer: str


@dataclass(frozen=True)
class Lesson:
    """A lesson, or a screen of the tour. Its goal, todo, question and answer are a sentence or two each."""

    name: str
    """in an address"""
    title: str
    minutes: int
    """that it takes; for a screen of the tour, those of the whole tour"""
    part: str
    values: Mapping[str, str | float]
    """what it opens"""
    todo: str
    question: str
    """for a screen of the tour: what to look at"""
    goal: str = ""
    button: str = ""
    """opens it again, and runs it"""
    answer: str = ""
    screen: int = 0
    """the number of the tour's screen, from 1; 0: a lesson"""
    sets: Mapping[str, str | float] = field(default_factory=dict[str, str | float])
    """what its button sets beside the values"""
    guesses: Sequence[str] = ()
    """of which one is chosen before the answer is seen"""
    curves: Mapping[str, object] | None = None
    """those that belong to it, as a benchmark has written them"""
    step: int = 0
    """where the run of its button comes to rest, from 1; 0: at the last one"""
    then: Sequence[Task] = ()
    """what there is to do after that"""


def _lesson(curves: bool = False, then: Iterable[Mapping[str, Any]] = (), **fields: Any) -> Lesson:
    """A lesson as the file of the page's words has it."""
    of_it = {name: TOUCHES[name] for name in ("seeds", "curves")} if curves else None
    return Lesson(**fields, curves=of_it, then=[Task(**task) for task in then])


_ALL = tuple(_lesson(**lesson) for lesson in json.loads((FILES / "words/lessons.json").read_text("utf-8")))
TOUR = tuple(one for one in _ALL if one.screen)
LESSONS = tuple(one for one in _ALL if not one.screen)


@dataclass(frozen=True)
class Card:
    name: str
    part: str
    values: Mapping[str, str | float]


def cards() -> list[Card]:
    """What the cards of course.html open, but for those whose model is not here."""
    found = CARD.findall(CARDS.read_text(encoding="utf-8"))
    read = [Card(name, part, json.loads(html.unescape(values))) for name, part, values in found]
    return [card for card in read if card.values.get("checkpoint", defaults.CHECKPOINT) in refs.embedded()]


class CoursePart(Part):
    names = ("course",)

    def __init__(self, services: Services):
        super().__init__(services)
        answers: CourseQuestions = {"cards": self._cards}
        self.answer(answers)

    def initial(self) -> Values:
        return {"lessons": [asdict(lesson) for lesson in (*TOUR, *LESSONS)]}

    def _cards(self, asked: Asked) -> Cards:
        """{} -> {html} of the cards."""
        text, here = CARDS.read_text(encoding="utf-8"), {card.name for card in cards()}
        for name in {name for name, *_ in CARD.findall(text)} - here:
            text = re.sub(rf'<article data-name="{name}".*?</article>', "", text, flags=re.DOTALL)
        return {"html": text}
