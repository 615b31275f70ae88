"""The network: what each block of a U-Net says in each step of a run, and what the picture becomes without some of it.

A run is whole; a second one from the same noise has parts switched off, or a block of a third one, which is asked for
something else.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np

import ddpm_core
from ddpm_core.model import Model, ModelSpec
from ddpm_core.names import Sampler
from ddpm_core.runs import make_chain
from ui.forms.fields import NEVER, Text, Whole, declare, shown
from ui.machine.step_times import StepKind
from ui.parts.part import Part
from ui.parts.picture_rows import Rows, RowsPlan
from ui.pictures.encoded import fitting, sent
from ui.protocol import BlockPictures, Figures, InsideFrame, NetworkBlock, Opening
from ui.runs.borrowed import owner
from ui.runs.jobs import Job
from ui.runs.log import size_of
from ui.runs.plans import by_kind
from ui.runs.settings import IF_CLASSES, IF_WORDS, PROMPT, SAMPLER, STEPS, Settings

if TYPE_CHECKING:
    from ddpm_core.engines.blocks import Inside
    from ddpm_core.engines.readers import Readers
    from ddpm_core.model import Tensor

# Plain evaluations that one takes which is looked into, with its pictures: 4.2 of mnist-tiny and 4.1 of cifar10-tiny,
# on two cores of an AMD EPYC; PyTorch in float32 in the place of OpenVINO.
OPENED = 4
PARTS = re.compile(r"middle|attention|condition|time|skips \d{1,4}|(?:down|up) \d")  # what can be off
BLOCKS = re.compile(r"middle|(?:down|up) \d")
PLACE = re.compile("[0-9]{1,2} [0-9]{1,2}")


@dataclass(frozen=True)
class Network(Settings):
    """off: names of parts of `Inside.cut`, with commas between them. graft: the class or the words of the run whose
    `graft_block` goes on in place of one's own; "" for none. first, last: the steps in which that is so, counted from
    1; 0 for the last step. block: whose channels are shown. place: a place of the picture in percent of its sides, down
    and right, as "45 60": where it looks is shown; "" for none.
    """

    steps: int = declare(STEPS, 20)
    sampler: Sampler = declare(SAMPLER, "ddim")
    count: int = declare(Whole("The number of images", low=1, high=1), 1, NEVER)
    off: str = declare(Text("What is switched off"), "", NEVER)
    graft: str = declare(Text("The graft"), "", [*IF_CLASSES, *IF_WORDS])
    graft_block: str = declare(Text("The block of the graft"), "middle", NEVER)
    first: int = declare(Whole("The first step without it", low=1, high=1_000_000), 1, NEVER)
    last: int = declare(Whole("The last step without it", low=0, high=1_000_000), 0, NEVER)
    block: str = declare(Text("The block"), "middle", NEVER)
    place: str = declare(Text("The place"), "", NEVER)

    @property
    def cut(self) -> list[str]:
        """The names of `off`. Raises ValueError for others."""
        names = [name for part in self.off.split(",") if (name := part.strip())]
        for name in names:
            if not PARTS.fullmatch(name):
                raise ValueError(
                    f"A network has no part {shown(name)}: choose such as middle, skips 28, attention, time"
                )
        return list(dict.fromkeys(names))


@dataclass(frozen=True)
class NetworkPlan(RowsPlan):
    """grafted: the options of the run that a block is taken from, None without. times: t of each step. changed: the
    times at which the second run is not whole, empty where there is no second run.
    """

    grafted: dict[str, Any] | None
    times: tuple[int, ...]
    changed: frozenset[int]


class NetworkRun(Rows):
    """Its results, by "kind": "plan" once, then "inside" of each lane and step, of a long run of as many as fit."""

    def plan(self, models: Sequence[ModelSpec]) -> NetworkPlan:
        (model,), request = models, self.request
        cut, graft = request.cut, PROMPT.check(request.graft)
        for name in (request.block, request.graft_block):
            if not BLOCKS.fullmatch(name):
                raise ValueError(f"A network has no block {shown(name)}: choose such as down 1, middle, up 1")
        if graft and not (model.num_classes or model.takes_words):
            raise ValueError("A graft needs a model with classes or words")
        if graft and request.graft_block in cut:
            raise ValueError(f"Block {request.graft_block} can't be switched off and grafted at once")
        if request.place and not PLACE.fullmatch(request.place):
            raise ValueError(f"A place is two numbers from 0 to 99, down and right, got {shown(request.place)}")
        chain = self.chain.resolved(model)
        other = replace(chain, **{"prompt" if model.takes_words else "label": graft}).plain() if graft else None
        times = tuple(t for t, _ in make_chain(model, **chain.sampling).pairs)
        changed = times[request.first - 1 : request.last or None] if cut or graft else ()
        if (cut or graft) and not changed:
            raise ValueError(f"Steps go from 1 to {len(times)} here, and the first one comes before the last one")
        lanes = 1 + bool(changed) + bool(graft)
        kind = StepKind(request.checkpoint, chain.batch(model))
        steps = by_kind((kind, OPENED * lanes * len(times)))
        grafted = _options(other, model) if other else None
        return NetworkPlan(request, steps, model, _options(chain, model), grafted, times, frozenset(changed))

    def compute(self, plan: NetworkPlan, models: Sequence[Model], work: Job) -> None:
        model, request = owner(models[0]), self.request
        readers = _readers(model)
        lanes = [ddpm_core.inside(model)]
        if request.block not in lanes[0].blocks:
            names = ", ".join(lanes[0].blocks)
            raise ValueError(f"This network has no block {shown(request.block)}: choose from {names}")
        donor = None
        if plan.changed:
            lanes.append(ddpm_core.inside(model))
            lanes[1].cut(*request.cut, when=plan.changed.__contains__)
        if plan.grafted is not None:
            donor = ddpm_core.inside(model)
            lanes[1].change(
                request.graft_block,
                lambda found, t: donor.taps[request.graft_block] if t in plan.changed else found,
            )
        if request.place:
            for lane in lanes:
                lane.look(*(int(percent) / 100 for percent in request.place.split()))
        work.give(_opening(plan, lanes[0], readers))
        opened = [(lane, plan.options) for lane in lanes]
        if donor and plan.grafted:
            opened.insert(0, (donor, plan.grafted))
        runs = [ddpm_core.trajectory(one.model, [request.seed], **options) for one, options in opened]
        kind = next(iter(plan.steps))
        kept: Container[int] = range(len(plan.times))
        for steps in zip(*runs, strict=True):  # lanes take turns, so that a graft has what its donor just gave
            for lane, (one, step) in enumerate(zip(lanes, steps[-len(lanes) :], strict=True)):
                if step.index not in kept:
                    continue
                x, x0 = model.pictures(step.x), model.pictures(step.x0_hat)
                frame: InsideFrame = {
                    "kind": "inside",
                    "lane": lane,
                    "k": step.index,
                    "t": step.t,
                    "x": sent(x),
                    "x0": sent(x0),
                    **_looks(model, one, readers, step.t, request.block),
                }
                work.give(frame)
                if not step.index and not lane:
                    kept = fitting(len(plan.times), len(lanes) * size_of(frame))
                work.recording.rows[lane] = x
            work.count(kind, OPENED * len(opened), timed=False)


def _options(chain: Settings, model: ModelSpec) -> dict[str, Any]:
    return {name: value for name, value in chain.arguments(model).items() if name != "seeds"}


def _readers(model: Model) -> Readers | None:
    """The readers of a checkpoint, None where none were fitted."""
    try:
        return ddpm_core.readers(model)
    except ValueError:
        return None


def _opening(plan: NetworkPlan, opened: Inside, readers: Readers | None) -> Opening:
    """What the network consists of, and what was measured of its blocks."""
    blocks: list[NetworkBlock] = [
        {"name": name, "shape": [*block.shape], "parts": block.parts, "attentions": block.attentions}
        for name, block in opened.blocks.items()
    ]
    found: Opening = {
        "kind": "plan",
        "blocks": blocks,
        "skips": list(opened.skips),
        "r2": None,
        "figures": None,
    }
    if readers:
        found["r2"] = {name: [round(readers.r2(name, t), 3) for t in plan.times] for name in opened.blocks}
        found["figures"] = cast("Figures", readers.figures) or None
    return found


def _looks(model: Model, opened: Inside, readers: Readers | None, t: int, shows: str) -> BlockPictures:
    """What is seen of an evaluation: of each block what can be read and its colours, without readers how much its
    numbers are; all channels of one; and where the place of `Inside.look` looks."""
    taps = {name: found[:1] for name, found in opened.taps.items()}  # with guidance the first one has the condition
    seen: BlockPictures = {"channels": _channels(taps[shows][0])}
    if opened.looks:
        seen["looks"] = [{"layer": name, "maps": _maps(found[0])} for name, found in opened.looks.items()]
    if readers is None:
        seen["colours"] = [_channels(tap.abs().mean(1)) for tap in taps.values()]
    else:
        seen["read"] = [sent(model.pictures(readers.read(name, tap, t))) for name, tap in taps.items()]
        seen["colours"] = [readers.colours(name, tap, t) for name, tap in taps.items()]
    return seen


def _channels(tap: Tensor) -> np.ndarray:
    """Channels, a tensor (C, h, w), each from its darkest number to its brightest one, as uint8 (C, h, w, 1)."""
    low, high = tap.amin((1, 2), keepdim=True), tap.amax((1, 2), keepdim=True)
    levels = 255 * (tap - low) / (high - low).clamp(min=1e-9)
    return levels.round().byte().cpu().numpy()[..., None]


def _maps(shares: Tensor) -> np.ndarray:
    """Where a place looks in a layer, a tensor (heads, h, w), as uint8 (heads, h, w, 1): the largest share is 255."""
    return (255 * shares / shares.max()).round().byte().cpu().numpy()[..., None]


class NetworkPart(Part):
    forms: ClassVar = {"network": Network}
    computation = NetworkRun
