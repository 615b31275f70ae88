"""The metrics of an evaluation: their names, titles, and what has to be said beside their values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

ScoreName = Literal["fid", "kid", "is"]  # computed from features of generated images
BoundName = Literal["bpd", "rate-distortion", "flow-bpd"]  # the terms of the variational bound; ode_log_prob
SCORES: tuple[ScoreName, ...] = get_args(ScoreName)
METRICS: tuple[ScoreName | BoundName, ...] = (*SCORES, *get_args(BoundName))


@dataclass(frozen=True)
class Metric:
    """A metric as tables and plots show it.

    title: with Inception features. other_title: with other features, "" where the metric needs Inception's.
    error_meaning: what the number behind ± is, "" where there is none. biased: whether the value depends on the number
    of images, so that values from different numbers of images can't be compared.
    """

    title: str
    other_title: str = ""
    error_meaning: str = ""
    biased: bool = False


FID = Metric("FID", "Fréchet distance", biased=True)
KID = Metric(
    "KID × 1000",
    "Kernel distance × 1000",
    "deviation of the mean over 100 subsets of the images, not counting other samples of the model",
)
IS = Metric("IS", error_meaning="deviation over 10 splits of the images", biased=True)
BITS = Metric("bits/dim", error_meaning="standard error over the images")
FLOW_BITS = Metric("bits/dim by the flow", error_meaning="standard error over the images")
SCORE_METRICS: dict[ScoreName, Metric] = {"fid": FID, "kid": KID, "is": IS}
