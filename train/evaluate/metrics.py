"""The metrics of an evaluation: their names, their titles, and the meaning of their errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

ScoreName = Literal["fid", "kid", "is"]  # computed from features of generated images
BoundName = Literal["bpd", "rate-distortion", "flow-bpd"]  # computed from the likelihood of test images
SCORES: tuple[ScoreName, ...] = get_args(ScoreName)
METRICS: tuple[ScoreName | BoundName, ...] = (*SCORES, *get_args(BoundName))


@dataclass(frozen=True)
class Metric:
    """A metric as tables and plots show it."""

    title: str  # title if the features are Inception's
    other_title: str = ""  # title for other features; "" if the metric needs Inception's
    error_meaning: str = ""  # meaning of the number after ±; "" if there is none
    biased: bool = False  # whether the value depends on the number of images; compare only equal numbers of images


FID = Metric("FID", "Fréchet distance", biased=True)
KID = Metric("KID × 1000", "Kernel distance × 1000", "standard deviation of 100 subsets of the images")
IS = Metric("IS", error_meaning="deviation over 10 splits of the images", biased=True)
BITS = Metric("bits/dim", error_meaning="standard error over the images")
FLOW_BITS = Metric("bits/dim by the flow", error_meaning="standard error over the images")
SCORE_METRICS: dict[ScoreName, Metric] = {"fid": FID, "kid": KID, "is": IS}
