"""The stored results of a study by metric, method and number of steps, for tables and plots."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ddpm_core.names import VARIANCES, Variance
from train.evaluate import published
from train.evaluate.metrics import BITS, SCORE_METRICS, Metric
from train.evaluate.published import PublishedTable
from train.evaluate.results import BitsFile, Bound, CellSpacing, StoredCell, StudyFile

SYMBOLS: dict[Variance, str] = {"beta": "β", "beta_tilde": "β̃", "analytic": "analytic"}
ORDER = (None, *sorted(VARIANCES, key=lambda variance: variance != "beta_tilde"))  # order of a table's rows


@dataclass(frozen=True)
class MeasuredValue:
    """One measured value."""

    method: str
    steps: int
    value: float
    error: float | None  # see Metric.error_meaning
    images: int
    seconds: float | None  # time to sample the images, in seconds; None for bits/dim


@dataclass(frozen=True)
class ScoreTable:
    """The measurements of one metric with one spacing."""

    metric: Metric
    title: str  # title of the metric, with the extractor's name unless it is Inception
    spacing: CellSpacing
    measurements: list[MeasuredValue]

    @property
    def rows(self) -> dict[str, dict[int, MeasuredValue]]:
        """Return {method: {steps: measurement}}. Of several measurements with the same number of steps, the
        result has the one with the most images.
        """
        rows: dict[str, dict[int, MeasuredValue]] = {}
        for new in self.measurements:
            row = rows.setdefault(new.method, {})
            before = row.get(new.steps)
            if before is None or before.images < new.images:
                row[new.steps] = new
        return rows

    @property
    def image_counts(self) -> set[int]:
        """Return the numbers of images behind the values of `rows`."""
        return {each.images for row in self.rows.values() for each in row.values()}


def score_tables(cells: list[StoredCell], bits: BitsFile | None) -> list[ScoreTable]:
    """Return all measurements as tables, in the order of `cells`, then of `bits["chains"]`."""
    found: dict[tuple[str, CellSpacing], ScoreTable] = {}

    def add(metric: Metric, title: str, spacing: CellSpacing, measurement: MeasuredValue) -> None:
        """Add a measurement to the table of this title and spacing."""
        table = found.setdefault((title, spacing), ScoreTable(metric, title, spacing, []))
        table.measurements.append(measurement)

    for cell in cells:
        name, steps, images, seconds = method(cell), cell["steps"], cell["samples"], cell["sampling_seconds"]
        for score in cell["scores"]:
            measurement = MeasuredValue(name, steps, score["value"], score.get("std"), images, seconds)
            add(SCORE_METRICS[score["metric"]], score["title"], cell["spacing"], measurement)
    for row in bits["chains"] if bits else ():
        images = bits["images"] if bits else 0
        measurement = MeasuredValue(method(row), row["steps"], row["bits_per_dim"], row["standard_error"], images, None)
        add(BITS, BITS.title, row["spacing"], measurement)
    return list(found.values())


def full_chains(bits: BitsFile | None) -> list[Bound]:
    """Return the chains of all T steps, one for each variance, because they are the same for every spacing."""
    rows = bits["chains"] if bits else []
    return list({row["variance"]: row for row in rows if row.get("rate")}.values())


def method(row: StoredCell | Bound) -> str:
    """Return the name of the method of a cell or a chain, such as "DDPM β̃" or "DDIM η=0"."""
    sampler, variance = str(row.get("sampler", "ddpm")), row["variance"]
    if ":" in sampler:  # your own sampler, module:sampler
        return sampler
    eta = row.get("eta")
    own = symbol(variance) if variance is not None else f"η={shortest(eta)}" if eta is not None else ""
    return f"{sampler.upper()} {own}".rstrip()


def symbol(variance: Variance) -> str:
    """Return the symbol of a variance, such as β̃."""
    return SYMBOLS.get(variance, variance)


def rank(row: StoredCell | Bound) -> int:
    """Return the place of a row in a table, by its variance."""
    return ORDER.index(row["variance"])


def in_order(cells: list[StoredCell], bits: BitsFile | None) -> None:
    """Sort cells and chains into the order of tables."""
    cells.sort(key=lambda c: (c["spacing"], c["sampler"], rank(c), c["eta"] or 0, c["steps"], c["samples"]))
    if bits:
        bits["chains"].sort(key=lambda row: (row["spacing"], rank(row), row["steps"]))


def shortest(number: float) -> str:
    """Return a number in the fewest digits that identify it."""
    return repr(float(number)).removesuffix(".0")


def published_tables(study: StudyFile) -> tuple[PublishedTable, ...]:
    """Return the tables that were published for the study's data set."""
    return published.TABLES if is_cifar10(study) else ()


def published_of(metric: Metric, tables: tuple[PublishedTable, ...]) -> list[PublishedTable]:
    """Return the published tables that show this metric. For any Fréchet distance, return the tables of FID."""
    return [table for table in tables if table.metric is metric]


def is_cifar10(study: StudyFile | dict[str, Any]) -> bool:
    """Return whether the study's data are CIFAR-10, which has published values."""
    return re.search(r"cifar-?10(?!0)", study["data"].lower()) is not None
