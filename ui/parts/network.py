"""Show the network: what each block of a U-Net computes in each step, and how the picture changes without some parts.

The first run uses the whole network. A second run from the same noise has some parts switched off, or uses the output
of a block from a third run, which draws something else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, cast

import numpy as np
from pydantic import Field

import ddpm_core
from ddpm_core.model import Model, ModelSpec
from ui.machine.step_times import StepKind
from ui.models.borrowed import loaded_model
from ui.models.services import Services
from ui.parts.part import Part
from ui.parts.picture_rows import Rows, RowsPlan
from ui.pictures.encoded import choose_steps, encode_frames
from ui.protocol import BlockPictures, Figures, InsideFrame, NetworkBlock, Opening
from ui.runs.asked import Asked, LaneAsked, RowsAsked, Seed, unclear
from ui.runs.jobs import Job
from ui.runs.log import Values, size_of
from ui.runs.plans import Computation, by_kind

if TYPE_CHECKING:
    from ddpm_core.engines.blocks import Inside
    from ddpm_core.engines.readers import Readers
    from ddpm_core.model import Tensor

# An evaluation that records all blocks and their pictures takes as long as about 4 plain evaluations: 4.2 with
# mnist-tiny and 4.1 with cifar10-tiny, on two cores of an AMD EPYC. It runs in PyTorch in float32, without OpenVINO.
OPENED = 4
BLOCK = r"middle|(?:down|up) \d"
BlockName = Annotated[str, Field(pattern=f"^({BLOCK})$")]
CutName = Annotated[str, Field(pattern=rf"^({BLOCK}|attention|condition|time|skips \d{{1,4}})$")]
Share = Annotated[float, Field(ge=0, lt=1)]


class GraftAsked(Asked):
    """A graft: the output of a block is replaced by that of the same block in another run."""

    block: BlockName
    lane: LaneAsked


class Network(RowsAsked):
    """A request for a run and a second run that is changed in some of its steps."""

    seed: Seed
    block: BlockName
    """the block whose channels are shown"""
    cut: Annotated[list[CutName], Field(max_length=100)]
    """the parts that are switched off, with their names in `Inside.cut`"""
    graft: GraftAsked | None
    first: Annotated[int, Field(ge=1)]
    """number of the first changed step, from 1"""
    last: Annotated[int, Field(ge=0)]
    """number of the last changed step; 0 for the last step of the run"""
    place: Annotated[list[Share], Field(min_length=2, max_length=2)] | None
    """position in the picture, [down, right] as shares of its sides, whose self-attention is shown"""


@dataclass(frozen=True)
class NetworkPlan(RowsPlan):
    """The plan of two or three runs.

    grafted: options of the third run, from which a block is taken; None without it. times: the t of each step. changed:
    the second run is changed at all times between these two; None without a second run.
    """

    grafted: Values | None
    times: tuple[int, ...]
    changed: tuple[float, float] | None

    def is_changed(self, t: float) -> bool:
        """Return whether the second run is changed where the network is evaluated at time t."""
        low, high = self.changed or (0, 0)
        return low < t < high


class NetworkRun(Rows):
    """Computes the runs. Results, by "kind": first "plan", then "inside" for each lane and step. If the run is long,
    only some steps have a result.
    """

    def __init__(self, services: Services, request: Network):
        Computation.__init__(self, services, request, [request.lane], 1)

    def plan(self, models: Sequence[ModelSpec]) -> NetworkPlan:
        """Return the plan of the runs. Raises ValueError if the model can't run them."""
        (model,), request = models, self.request
        lane, graft = request.lane, request.graft
        chain = lane.chain(model, 1, self.services.samplers)
        if graft:
            graft.lane.chain(model, 1, self.services.samplers)
            if graft.lane.checkpoint != lane.checkpoint or graft.lane.steps != lane.steps or graft.block in request.cut:
                raise unclear("a graft of another chain")
        times = tuple(t for t, _ in chain.pairs)
        changed = None
        if request.cut or graft:
            steps = chain.pairs[request.first - 1 : request.last or None]
            if not steps:
                raise unclear("steps that there are not")
            changed = steps[-1][1], times[request.first - 2] if request.first > 1 else math.inf
        lanes = 1 + bool(changed) + bool(graft)
        needed = by_kind((StepKind(lane.checkpoint, chain.evaluations or 1), OPENED * lanes * len(times)))
        options, grafted = (
            one and one.arguments(self.services.samplers) | {"clip": request.clip}
            for one in (lane, graft and graft.lane)
        )
        return NetworkPlan(request, needed, model, options or {}, grafted, times, changed)

    def compute(self, plan: NetworkPlan, models: Sequence[Model], work: Job) -> None:
        """Take the steps of all runs in turns, and send the pictures of the blocks to the page."""
        model, request = loaded_model(models[0]), self.request
        readers = _readers(model)
        lanes = [ddpm_core.inside(model)]
        if request.block not in lanes[0].blocks:
            names = ", ".join(lanes[0].blocks)
            raise ValueError(f"This network has no block {request.block!r}: choose from {names}")
        donor, taken = None, {}
        if plan.changed:
            lanes.append(ddpm_core.inside(model))
            lanes[1].cut(*request.cut, when=plan.is_changed)
        if plan.grafted is not None:
            donor = ddpm_core.inside(model)
            block = request.graft.block
            donor.change(block, partial(_store_output, taken))
            lanes[1].change(block, partial(_graft_output, taken, plan.is_changed))
        if request.place:
            for lane in lanes:
                lane.look(*request.place)
        work.add_results(_opening(plan, lanes[0], readers))
        opened = [(lane, plan.options) for lane in lanes]
        if donor and plan.grafted:
            opened.insert(0, (donor, plan.grafted))
        runs = [ddpm_core.trajectory(one.model, [request.seed], **options) for one, options in opened]
        kind = next(iter(plan.steps))
        kept: Container[int] = range(len(plan.times))
        # The runs take each step one after another, the third run first, so that the second can use its output.
        for steps in zip(*runs, strict=True):
            for lane, (one, step) in enumerate(zip(lanes, steps[-len(lanes) :], strict=True)):
                if step.index not in kept:
                    continue
                x, x0 = model.pictures(step.x), model.pictures(step.x0_hat)
                frame: InsideFrame = {
                    "kind": "inside",
                    "lane": lane,
                    "k": step.index,
                    "t": step.t,
                    "x": encode_frames(x),
                    "x0": encode_frames(x0),
                    **_block_pictures(model, one, readers, request.block),
                }
                work.add_results(frame)
                if not step.index and not lane:
                    kept = choose_steps(len(plan.times), len(lanes) * size_of(frame))
                work.recording.rows[lane] = x
            taken.clear()
            work.count(kind, OPENED * len(opened), timed=False)


def _readers(model: Model) -> Readers | None:
    """Return the readers of a checkpoint, which predict x̂_0 from its blocks; None if none were fitted."""
    try:
        return ddpm_core.readers(model)
    except ValueError:
        return None


def _opening(plan: NetworkPlan, opened: Inside, readers: Readers | None) -> Opening:
    """Return the first result: the parts of the network, and the measurements of its blocks."""
    blocks: list[NetworkBlock] = [
        {"name": name, "shape": [*block.shape], "parts": block.parts, "attentions": block.attentions}
        for name, block in opened.blocks.items()
    ]
    opening: Opening = {
        "kind": "plan",
        "blocks": blocks,
        "skips": list(opened.skips),
        "r2": None,
        "figures": None,
    }
    if readers:
        opening["r2"] = {name: [round(readers.r2(name, t), 3) for t in plan.times] for name in opened.blocks}
        opening["figures"] = cast("Figures", readers.figures) or None
    return opening


def _store_output(taken: dict[float, Tensor], found: Tensor, t: float) -> Tensor:
    """Store a block's output in `taken` under its time, and return it unchanged."""
    taken[t] = found
    return found


def _graft_output(taken: dict[float, Tensor], is_changed: Callable[[float], bool], found: Tensor, t: float) -> Tensor:
    """Return the third run's output at the same time, from `taken`, if the second run is changed at t; else the block's
    own output, `found`.
    """
    return taken[t] if is_changed(t) else found


def _block_pictures(model: Model, opened: Inside, readers: Readers | None, shows: str) -> BlockPictures:
    """Return the pictures of the latest evaluation. For each block, they show the x̂_0 and the colours of its reader;
    without readers, the mean of |value| over its channels. They also show all channels of the block `shows`, and the
    self-attention of the selected position.
    """
    t = opened.t
    # with guidance, the first half of the batch has the condition
    taps = {name: tap[:1] for name, tap in opened.taps.items()}
    pictures: BlockPictures = {"channels": _channels(taps[shows][0])}
    if opened.looks:
        pictures["looks"] = [{"layer": name, "maps": _maps(shares[0])} for name, shares in opened.looks.items()]
    if readers is None:
        pictures["colours"] = [_channels(tap.abs().mean(1)) for tap in taps.values()]
    else:
        pictures["read"] = [encode_frames(model.pictures(readers.read(name, tap, t))) for name, tap in taps.items()]
        pictures["colours"] = [readers.colours(name, tap, t) for name, tap in taps.items()]
    return pictures


def _channels(tap: Tensor) -> np.ndarray:
    """Return channels (C, h, w) as grey pictures, uint8 (C, h, w, 1). In each picture, the least number is black and
    the largest is white.
    """
    low, high = tap.amin((1, 2), keepdim=True), tap.amax((1, 2), keepdim=True)
    levels = 255 * (tap - low) / (high - low).clamp(min=1e-9)
    return levels.round().byte().cpu().numpy()[..., None]


def _maps(shares: Tensor) -> np.ndarray:
    """Return the attention of one position (heads, h, w) as pictures, uint8 (heads, h, w, 1). The largest weight is
    255.
    """
    return (255 * shares / shares.max()).round().byte().cpu().numpy()[..., None]


class NetworkPart(Part):
    """The part Network."""

    names = ("network",)
    asked = Network
    computation = NetworkRun
