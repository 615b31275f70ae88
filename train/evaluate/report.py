"""What a study's folder shows: results.json, results.csv, table.md and plots, with the published values beside ours."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from train.evaluate.results import read_bits, read_cells, read_study
from train.files import write_json, write_text

ORDER = (None, "beta_tilde", "beta", "analytic", "learned", "learned_range")
SYMBOLS = {"beta": "β", "beta_tilde": "β̃", "analytic": "analytic"}

# CIFAR-10. {method: {steps: value}}, a method named as `method` names ours.
PUBLISHED = (
    {
        "title": "FID",
        "source": "Song, Meng & Ermon 2021 (DDIM), Table 1",
        "setting": "the paper's network, quadratic steps",
        "rows": {
            "DDIM η=0": {10: 13.36, 20: 6.84, 50: 4.67, 100: 4.16, 1000: 4.04},
            "DDIM η=0.2": {10: 14.04, 20: 7.11, 50: 4.77, 100: 4.25, 1000: 4.09},
            "DDIM η=0.5": {10: 16.66, 20: 8.35, 50: 5.25, 100: 4.46, 1000: 4.29},
            "DDPM β̃": {10: 41.07, 20: 18.36, 50: 8.01, 100: 5.78, 1000: 4.73},
            "DDPM β": {10: 367.43, 20: 133.37, 50: 32.72, 100: 9.99, 1000: 3.17},
        },
    },
    {
        "title": "FID",
        "source": "Bao et al. 2022 (Analytic-DPM), Table 2",
        "setting": "linear schedule, their U-Net, even stride",
        "rows": {
            "DDIM η=0": {10: 21.31, 25: 10.70, 50: 7.74, 100: 6.08, 200: 5.07, 400: 4.61, 1000: 4.13},
            "DDPM β̃": {10: 44.45, 25: 21.83, 50: 15.21, 100: 10.94, 200: 8.23, 400: 6.43, 1000: 5.11},
            "DDPM β": {10: 233.41, 25: 125.05, 50: 66.28, 100: 31.36, 200: 12.96, 400: 4.86, 1000: 3.04},
            "DDPM analytic": {10: 34.26, 25: 11.60, 50: 7.25, 100: 5.40, 200: 4.01, 400: 3.62, 1000: 4.03},
        },
    },
    {
        "title": "bits/dim",
        "source": "Bao et al. 2022 (Analytic-DPM)",
        "setting": "linear schedule, their U-Net, even stride",
        "rows": {
            "DDPM β̃": {10: 74.95, 1000: 3.73},
            "DDPM β": {10: 6.99, 1000: 3.75},
            "DDPM analytic": {10: 5.47, 1000: 3.59},
        },
    },
)
# Ho, Jain & Abbeel 2020, Table 4: {t: (rate in bits/dim, RMSE of 255)}. Their reverse step T − t + 1 starts from x_t.
PUBLISHED_RATES = {
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
RATES_SOURCE = "Ho, Jain & Abbeel 2020, Table 4"


def method(row: dict) -> str:
    """The name of a cell's or a bound's row, such as "DDPM β̃" or "DDIM η=0"."""
    sampler = row.get("sampler", "ddpm")
    if sampler == "ddpm":
        return f"DDPM {SYMBOLS.get(row['variance'], row['variance'])}"
    return f"DDIM η={shortest(row['eta'])}" if sampler == "ddim" else sampler.upper()


def shortest(number: float) -> str:
    """A number in the fewest digits that tell it from every other."""
    return repr(float(number)).removesuffix(".0")


def write_report(out: Path) -> None:
    """Write everything that can be made of what the folder holds so far."""
    from train.evaluate import plots

    study, cells, bits = read_study(out), read_cells(out), read_bits(out)
    cells.sort(key=lambda c: (c["spacing"], c["sampler"], _rank(c), c["eta"] or 0, c["steps"], c["samples"]))
    if bits:
        bits["chains"].sort(key=lambda row: (row["spacing"], _rank(row), row["steps"]))
    published = PUBLISHED if is_cifar10(study) else ()
    write_json(
        out / "results.json",
        {**study, "cells": cells, "bits": bits, "published": [published_json(table) for table in published]},
    )
    write_text(out / "results.csv", to_csv(cells, bits))
    write_text(out / "table.md", to_markdown(study, cells, bits, published))
    plots.draw(out, cells, bits, published, PUBLISHED_RATES if published else {})


def _rank(row: dict) -> int:
    return ORDER.index(row["variance"])


def is_cifar10(study: dict) -> bool:
    """Whether CIFAR-10's published values have anything to say about this study."""
    return re.search(r"cifar-?10(?!0)", study["data"].lower()) is not None


def published_json(table: dict) -> dict:
    return {**table, "published": True, "rows": {name: dict(values) for name, values in table["rows"].items()}}


def full_chains(bits: dict | None) -> list[dict]:
    """The rows of all T steps, one for each variance: every spacing has the same ones."""
    rows = bits["chains"] if bits else []
    return list({row["variance"]: row for row in rows if "rate" in row}.values())


def measured(cells: list[dict], bits: dict | None) -> dict[tuple[str, str], list[tuple[str, int, dict]]]:
    """{(title, spacing): [(method, steps, {"value", "error", "images", "seconds"})]} of everything that was measured.

    error: see `meaning`, or None; seconds: what sampling the images took, None for bits/dim.
    """
    found: dict = {}
    for cell in cells:
        for score in cell["scores"]:
            entry = {
                "value": score["value"],
                "error": score.get("std"),
                "images": cell["samples"],
                "seconds": cell["sampling_seconds"],
            }
            group = found.setdefault((score["title"], cell["spacing"]), [])
            group.append((method(cell), cell["steps"], entry))
    for row in bits["chains"] if bits else ():
        entry = {
            "value": row["bits_per_dim"],
            "error": row["standard_error"],
            "images": bits["images"],
            "seconds": None,
        }
        found.setdefault(("bits/dim", row["spacing"]), []).append((method(row), row["steps"], entry))
    return found


def tables(cells: list[dict], bits: dict | None) -> dict[tuple[str, str], dict[str, dict[int, dict]]]:
    """{(title, spacing): {method: {steps: entry}}}: of `measured`, what comes from the most images."""
    found: dict = {}
    for group, numbers in measured(cells, bits).items():
        rows = found.setdefault(group, {})
        for name, steps, entry in numbers:
            before = rows.setdefault(name, {}).get(steps)
            if before is None or before["images"] < entry["images"]:
                rows[name][steps] = entry
    return found


def to_csv(cells: list[dict], bits: dict | None) -> str:
    """One line for each number, those from fewer images too."""
    buffer = io.StringIO()
    write = csv.writer(buffer, lineterminator="\n").writerow
    write(["score", "spacing", "method", "steps", "images", "value", "error", "sampling_seconds"])
    for (title, spacing), numbers in measured(cells, bits).items():
        for name, steps, entry in numbers:
            write([title, spacing, name, steps, *(entry[key] for key in ("images", "value", "error", "seconds"))])
    return buffer.getvalue()


def to_markdown(study: dict, cells: list[dict], bits: dict | None, published: tuple) -> str:
    """Tables in the shape of DDIM's Table 1, each followed by the published ones of its kind."""
    lines = [f"# {study['identity']['checkpoint']}", "", *_about(study, bits)]
    for (title, spacing), rows in tables(cells, bits).items():
        counts = {entry["images"] for values in rows.values() for entry in values.values()}
        most = max(counts)
        lines += ["", f"## {title}, {spacing} steps, {most:,} images", ""]
        lines += _grid(rows, lambda entry, most=most: _text(entry, most))
        if len(counts) > 1:
            caution = "." if comparable(title) else "; scores of different numbers of images don't compare."
            lines += ["", f"(n = …): from fewer images{caution}"]
        if meaning(title):
            lines += ["", f"±: {meaning(title)}."]
        for table in beside(title, published):
            lines += ["", f"Published {table['title']}: {table['source']}; {table['setting']}.{_caution(title)}", ""]
            lines += _grid({f"{name} (published)": row for name, row in table["rows"].items()}, lambda v: f"{v:.2f}")
    lines += _rates(bits, published)
    return "\n".join(lines) + "\n"


def beside(title: str, published: tuple) -> list[dict]:
    """The published tables that a score of this title may be read beside: for a Fréchet distance, those of FID."""
    kind = "FID" if title.startswith("Fréchet") else title
    return [table for table in published if table["title"] == kind]


def comparable(title: str) -> bool:
    """Whether a score is without a bias that depends on the number of images."""
    return title.startswith("K") or title == "bits/dim"


def _caution(title: str) -> str:
    if title.startswith("Fréchet"):
        return " FID is made of Inception features and 50,000 images: compare orders, not values."
    return " From 50,000 images." if title == "FID" else ""


def meaning(title: str) -> str:
    """What the ± of a score is, empty where it has none."""
    if title.startswith("K"):
        return "deviation of the mean over 100 subsets of the images, not counting other samples of the model"
    return {"IS": "deviation over 10 splits of the images", "bits/dim": "standard error over the images"}.get(title, "")


def _about(study: dict, bits: dict | None) -> list[str]:
    """What was measured, against what, on which machine, and how long it took."""
    identity, runs = study["identity"], study["runs"]
    weights = f"Weights: {identity['weights']}, SHA-256 {identity['weights_sha256'][:16]}"
    revision = f", revision {identity['revision']}" if identity["revision"] else ""
    labels = "every image's class (samples: all in turn)" if identity["labels"] == "classes" else "none"
    lines = [f"- {weights}{revision}. Labels: {labels}."]
    if identity["labels"] == "classes" and study["model"]["null_label"] is not None and "gamma_sha256" in identity:
        lines.append("- Γ_t of the analytic variance was estimated without labels.")
    if "reference" in identity:
        lines.append(f"- Reference: {identity['references']:,} images of {identity['reference']}.")
    if bits:
        clipped = "clipped" if bits["clip"] else "not clipped"
        lines.append(f"- Bits/dim: {bits['images']:,} images of {bits['data']}; x̂_0 {clipped}, the paper's decoder.")
    used = {(run["machine"]["gpu"] or run["machine"]["processor"], run["processes"]) for run in runs}
    machines = "; ".join(f"{name}, {n} process{'es' if n > 1 else ''}" for name, n in sorted(used))
    minutes = sum(run["seconds"] for run in runs) / 60
    count = f" in {len(runs)} runs" if len(runs) > 1 else ""
    return [*lines, f"- Engine: {identity['engine']}, on {machines}. Wall time: {minutes:,.1f} minutes{count}."]


def _grid(rows: dict[str, dict], text) -> list[str]:
    steps = sorted({n for values in rows.values() for n in values})
    lines = ["| steps | " + " | ".join(map(str, steps)) + " |", "| --- |" + " ---: |" * len(steps)]
    for name, values in rows.items():
        lines.append(f"| {name} | " + " | ".join(text(values[n]) if n in values else "" for n in steps) + " |")
    return lines


def _text(entry: dict, most: int) -> str:
    digits = 3 if abs(entry["value"]) < 10 else 2
    error = f" ± {entry['error']:.{digits}f}" if entry["error"] is not None else ""
    fewer = f" (n = {entry['images']:,})" if entry["images"] < most else ""
    return f"{entry['value']:.{digits}f}{error}{fewer}"


def _rates(bits: dict | None, published: tuple) -> list[str]:
    """Rate and distortion in the shape of the paper's Table 4, full chains only."""
    full = full_chains(bits)
    if not full:
        return []
    T = len(full[0]["rate"])
    times = sorted({min(T, 1 + round(T * share / 10)) for share in range(10)})
    head = [f"rate, {SYMBOLS.get(row['variance'], row['variance'])}" for row in full] + ["RMSE"]
    if published:
        head += ["rate (published)", "RMSE (published)"]
    lines = ["", f"## Rate (bits/dim) and distortion (of 255) by t, {bits['images']:,} images of {bits['data']}", ""]
    lines += ["| t | " + " | ".join(head) + " |", "| ---: |" + " ---: |" * len(head)]
    for t in times:
        values = [f"{row['rate'][t - 1]:.5f}" for row in full] + [f"{full[0]['rmse'][t - 1]:.2f}"]
        if published:
            values += [f"{value:.5g}" for value in PUBLISHED_RATES.get(t, ())] or ["", ""]
        lines.append(f"| {t} | " + " | ".join(values) + " |")
    if published:
        lines += ["", f"Published: {RATES_SOURCE}."]
    return lines
