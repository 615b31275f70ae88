"""The plots of a study: scores against steps, samples side by side, L_t by t, rate against distortion."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from ddpm_core.imaging.image_files import open_picture, to_8_bits
from train.common.files import write_bytes
from train.evaluate import published
from train.evaluate.published import PublishedTable
from train.evaluate.results import Bound, StoredCell
from train.evaluate.tables import ScoreTable, method, published_of, symbol

COLORS = {"DDPM β": "C3", "DDPM β̃": "C0", "DDPM analytic": "C2", "DDIM η=0": "C1", "DPM++": "C4", "UNIPC": "C5"}
OTHERS = ("C6", "C8", "C9", "C7")
STYLES = ("-", "--", ":")  # different line styles, because the curves of full chains lie on each other
DPI = 120
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")


@dataclass(frozen=True)
class Panel:
    """One plot of several curves."""

    title: str
    curves: dict[str, dict[int, tuple[float, float]]]  # {method: {steps: (value, error or 0)}}
    style: str  # matplotlib's style of the lines


def draw_plots(
    out: Path,
    tables: list[ScoreTable],
    cells: list[StoredCell],
    full: list[Bound],
    papers: tuple[PublishedTable, ...],
) -> None:
    """Write the PNGs that the results allow. full: the full chains; papers: the published tables for the data set."""
    for table in tables:
        panels = [_our_panel(table), *map(_published_panel, published_of(table.metric, papers))]
        _scores(out / f"{_slug(f'{table.title} {table.spacing}')}.png", panels)
    for spacing in dict.fromkeys(cell["spacing"] for cell in cells):
        _samples(out / f"samples-{spacing}.png", out, [cell for cell in cells if cell["spacing"] == spacing])
    if full:
        _terms(out / "terms.png", full)
        _rate_distortion(out / "rate-distortion.png", full, with_published=bool(papers))


def _our_panel(table: ScoreTable) -> Panel:
    """Return a panel of a table's values. For a biased metric, it shows only the values from the largest number of
    images.
    """
    counts, most = table.image_counts, max(table.image_counts)
    if table.metric.biased:
        counts = {most}
    curves = {
        name: {n: (each.value, each.error or 0) for n, each in row.items() if each.images in counts}
        for name, row in table.rows.items()
    }
    images = f"{'up to ' if len(counts) > 1 else ''}{most:,} images"
    return Panel(f"{table.title}\n{table.spacing} steps, {images}", curves, "-")


def _published_panel(table: PublishedTable) -> Panel:
    """Return a panel of a published table."""
    curves = {name: {n: (value, 0.0) for n, value in row.items()} for name, row in table.rows.items()}
    return Panel(f"published {table.metric.title}\n{table.source}", curves, "--")


def _slug(text: str) -> str:
    """Return a text as a file name: lower case, with hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower().replace("é", "e")).strip("-")


def _scores(path: Path, panels: list[Panel]) -> None:
    """Draw our values, and each published table in a separate panel, because its network and its images differ."""
    figure, axes = plt.subplots(1, len(panels), figsize=(5 * len(panels), 4), squeeze=False)
    for axis, panel in zip(axes[0], panels, strict=True):
        others = iter(OTHERS)
        for label, values in panel.curves.items():
            steps = sorted(values)
            color = COLORS.get(label) or next(others, "k")
            numbers, errors = [values[n][0] for n in steps], [values[n][1] for n in steps]
            # A line between two distant points would suggest values that nobody has published.
            line = panel.style if panel.style == "-" or len(steps) > 2 else "none"
            axis.plot(steps, numbers, linestyle=line, marker="o", markersize=5, label=label, color=color)
            axis.errorbar(steps, numbers, errors, fmt="none", capsize=3, ecolor=color)
        _scales(axis, panel)
        axis.set_title(panel.title, fontsize=9)
        axis.legend(fontsize=8)
    _save(figure, path)


def _scales(axis: Axes, panel: Panel) -> None:
    """Label the axis of steps with all numbers of steps. Use a logarithmic axis for values that differ by a factor of
    3.
    """
    values = [value for row in panel.curves.values() for value, _ in row.values()]
    axis.set(xscale="log", xlabel="steps")
    axis.set_xticks(sorted({n for row in panel.curves.values() for n in row}))
    axis.xaxis.set_minor_locator(NullLocator())
    if min(values) > 0 and max(values) > 3 * min(values):
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_minor_formatter(NullFormatter())
    for one in (axis.xaxis, axis.yaxis):
        one.set_major_formatter(PLAIN)


def _samples(path: Path, out: Path, cells: list[StoredCell]) -> None:
    """Draw the grids of all cells: methods below each other, steps from left to right, the same seeds everywhere."""
    grids = {(method(cell), cell["steps"]): _picture(out / cell["folder"] / "grid.png") for cell in cells}
    rows, columns = list(dict.fromkeys(name for name, _ in grids)), sorted({n for _, n in grids})
    height, width = next(iter(grids.values())).shape[:2]
    wide = min(max(width / DPI, 2.4), 4.8)  # inches: wide enough to show each pixel of a grid, within these limits
    size = (wide * len(columns) + 1.2, (wide * height / width + 0.1) * len(rows) + 0.4)
    figure, axes = plt.subplots(len(rows), len(columns), figsize=size, squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[], frame_on=False)
    for (name, steps), picture in grids.items():
        axis = axes[rows.index(name), columns.index(steps)]
        axis.imshow(picture)
    for axis, steps in zip(axes[0], columns, strict=True):
        axis.set_title(f"{steps} step{'s' if steps > 1 else ''}", fontsize=10)
    for axis, name in zip(axes[:, 0], rows, strict=True):
        axis.set_ylabel(name, fontsize=10, rotation="horizontal", ha="right", va="center")
    _save(figure, path)


def _picture(path: Path) -> np.ndarray:
    """Return a grid with any number of channels as uint8 (H, W, 3)."""
    with open_picture(path) as picture:
        return np.array(to_8_bits(picture))


def _terms(path: Path, full: list[Bound]) -> None:
    """Draw the terms L_t of the full chains."""
    figure, axis = plt.subplots(figsize=(6, 4))
    for i, row in enumerate(full):
        label = f"{symbol(row['variance'])}: {row['bits_per_dim']:.3f} in all"
        terms = row["L"] or []
        axis.plot(range(1, len(terms) + 1), terms, STYLES[i % 3], label=label, color=_color(row))
    axis.set(xscale="log", yscale="log", xlabel="t", ylabel="$L_{t−1}$, bits/dim", title="Terms of the bound")
    axis.legend(fontsize=8)
    _save(figure, path)


def _rate_distortion(path: Path, full: list[Bound], with_published: bool) -> None:
    """Draw rate against distortion for the full chains."""
    figure, axis = plt.subplots(figsize=(6, 4))
    for i, row in enumerate(full):
        axis.plot(row["rate"] or [], row["rmse"] or [], STYLES[i % 3], label=symbol(row["variance"]), color=_color(row))
    if with_published:
        rates, distortions = zip(*published.RATE_DISTORTION.values(), strict=True)
        axis.plot(rates, distortions, "k+", label=f"published: {published.RATE_DISTORTION_SOURCE}")
    axis.set(xlabel="rate, bits/dim", ylabel="distortion, RMSE of 255", title="Rate and distortion (Fig. 5)")
    axis.legend(fontsize=8)
    _save(figure, path)


def _color(row: Bound) -> str:
    """Return the colour of a chain's method."""
    return COLORS.get(method(row), "C7")


def _save(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG, and close it."""
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    plt.close(figure)
    write_bytes(path, buffer.getvalue())
