"""Train: a network learns digits, or other pictures, while the visitor watches.

The training is `train fit` in a process of its own (ui/training); the page asks once a second what its folder tells, so
following a run of another terminal is the same. Each question has {visitor: the page's token, ...}.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from ui.models.services import Services
from ui.parts.part import Part
from ui.runs.log import Values
from ui.training.choices import Recipe, pictures_in
from ui.training.drawings import ABOUT, FILE
from ui.training.visits import Visit, Visits


class TrainingPart(Part):
    forms: ClassVar = {"train": Recipe}

    def __init__(self, services: Services):
        super().__init__(services)
        self.visits = Visits(services.public, self.machine_flags, services.models.withdraw, limits=services.limits)
        questions = {"look": self._look, "start": self._start, "follow": self._follow, "do": self._do, "use": self._use}
        questions["pictures"] = self._pictures
        self.questions = {name: self._of_visit(answer) for name, answer in questions.items()}

    def initial(self) -> Values:
        return {"public": self.services.public, "drawings": ABOUT}

    def stop(self) -> None:
        """Ask all trainings to end."""
        self.visits.stop()

    def close(self, seconds: float = 5.0) -> None:
        """End all trainings, within about so many seconds."""
        self.visits.close(seconds)

    def _of_visit(self, answer: Callable[[Values, Visit], Values]) -> Callable[[Values], Values]:
        def answered(values: Values) -> Values:
            from train import TrainError

            try:
                return answer(values, self.visits.visit(values.get("visitor")))
            except TrainError as error:
                raise ValueError(str(error)) from None
            except ModuleNotFoundError as error:
                raise ValueError(f"{error.name} is missing: pip install -r requirements-dev.txt") from None

        return answered

    def _look(self, values: Values, visit: Visit) -> Values:
        """{number, version, points, grids: what the page has} -> the state, and what is new."""
        visit.miss(values.get("number"))
        answer, run = visit.describe(), visit.run
        same = values.get("number") == visit.number
        known = [values.get(name) if same else None for name in ("version", "points", "grids")]
        return answer | run.news(*known) if run else answer

    def _start(self, values: Values, visit: Visit) -> Values:
        """{the fields of a Recipe, drawings} -> {}"""
        self.visits.start(visit, Recipe.check(values), values.get("drawings"))
        return {}

    def _pictures(self, values: Values, visit: Visit) -> Values:
        """{path} -> {found: how many pictures a file or folder of this machine has, and their size}"""
        if self.services.public:
            raise ValueError("Only a page on your own computer reads its folders")
        return {"found": pictures_in(values.get("path"))}

    def _follow(self, values: Values, visit: Visit) -> Values:
        """{path} -> {}"""
        self.visits.follow(visit, values.get("path"))
        return {}

    def _do(self, values: Values, visit: Visit) -> Values:
        """{what: pause, resume, stop, hurry or keep} -> {}, and for keep {kept: folder, data: drawings or None}"""
        what = values.get("what")
        if what == "keep":
            kept = self.visits.keep(visit)
            return {"kept": str(kept), "data": str(found) if (found := kept / FILE).exists() else None}
        if what in ("resume", "hurry"):
            (self.visits.resume if what == "resume" else self.visits.hurry)(visit)
        elif visit.training and what in ("pause", "stop"):
            (visit.training.pause if what == "pause" else visit.training.stop)()
        return {}

    def _use(self, values: Values, visit: Visit) -> Values:
        """{} -> {ref} of the visitor's model, which is in the list of models now"""
        return {"ref": self.services.models.offer(*self.visits.use(visit), visit.token)}

    def machine_flags(self) -> list[str]:
        """The flags of `train fit` that make it fast on this machine."""
        from train.fit.flags.quickest import quickest_flags  # here for the start time: see ui/__init__.py

        return quickest_flags(self.services.models.device)
