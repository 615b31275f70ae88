"""Compute the parts of the page on the server. Each part has a module here; other modules have code that parts share.

No part imports another; `PARTS` lists all of them. Parts without a model have no module here, because the browser
computes them.
"""

from __future__ import annotations

from ui.parts.between import BetweenPart
from ui.parts.course import CoursePart
from ui.parts.fetching import FetchingPart
from ui.parts.following import FollowPart
from ui.parts.latents import LatentsPart
from ui.parts.likelihood import LikelihoodPart
from ui.parts.network import NetworkPart
from ui.parts.part import Part
from ui.parts.repair import RepairPart
from ui.parts.sampling import SamplingPart, SketchPart

PARTS: tuple[type[Part], ...] = (
    *(SamplingPart, SketchPart),
    *(LatentsPart, RepairPart, BetweenPart, LikelihoodPart, NetworkPart),
    *(FollowPart, CoursePart, FetchingPart),
)
