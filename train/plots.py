"""The plots of a study: scores against steps, L_t by t, rate against distortion."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from train.study import RATES_SOURCE, SYMBOLS, tables

COLORS = {"DDPM β": "C3", "DDPM β̃": "C0", "DDPM analytic": "C2", "DDIM η=0": "C1", "DPM++": "C4", "UNIPC": "C5"}


def draw(out: Path, cells: list[dict], bits: dict | None, published: tuple, rates: dict) -> None:
    """Write the PNGs that the results allow."""
    for (title, spacing), rows in tables(cells, bits).items():
        beside = [table for table in published if _kind(table["title"]) == _kind(title)]
        slug = re.sub(r"[^a-z0-9]+", "-", f"{title} {spacing}".lower().replace("é", "e")).strip("-")
        _scores(out / f"{slug}.png", f"{title}, {spacing} steps", rows, beside)
    full = [row for row in bits["chains"] if "rate" in row] if bits else []
    if full:
        _terms(out / "terms.png", full)
        _rate_distortion(out / "rate-distortion.png", full, rates)


def _kind(title: str) -> str:
    """Scores of one kind share a panel only when they have one title: a Fréchet distance isn't an FID."""
    return "distance" if title in ("FID",) or title.startswith("Fréchet") else title


def _scores(path: Path, title: str, rows: dict, beside: list[dict]) -> None:
    figure, axes = plt.subplots(1, 1 + len(beside), figsize=(5 * (1 + len(beside)), 4), squeeze=False)
    panels = [(title, {name: {n: e["value"] for n, e in row.items()} for name, row in rows.items()}, "-")]
    panels += [(f"published {table['title']}: {table['source']}", table["rows"], "--") for table in beside]
    for axis, (name, curves, style) in zip(axes[0], panels, strict=True):
        for label, values in curves.items():
            steps = sorted(values)
            axis.plot(steps, [values[n] for n in steps], style, marker="o", label=label, color=COLORS.get(label))
        axis.set(xscale="log", xlabel="steps", title=name)
        if all(value > 0 for values in curves.values() for value in values.values()):
            axis.set_yscale("log")
        axis.title.set_fontsize(9)
        axis.legend(fontsize=8)
    _save(figure, path)


def _terms(path: Path, full: list[dict]) -> None:
    figure, axis = plt.subplots(figsize=(6, 4))
    for row in full:
        name = SYMBOLS.get(row["variance"], row["variance"])
        axis.plot(range(1, len(row["L"]) + 1), row["L"], label=f"{name}: {row['bits_per_dim']:.3f} in all")
    axis.set(xscale="log", yscale="log", xlabel="t", ylabel="L_{t−1}, bits/dim", title="Terms of the bound")
    axis.legend(fontsize=8)
    _save(figure, path)


def _rate_distortion(path: Path, full: list[dict], rates: dict) -> None:
    figure, axis = plt.subplots(figsize=(6, 4))
    for row in full:
        axis.plot(row["rate"], row["rmse"], label=SYMBOLS.get(row["variance"], row["variance"]))
    if rates:
        points = list(rates.values())
        label = f"published: {RATES_SOURCE}"
        axis.plot([rate for rate, _ in points], [rmse for _, rmse in points], "k+", label=label)
    axis.set(xlabel="rate, bits/dim", ylabel="distortion, RMSE of 255", title="Rate and distortion (Fig. 5)")
    axis.legend(fontsize=8)
    _save(figure, path)


def _save(figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
