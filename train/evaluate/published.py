"""Published values for CIFAR-10, each with its source. The names of methods are those of `tables.method`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from train.evaluate.metrics import BITS, FID, Metric


@dataclass(frozen=True)
class PublishedTable:
    """A table of a paper."""

    metric: Metric
    source: str
    setting: str  # settings that differ between papers, such as the network
    rows: dict[str, dict[int, float]]  # {method: {steps: value}}

    def to_json(self) -> dict[str, Any]:
        """Return the table for results.json."""
        return {
            "title": self.metric.title,
            "source": self.source,
            "setting": self.setting,
            "rows": self.rows,
            "published": True,
        }


TABLES = (
    PublishedTable(
        metric=FID,
        source="Song, Meng & Ermon 2021 (DDIM), Table 1",
        setting="the paper's network, quadratic steps",
        rows={
            "DDIM η=0": {10: 13.36, 20: 6.84, 50: 4.67, 100: 4.16, 1000: 4.04},
            "DDIM η=0.2": {10: 14.04, 20: 7.11, 50: 4.77, 100: 4.25, 1000: 4.09},
            "DDIM η=0.5": {10: 16.66, 20: 8.35, 50: 5.25, 100: 4.46, 1000: 4.29},
            "DDPM β̃": {10: 41.07, 20: 18.36, 50: 8.01, 100: 5.78, 1000: 4.73},
            "DDPM β": {10: 367.43, 20: 133.37, 50: 32.72, 100: 9.99, 1000: 3.17},
        },
    ),
    PublishedTable(
        metric=FID,
        source="Bao et al. 2022 (Analytic-DPM), Table 2",
        setting="linear schedule, their U-Net, even stride",
        rows={
            "DDIM η=0": {10: 21.31, 25: 10.70, 50: 7.74, 100: 6.08, 200: 5.07, 400: 4.61, 1000: 4.13},
            "DDPM β̃": {10: 44.45, 25: 21.83, 50: 15.21, 100: 10.94, 200: 8.23, 400: 6.43, 1000: 5.11},
            "DDPM β": {10: 233.41, 25: 125.05, 50: 66.28, 100: 31.36, 200: 12.96, 400: 4.86, 1000: 3.04},
            "DDPM analytic": {10: 34.26, 25: 11.60, 50: 7.25, 100: 5.40, 200: 4.01, 400: 3.62, 1000: 4.03},
        },
    ),
    PublishedTable(
        metric=BITS,
        source="Bao et al. 2022 (Analytic-DPM)",
        setting="linear schedule, their U-Net, even stride",
        rows={
            "DDPM β̃": {10: 74.95, 1000: 3.73},
            "DDPM β": {10: 6.99, 1000: 3.75},
            "DDPM analytic": {10: 5.47, 1000: 3.59},
        },
    ),
)

# {t: (rate in bits/dim, RMSE in grey levels of 255)}, measured at x_t, where the paper's reverse step T − t + 1 starts.
RATE_DISTORTION = {
    1: (1.77581, 0.95136),
    101: (0.11994, 12.02),
    201: (0.05415, 18.47),
    301: (0.02866, 24.44),
    401: (0.01507, 30.81),
    501: (0.00716, 38.03),
    601: (0.00282, 46.13),
    701: (0.00081, 54.19),
    801: (0.00013, 60.97),
    901: (0.0, 67.60),
}
RATE_DISTORTION_SOURCE = "Ho, Jain & Abbeel 2020, Table 4"
