"""Train: a network learns digits, or other pictures, while the visitor watches.

The training is `train fit` in another process (ui/training). Once a second the page asks what is new in its folder. So
it can also follow a run that was started in a terminal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeVar, cast

from ui.models.services import Services
from ui.parts.part import Part
from ui.protocol import Asked, Did, Found, Nothing, TrainingNow, TrainQuestions, Used
from ui.runs.log import Values
from ui.training.choices import Recipe, pictures_in
from ui.training.drawings import ABOUT, FILE
from ui.training.visits import Visit, Visits

T = TypeVar("T")


class TrainingPart(Part):
    names = ("train",)
    forms: ClassVar = {"train": Recipe}

    def __init__(self, services: Services):
        super().__init__(services)
        self.visits = Visits(services.public, self.machine_flags, services.models.withdraw, limits=services.limits)
        answers: TrainQuestions = {
            "now": self._of_visit(self._now),
            "start": self._of_visit(self._start),
            "pictures": self._of_visit(self._pictures),
            "follow": self._of_visit(self._follow),
            "do": self._of_visit(self._do),
            "use": self._of_visit(self._use),
        }
        self.answer(answers)

    def initial(self) -> Values:
        return {"public": self.services.public, "drawings": ABOUT}

    def stop(self) -> None:
        """Ask all trainings to end."""
        self.visits.stop()

    def close(self, seconds: float = 5.0) -> None:
        """End all trainings, within about this time."""
        self.visits.close(seconds)

    def _of_visit(self, answer: Callable[[Asked, Visit], T]) -> Callable[[Asked], T]:
        def answered(asked: Asked) -> T:
            from train import TrainError

            try:
                return answer(asked, self.visits.visit(asked.get("visitor")))
            except TrainError as error:
                raise ValueError(str(error)) from None
            except ModuleNotFoundError as error:
                raise ValueError(f"{error.name} is missing: pip install -r requirements-dev.txt") from None

        return answered

    def _now(self, asked: Asked, visit: Visit) -> TrainingNow:
        """Return the state of the training, and what the page does not have yet."""
        visit.miss(asked.get("number"))
        answer, run = visit.describe(), visit.run
        same = asked.get("number") == visit.number
        known = [asked.get(name) if same else None for name in ("version", "points", "grids")]
        return cast("TrainingNow", {**answer, **run.news(*known)}) if run else answer

    def _start(self, asked: Asked, visit: Visit) -> Nothing:
        self.visits.start(visit, Recipe.check(asked), asked.get("drawings"))
        return {}

    def _pictures(self, asked: Asked, visit: Visit) -> Found:
        """Return how many pictures a file or folder of this machine has, and their size."""
        if self.services.public:
            raise ValueError("Only a page on your own computer reads its folders")
        return {"found": pictures_in(asked.get("path"))}

    def _follow(self, asked: Asked, visit: Visit) -> Nothing:
        self.visits.follow(visit, asked.get("path"))
        return {}

    def _do(self, asked: Asked, visit: Visit) -> Did:
        what = asked.get("what")
        if what == "keep":
            kept = self.visits.keep(visit)
            return {"kept": str(kept), "data": str(found) if (found := kept / FILE).exists() else None}
        if what in ("resume", "hurry"):
            (self.visits.resume if what == "resume" else self.visits.hurry)(visit)
        elif visit.training and what in ("pause", "stop"):
            (visit.training.pause if what == "pause" else visit.training.stop)()
        return {}

    def _use(self, asked: Asked, visit: Visit) -> Used:
        return {"ref": self.services.models.offer(*self.visits.use(visit), visit.token)}

    def machine_flags(self) -> list[str]:
        """The flags of `train fit` that make it fast on this machine."""
        from train.fit.flags.quickest import quickest_flags  # here for the start time: see ui/__init__.py

        return quickest_flags(self.services.models.device)
