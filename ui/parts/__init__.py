"""What the server can compute: a file for each part of the page, and what several of them share.

No part imports another. `PARTS` lists them. A part that needs no model has nothing here: the browser computes it.
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
