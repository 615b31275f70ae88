"""The visitors of Train: the run that each has or follows, within what the machine can bear."""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ddpm_core.checkpoint.refs import holds_model
from ddpm_core.disk.files import sha256
from ui.forms import units
from ui.forms.fields import near, shown
from ui.machine import temporary_files
from ui.machine.limits import ServerLimits
from ui.protocol import TrainingNow, TrainState
from ui.training.choices import Recipe, flags
from ui.training.drawings import Drawings
from ui.training.folder import RunFolder, whole
from ui.training.process import Training

ABSENCE = 150.0  # seconds without a question after which a run is paused; browsers ask once a minute in hidden tabs
FORGET = 900.0  # after which a stranger's run and its models are deleted
FRESH = 120.0  # seconds: a followed run that has said something since is under way
VISITS = 256  # remembered
MODELS = 8  # of one stranger that can be used in Watch

LOST = "this training is no longer here: Train anew starts another one"

_TOKEN = re.compile(r"[0-9a-f]{16,64}")


@dataclass
class Visit:
    """What one page has: its own training, or the folder of another that it follows; models: made of it."""

    token: str
    seen: float = field(default_factory=time.monotonic)
    number: int = 0  # of the run, as the page counts
    training: Training | None = None
    followed: RunFolder | None = None
    title: str = ""
    models: list[Path] = field(default_factory=list)
    lost: bool = False  # whether its page has a run that is not here

    @property
    def run(self) -> RunFolder | None:
        return self.training.run if self.training else self.followed

    @property
    def is_empty(self) -> bool:
        """Whether nothing is lost when it is forgotten."""
        return self.training is None and not self.models

    def left(self) -> float | None:
        """Seconds until the run is done, as far as is known."""
        run = self.run
        if run is None or not run.points or not run.total:
            return None
        speeds = [speed for _, _, speed, _ in run.points[-10:] if speed]
        return (run.total - run.step) * run.batch / (sum(speeds) / len(speeds)) if speeds else None

    def miss(self, number: object) -> None:
        """The page has a run of this number. It is not here after a new start of the app, or when it was forgotten."""
        if self.run is None and whole(number) > self.number:
            self.number, self.lost = whole(number), True

    def describe(self) -> TrainingNow:
        """The state for the page."""
        run, training = self.run, self.training
        if run is None:
            if self.lost:
                return {"state": "error", "text": LOST, "number": self.number}
            return {"state": "idle", "number": self.number}
        run.read()
        state: TrainState = "running"
        text = ""
        if training:
            state = training.state
            text = training.error
            if state == "running" and not run.grids:
                state = "waiting" if training.starved else "starting"
                text = units.duration(training.seconds)
                if state == "starting":
                    text = f"{'making the first samples' if run.about else 'loading the trainer'}, for {text}"
        else:
            age = run.age()
            if run.total and run.step >= run.total:
                state = "finished"
            elif age is None or age > FRESH:
                state = "silent"
        return {
            "state": state,
            "text": text,
            "number": self.number,
            "title": self.title,
            "followed": str(self.followed.path) if self.followed else None,
            "step": run.step,
            "recipe": run.recipe(),
            "left": self.left() if state == "running" else None,
            "saved": holds_model(run.path / "model"),
        }


class Visits:
    """All visits. Whatever it makes is in one private folder, and goes with the app, on a public page with the visitor.

    On a page of one's own nothing is deleted before that but a run in whose place its user starts or follows another.

    public: strangers use the page. machine: gives the flags of `train fit` for this machine. dropped: is told of models
    that are gone. keep: where `Keep` puts a run.
    """

    def __init__(
        self,
        public: bool,
        machine: Callable[[], Sequence[str]] = tuple,
        dropped: Callable[[Path], None] = lambda model: None,
        keep: Path = Path("runs"),
        limits: ServerLimits | None = None,
    ):
        self.public = public
        self._limits = limits or (ServerLimits.public() if public else ServerLimits())
        self._machine, self._dropped, self._keep = machine, dropped, keep
        atexit.register(self.close)
        self._visits: OrderedDict[str, Visit] = OrderedDict()
        self._lock = threading.RLock()
        self._drawing = threading.Lock()
        self._folder: Path | None = None
        self._closed = threading.Event()
        self._watched = False

    # --- What a page asks for

    def visit(self, token: object) -> Visit:
        """The visit of a page, which is here now. Raises ValueError for what is no page's token."""
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise ValueError("This is not a request of the page")
        with self._lock:
            visit = self._visits.setdefault(token, Visit(token))
            visit.seen = time.monotonic()
            self._visits.move_to_end(token)
            crowd = [other for other in self._visits.values() if other is not visit and self._may_forget(other)]
            crowd.sort(key=lambda other: not other.is_empty)  # those with nothing go first
            for other in crowd[: max(0, len(self._visits) - VISITS)]:
                self._forget(other)
        return visit

    def start(self, visit: Visit, recipe: Recipe, found: object = None) -> None:
        """Train anew. found: the visitor's drawings. Raises ValueError, and what `choices.flags` raises."""
        if self.public:
            recipe = replace(recipe, path="")  # no files of this machine
        words = [*flags(recipe), *self._machine()]
        drawn = self._drawings(visit, found) if recipe.draws else None
        with self._lock:
            self._check_room(visit)
            self._drop_run(visit)
            visit.number += 1
            folder = self._place() / visit.token[:12] / f"run-{visit.number}"
            try:
                if drawn:
                    words += ["--data", str(drawn.save(folder))]
                visit.training, visit.title = Training(folder, words), recipe.title
            except OSError:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        self._watch()

    def _drawings(self, visit: Visit, found: object) -> Drawings:
        """A visitor's drawings, made into images, which takes seconds: one visitor at a time, and only with room for a
        run.
        """
        with self._drawing:
            with self._lock:
                self._check_room(visit)
            return Drawings(found)

    def follow(self, visit: Visit, path: object) -> None:
        """Show the run of another terminal. Raises ValueError where there is none on this machine."""
        if self.public:
            raise ValueError("Only a page on your own computer follows a folder")
        text = near(path).strip()
        found = RunFolder(Path(os.path.expanduser(text)))
        if not text or not found.exists():
            raise ValueError(
                f"There is no training in {shown(text)}. Name the folder that the other training writes to"
            )
        with self._lock:
            self._drop_run(visit)
            visit.number += 1
            visit.followed = found
        found.read()
        visit.title = found.title()

    def resume(self, visit: Visit) -> None:
        """Go on with a paused or stopped run. Raises ValueError when there is no room."""
        if visit.training and visit.training.state in ("paused", "stopped"):
            with self._lock:
                self._check_room(visit)
                visit.training.resume()

    def hurry(self, visit: Visit) -> None:
        """Let a run not wait for other programs. Raises ValueError on a public page, where it is to."""
        if self.public:
            raise ValueError("Only a page on your own computer lets a training go first")
        if visit.training:
            visit.training.hurry()

    def keep(self, visit: Visit) -> Path:
        """Copy a run where it stays, for `train fit --resume`. Raises ValueError when there is nothing to keep."""
        if self.public:
            raise ValueError("Only a page on your own computer writes to its disk")
        training = visit.training
        if training is None or not any((training.run.path / "checkpoints").glob("step-*.pt")):
            raise ValueError("There is nothing to keep yet")
        kept = self._keep / f"train-{time.strftime('%Y%m%d-%H%M%S')}"
        try:
            _copy(training.run.path, kept)
        except OSError as error:
            raise ValueError(f"The run could not be kept in {kept}: {error.strerror or error}") from None
        return kept

    def use(self, visit: Visit) -> tuple[Path, str]:
        """A copy of the model as trained so far, which stays as it is, and what the list of models calls it.

        The same weights are one copy, whatever run they come from. Raises ValueError when there is no model yet.
        """
        run = visit.run
        if run is None or not holds_model(run.path / "model"):
            raise ValueError("There is no model yet: it comes with the first samples")
        run.read()
        name = re.sub(r"[^\w.]+", "-", visit.title.replace("ε", "epsilon")).strip("-") or "trained"
        going_on = visit.training is not None and visit.training.computes
        step = run.grids[-1].step if going_on and run.grids else run.step  # it is written with every grid
        images = step * run.batch
        place = self._place() / visit.token[:12] / "models"
        with self._lock:
            copied = place / "copied"
            _copy(run.path / "model", copied)
            model = place / f"trained-{name}-{images}-images-{_digest(copied)}"
            if model.exists():
                shutil.rmtree(copied)
            else:
                copied.rename(model)
            visit.models = [*(path for path in visit.models if path != model), model]
            for old in visit.models[:-MODELS] if self.public else ():
                self._drop_model(old)
                visit.models.remove(old)
        number = f" · run {visit.number}" if visit.number > 1 else ""
        return model, f"Trained here · {visit.title} · {images:,} images{number}"

    # --- The end

    def stop(self) -> None:
        """Ask all runs to end. From here on none begins or goes on."""
        self._closed.set()
        with self._lock:
            for training in self._trainings():
                training.stop()

    def close(self, seconds: float = 5.0) -> None:
        """End all runs, within about so many seconds, and delete what was made."""
        atexit.unregister(self.close)
        self.stop()
        end = time.monotonic() + seconds
        with self._lock:
            trainings = self._trainings()
        for training in trainings:
            training.end(max(0.1, end - time.monotonic()))
        with self._lock:
            self._visits.clear()
            if self._folder:
                shutil.rmtree(self._folder, ignore_errors=True)
                self._folder = None

    def look_after(self) -> None:
        """Pause runs that nobody watches, and forget visitors who have gone."""
        now = time.monotonic()
        with self._lock:
            visits = list(self._visits.values())
        for visit in visits:
            absent = now - visit.seen
            if absent > FORGET and self._may_forget(visit):
                self._forget(visit)
            elif absent > ABSENCE and visit.training:
                visit.training.pause()

    def _watch(self) -> None:
        with self._lock:
            if not self._watched and not self._closed.is_set():
                self._watched = True
                threading.Thread(target=self._keep_watch, daemon=True, name="trainings").start()

    def _keep_watch(self) -> None:
        while not self._closed.wait(1.0):
            self.look_after()

    def _trainings(self) -> list[Training]:
        return [visit.training for visit in self._visits.values() if visit.training]

    def _check_room(self, visit: Visit) -> None:
        self._check_open()
        if self._visits.get(visit.token) is not visit:  # its training would be nobody's, and never end
            raise ValueError("There are too many visitors now: try again in a moment")
        others = [v for v in self._visits.values() if v is not visit and v.training and v.training.computes]
        self._limits.check_trainings([other.left() for other in others])

    def _drop_run(self, visit: Visit) -> None:
        """The visitor has another run now. Its process is gone when this returns: another may start in its place."""
        training, visit.training, visit.followed = visit.training, None, None
        if training:
            training.discard()

    def _may_forget(self, visit: Visit) -> bool:
        return self.public or visit.is_empty

    def _forget(self, visit: Visit) -> None:
        with self._lock:
            self._visits.pop(visit.token, None)
            for model in visit.models:
                self._drop_model(model)
            self._drop_run(visit)

    def _drop_model(self, model: Path) -> None:
        self._dropped(model)
        shutil.rmtree(model, ignore_errors=True)

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise ValueError("The app is being closed")

    def _place(self) -> Path:
        with self._lock:
            self._check_open()
            if self._folder is None:
                self._folder = temporary_files.make_folder("train")
            return self._folder


def _copy(source: Path, target: Path) -> None:
    """Copy a folder of a run that may go on: files that vanish meanwhile have successors, so it is done once more."""
    for attempt in range(5):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            hidden = shutil.ignore_patterns(".*")  # locks, and what is being written
            shutil.copytree(source, target, ignore=hidden, dirs_exist_ok=True)
            return
        except (shutil.Error, FileNotFoundError):
            shutil.rmtree(target, ignore_errors=True)
            if attempt == 4:
                raise
            time.sleep(0.2)


def _digest(model: Path) -> str:
    """Eight digits that tell a model's files from those of others."""
    contents = "".join(sha256(path) for path in sorted(model.rglob("*")) if path.is_file())
    return hashlib.sha256(contents.encode()).hexdigest()[:8]
