"""Provide the code that Latents, Repair, Between and Network share: they compute rows of pictures and store them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ddpm_core import imaging
from ddpm_core.model import Model, ModelSpec, check_pixels, engine_network
from ui.machine.step_times import StepKind
from ui.models.services import Services
from ui.pictures import as_text
from ui.pictures.encoded import encode_frames, kept_steps
from ui.protocol import RowStep
from ui.runs.asked import ColumnsAsked
from ui.runs.jobs import Job
from ui.runs.log import Values
from ui.runs.plans import Computation, Plan, Recording, by_kind

if TYPE_CHECKING:
    from ddpm_core import Step
    from ddpm_core.model import Tensor

GRADIENT = 14  # an evaluation with its gradient takes as long as 14 plain evaluations (measured on a CPU)


class Counted:
    """A network that counts each of its evaluations as a step of the run."""

    def __init__(self, ref: str, model: Model, work: Job):
        self._ref, self._network, self._work = ref, engine_network(model), work
        self.device, self.moves_inputs = self._network.device, self._network.moves_inputs

    def __call__(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        """Evaluate the network and count the step."""
        output = self._network(x, t_index, labels)
        self._work.count(StepKind(self._ref, len(x)))
        return output

    def with_gradients(self, x: Tensor, t_index: Tensor, labels: Tensor | None = None) -> Tensor:
        """Evaluate the network with gradients and count GRADIENT steps."""
        output = self._network.with_gradients(x, t_index, labels)
        self._work.count(StepKind(self._ref, len(x)), GRADIENT, timed=False)
        return output


@dataclass(frozen=True)
class RowsPlan(Plan):
    """The plan of rows. options: the arguments of `ddpm_core.trajectory` after the seeds."""

    model: ModelSpec
    options: Values


class RowsRecording(Recording):
    """Keeps rows of pictures.

    rows: for each finished row, its final pictures, uint8 (columns, H, W, C). frames: for each row and kept step, x̂_0.
    """

    def __init__(self, plan: RowsPlan):
        super().__init__(plan)
        self.rows: dict[int, np.ndarray] = {}
        self.frames: dict[int, dict[int, np.ndarray]] = {}

    @property
    def bytes(self) -> int:
        """The memory that the pictures take, in bytes."""
        kept = [x for row in list(self.frames.values()) for x in list(row.values())]
        return sum(x.nbytes for x in (*kept, *list(self.rows.values())))

    def forget(self) -> None:
        """Drop all pictures."""
        self.rows, self.frames = {}, {}

    def kept(self) -> Values:
        """Return the data for files. rows: for each finished row, [row, its final pictures]. frames: for each row,
        [row, [[k, x̂_0] for each kept step k]].
        """
        frames = [(row, sorted(dict(found).items())) for row, found in sorted(dict(self.frames).items())]
        return {"rows": sorted(dict(self.rows).items()), "frames": frames}


class Rows(Computation):
    """A computation of rows of pictures. images: the number of columns."""

    recording = RowsRecording
    shows_x = False  # whether the page also gets x_s after each step

    def __init__(self, services: Services, request: ColumnsAsked):
        super().__init__(services, request, [request.lane], len(request.seeds))

    def options(self, model: ModelSpec, what: str, *pictures: str) -> Values:
        """Return `RowsPlan.options`. what: the name of the part or method in error messages.

        Raises ValueError if the model works on latents, if it can't run the chain, or if one of `pictures`, texts by
        `as_text.to_text`, has another size.
        """
        check_pixels(model, what)
        for picture in filter(None, pictures):
            as_text.from_text(picture, model)
        self.request.lane.chain(model, self.images, self.services.samplers)
        return self.request.lane.arguments(self.services.samplers) | {"clip": self.request.clip}

    def cost(self, model: ModelSpec, *work: tuple[int, float]) -> dict[StepKind, float]:
        """Return the number of steps of each kind that `Counted` will count. work: pairs (images per batch, steps).
        Guidance doubles the images, and each correction of "langevin" costs one more evaluation.
        """
        chain = self.request.lane.chain(model, self.images, self.services.samplers)
        guided, each = 1 + chain.condition.is_guided, chain.sampler.evaluations or 1
        return by_kind(*((StepKind(self.refs[0], n * guided), steps * each) for n, steps in work))

    def counted(self, model: Model, work: Job) -> Model:
        """Return the model with a network that counts its evaluations as steps."""
        return model.evaluated_by(Counted(self.refs[0], model, work))

    def take_steps(self, model: Model, row: int, steps: Iterator[Step], n: int, rows: int, work: Job) -> Step:
        """Take the n steps of one row, store and send those that the page shows, and return the last step. rows: the
        number of all rows.
        """
        frames: dict[int, np.ndarray] = {}
        work.recording.frames[row], step = frames, None
        kept = kept_steps(n, model.image_size, self.images * rows, model.channels)
        for step in steps:
            if step.index in kept:
                x, guess = imaging.to_uint8(step.x), imaging.to_uint8(step.x0_hat)
                frames[step.index] = guess if step.s else x
                x_0 = guess if self.shows_x else frames[step.index]
                at: RowStep = {"kind": "step", "row": row, "k": step.index, "s": int(step.s), "x0": encode_frames(x_0)}
                if self.shows_x:
                    at["x"] = encode_frames(x)
                work.add_results(at)
        assert step is not None  # a chain has at least one step
        work.recording.rows[row] = imaging.to_uint8(step.x)
        return step


def spread(images: np.ndarray) -> float:
    """Return the standard deviation between pictures, uint8 (N, H, W, C), in grey levels. The variance between the
    pictures is averaged over all pixels.
    """
    return float(np.sqrt(images.astype(float).var(0).mean()))
