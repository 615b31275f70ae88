"""Provide the course: a tour and lessons, which open parts of the page and stay visible there in a bar, and cards with
more depth.

The texts of the lessons are in ui/web/words/lessons.json. The cards are in course.html, because they contain formulas.
Settings that a lesson or card leaves out have their defaults.
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
# Measurements of docs/evaluating.md: {seeds, curves: [{side, points: [(t, share)]}]}. side: cells along one side of the
# white square that a visitor draws. share: how often the drawing led to another digit at the end.
TOUCHES = json.loads(Path(__file__).with_name("touch_curves.json").read_text("utf-8"))
CARD = re.compile(r"<article data-name=\"([\w-]+)\" data-part=\"(\w+)\" data-values='(.*)'>")
LATENT = "emoji-tiny"


@dataclass(frozen=True)
class Task:
    """A further task of a lesson, after its first task."""

    values: Mapping[str, str | float]
    """settings that change; if empty, the task continues with the current run and has no button"""
    todo: str
    button: str
    question: str
    answer: str


@dataclass(frozen=True)
class Lesson:
    """A lesson, or a screen of the tour. Goal, todo, question and answer have one or two sentences each."""

    name: str
    """the name in links"""
    title: str
    minutes: int
    """minutes that the lesson takes; for a screen of the tour, those of the whole tour"""
    part: str
    values: Mapping[str, str | float]
    """settings of the part when the lesson opens it"""
    todo: str
    question: str
    """a question; for a screen of the tour, a hint where to look"""
    goal: str = ""
    button: str = ""
    """label of the button that opens the part again and starts the run"""
    answer: str = ""
    screen: int = 0
    """number of the screen in the tour, from 1; 0 for a lesson"""
    sets: Mapping[str, str | float] = field(default_factory=dict[str, str | float])
    """settings that the button changes in addition to `values`"""
    guesses: Sequence[str] = ()
    """possible answers; the visitor chooses one before the answer appears"""
    curves: Mapping[str, object] | None = None
    """curves that a benchmark measured for this lesson"""
    step: int = 0
    """step at which the button's run stops playing, from 1; 0 for the last one"""
    then: Sequence[Task] = ()
    """tasks that follow the first one"""


def _lesson(curves: bool = False, then: Iterable[Mapping[str, Any]] = (), **fields: Any) -> Lesson:
    """Return a lesson. curves: whether it shows TOUCHES. then: the fields of its further tasks. fields: its other
    fields.
    """
    of_it = {name: TOUCHES[name] for name in ("seeds", "curves")} if curves else None
    return Lesson(**fields, curves=of_it, then=[Task(**task) for task in then])


_ALL = tuple(_lesson(**lesson) for lesson in json.loads((FILES / "words/lessons.json").read_text("utf-8")))
TOUR = tuple(one for one in _ALL if one.screen)
LESSONS = tuple(one for one in _ALL if not one.screen)


@dataclass(frozen=True)
class Card:
    """A card of the course. It opens a part with these values."""

    name: str
    part: str
    values: Mapping[str, str | float]


def cards() -> list[Card]:
    """Return the cards of course.html whose models are on this machine."""
    found = CARD.findall(CARDS.read_text(encoding="utf-8"))
    read = [Card(name, part, json.loads(html.unescape(values))) for name, part, values in found]
    return [card for card in read if card.values.get("checkpoint", defaults.CHECKPOINT) in refs.embedded()]


class CoursePart(Part):
    """The part Course."""

    names = ("course",)

    def __init__(self, services: Services):
        super().__init__(services)
        answers: CourseQuestions = {"cards": self._cards}
        self.set_answers(answers)

    def initial(self) -> Values:
        """Return the tour and the lessons for the page."""
        return {"lessons": [asdict(lesson) for lesson in (*TOUR, *LESSONS)]}

    def _cards(self, asked: Asked) -> Cards:
        """Return the HTML of the cards whose models are on this machine."""
        text, here = CARDS.read_text(encoding="utf-8"), {card.name for card in cards()}
        for name in {name for name, *_ in CARD.findall(text)} - here:
            text = re.sub(rf'<article data-name="{name}".*?</article>', "", text, flags=re.DOTALL)
        return {"html": text}
