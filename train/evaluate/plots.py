"""The plots of a study: scores against steps, samples side by side, L_t by t, rate against distortion."""

from __future__ import annotations

import io
import re
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator
from PIL import Image

from ddpm_core.image_files import to_8_bits
from train.evaluate.report import RATES_SOURCE, SYMBOLS, beside, comparable, full_chains, method, tables
from train.files import write_bytes

COLORS = {"DDPM β": "C3", "DDPM β̃": "C0", "DDPM analytic": "C2", "DDIM η=0": "C1", "DPM++": "C4", "UNIPC": "C5"}
OTHERS = ("C6", "C8", "C9", "C7")
STYLES = ("-", "--", ":")  # curves of the full chain lie on each other
DPI = 120
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")


def draw(out: Path, cells: list[dict], bits: dict | None, published: tuple, rates: dict) -> None:
    """Write the PNGs that the results allow."""
    for (title, spacing), rows in tables(cells, bits).items():
        if not comparable(title):
            rows = _of_most_images(rows)
        counts = _counts(rows)
        images = f"{'up to ' if len(counts) > 1 else ''}{max(counts):,} images"
        name = f"{title}\n{spacing} steps, {images}"
        _scores(out / f"{_slug(f'{title} {spacing}')}.png", name, rows, beside(title, published))
    for spacing in dict.fromkeys(cell["spacing"] for cell in cells):
        _samples(out / f"samples-{spacing}.png", out, [cell for cell in cells if cell["spacing"] == spacing])
    full = full_chains(bits)
    if full:
        _terms(out / "terms.png", full)
        _rate_distortion(out / "rate-distortion.png", full, rates)


def _counts(rows: dict) -> set[int]:
    """The numbers of images that scores come from."""
    return {entry["images"] for values in rows.values() for entry in values.values()}


def _of_most_images(rows: dict) -> dict:
    """Of a table of scores, those that may be compared."""
    most = max(_counts(rows))
    return {
        label: {n: entry for n, entry in values.items() if entry["images"] == most} for label, values in rows.items()
    }


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower().replace("é", "e")).strip("-")


def _scores(path: Path, title: str, rows: dict, published: list[dict]) -> None:
    """Ours, and each published table in a panel of its own: other networks, other features, other numbers of images."""
    figure, axes = plt.subplots(1, 1 + len(published), figsize=(5 * (1 + len(published)), 4), squeeze=False)
    panels = [(title, rows, "-")]
    for table in published:
        curves = {
            name: {n: {"value": value, "error": None} for n, value in row.items()}
            for name, row in table["rows"].items()
        }
        panels.append((f"published {table['title']}\n{table['source']}", curves, "--"))
    for axis, (name, curves, style) in zip(axes[0], panels, strict=True):
        others = iter(OTHERS)
        for label, values in curves.items():
            steps = sorted(values)
            color = COLORS.get(label) or next(others, "k")
            numbers = [values[n]["value"] for n in steps]
            # A line between two far points would claim what nobody published.
            line = style if style == "-" or len(steps) > 2 else "none"
            axis.plot(steps, numbers, linestyle=line, marker="o", markersize=5, label=label, color=color)
            axis.errorbar(steps, numbers, [values[n]["error"] or 0 for n in steps], fmt="none", capsize=3, ecolor=color)
        _scales(axis, curves)
        axis.set_title(name, fontsize=9)
        axis.legend(fontsize=8)
    _save(figure, path)


def _scales(axis, curves: dict) -> None:
    """Numbers of steps as they are; values on a logarithmic axis where they differ by much, in plain numbers."""
    values = [entry["value"] for row in curves.values() for entry in row.values()]
    axis.set(xscale="log", xlabel="steps")
    axis.set_xticks(sorted({n for row in curves.values() for n in row}))
    axis.xaxis.set_minor_locator(NullLocator())
    if min(values) > 0 and max(values) > 3 * min(values):
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_minor_formatter(NullFormatter())
    for one in (axis.xaxis, axis.yaxis):
        one.set_major_formatter(PLAIN)


def _samples(path: Path, out: Path, cells: list[dict]) -> None:
    """The grids of all cells: methods below each other, steps from left to right, the same seeds everywhere."""
    grids = {(method(cell), cell["steps"]): _picture(out / cell["folder"] / "grid.png") for cell in cells}
    rows, columns = list(dict.fromkeys(name for name, _ in grids)), sorted({n for _, n in grids})
    height, width = next(iter(grids.values())).shape[:2]
    wide = min(max(width / DPI, 2.4), 4.8)  # inches: each pixel of a grid is seen, as far as there is room
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
    """uint8 (H, W, 3) of a grid with any number of channels."""
    with Image.open(path) as picture:
        return np.array(to_8_bits(picture))


def _terms(path: Path, full: list[dict]) -> None:
    figure, axis = plt.subplots(figsize=(6, 4))
    for i, row in enumerate(full):
        label = f"{_symbol(row)}: {row['bits_per_dim']:.3f} in all"
        axis.plot(range(1, len(row["L"]) + 1), row["L"], STYLES[i % 3], label=label, color=_color(row))
    axis.set(xscale="log", yscale="log", xlabel="t", ylabel="$L_{t−1}$, bits/dim", title="Terms of the bound")
    axis.legend(fontsize=8)
    _save(figure, path)


def _rate_distortion(path: Path, full: list[dict], rates: dict) -> None:
    figure, axis = plt.subplots(figsize=(6, 4))
    for i, row in enumerate(full):
        axis.plot(row["rate"], row["rmse"], STYLES[i % 3], label=_symbol(row), color=_color(row))
    if rates:
        points = list(rates.values())
        label = f"published: {RATES_SOURCE}"
        axis.plot([rate for rate, _ in points], [rmse for _, rmse in points], "k+", label=label)
    axis.set(xlabel="rate, bits/dim", ylabel="distortion, RMSE of 255", title="Rate and distortion (Fig. 5)")
    axis.legend(fontsize=8)
    _save(figure, path)


def _symbol(row: dict) -> str:
    return SYMBOLS.get(row["variance"], row["variance"])


def _color(row: dict) -> str:
    return COLORS.get(method(row), "C7")


def _save(figure, path: Path) -> None:
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    plt.close(figure)
    write_bytes(path, buffer.getvalue())
