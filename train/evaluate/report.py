"""The files that show a study: results.json, results.csv, table.md and the plots, with published values beside ours."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from train import TrainError
from train.common.files import write_json, write_text
from train.evaluate import published
from train.evaluate.metrics import FID, FLOW_BITS
from train.evaluate.plots import draw_plots
from train.evaluate.published import PublishedTable
from train.evaluate.results import BitsFile, StudyFile, read_bits, read_cells, read_study
from train.evaluate.tables import (
    MeasuredValue,
    ScoreTable,
    full_chains,
    in_order,
    published_of,
    published_tables,
    score_tables,
    symbol,
)

Entry = TypeVar("Entry")


def write_report(out: Path) -> None:
    """Write the reports of all results in a study's folder. Raises TrainError if it holds no study."""
    study, cells, bits = read_study(out), read_cells(out), read_bits(out)
    if study is None:
        raise TrainError(f"{out} holds no study.")
    in_order(cells, bits)
    papers = published_tables(study)
    tables = score_tables(cells, bits)
    write_json(
        out / "results.json",
        {**study, "cells": cells, "bits": bits, "published": [table.to_json() for table in papers]},
    )
    write_text(out / "results.csv", to_csv(tables, bits))
    write_text(out / "table.md", to_markdown(study, tables, bits, papers))
    draw_plots(out, tables, cells, full_chains(bits), papers)


def to_csv(tables: list[ScoreTable], bits: BitsFile | None) -> str:
    """Return a CSV with one line for each value, also for those from fewer images. The line of the flow has no
    steps.
    """
    buffer = io.StringIO()
    write = csv.writer(buffer, lineterminator="\n").writerow
    write(["score", "spacing", "method", "steps", "images", "value", "error", "sampling_seconds"])
    for table in tables:
        for each in table.measurements:
            row = [each.method, each.steps, each.images, each.value, each.error, each.seconds]
            write([table.title, table.spacing, *row])
    if bits and (flow := bits.get("flow")):
        write([FLOW_BITS.title, "", "", "", bits["images"], flow["bits_per_dim"], flow["standard_error"], ""])
    return buffer.getvalue()


def to_markdown(
    study: StudyFile, tables: list[ScoreTable], bits: BitsFile | None, papers: tuple[PublishedTable, ...]
) -> str:
    """Return Markdown tables like DDIM's Table 1, each followed by the published tables of its metric (`papers`)."""
    lines = [f"# {study['identity']['checkpoint']}", "", *_about(study, bits)]
    for table in tables:
        most = max(table.image_counts)
        lines += ["", f"## {table.title}, {table.spacing} steps, {most:,} images", ""]
        lines += _by_steps(table.rows, lambda value, most=most: _text(value, most))
        if len(table.image_counts) > 1:
            caution = "; scores of different numbers of images don't compare." if table.metric.biased else "."
            lines += ["", f"(n = …): from fewer images{caution}"]
        if table.metric.error_meaning:
            lines += ["", f"±: {table.metric.error_meaning}."]
        for theirs in published_of(table.metric, papers):
            source = f"Published {theirs.metric.title}: {theirs.source}; {theirs.setting}."
            lines += ["", f"{source}{_caution(table)}", ""]
            lines += _by_steps({f"{name} (published)": row for name, row in theirs.rows.items()}, "{:.2f}".format)
    if bits and (flow := bits.get("flow")):
        error = f" ± {flow['standard_error']:.3f}" if flow["standard_error"] is not None else ""
        lines += ["", f"## {FLOW_BITS.title}, {bits['images']:,} images", ""]
        lines += [f"{flow['bits_per_dim']:.3f}{error}, from {flow['evaluations']:.0f} evaluations for each image."]
        lines += ["", f"±: {FLOW_BITS.error_meaning}."] if error else []
    lines += _rates(bits, with_published=bool(papers))
    return "\n".join(lines) + "\n"


def _caution(table: ScoreTable) -> str:
    """Return a sentence that a reader needs before a comparison with published values, or "" if there is none."""
    if table.metric is not FID:
        return ""
    if table.title != FID.title:
        return " FID is made of Inception features and 50,000 images: compare orders, not values."
    return " From 50,000 images."


def _about(study: StudyFile, bits: BitsFile | None) -> list[str]:
    """Return lines that say what was measured, with which data, on which machine, and how long it took."""
    identity, runs = study["identity"], study["runs"]
    weights = f"Weights: {identity['weights']}, SHA-256 {identity['weights_sha256'][:16]}"
    revision = f", revision {identity['revision']}" if identity["revision"] else ""
    labels = "every image's class (samples: all in turn)" if identity["labels"] == "classes" else "none"
    lines = [f"- {weights}{revision}. Labels: {labels}."]
    if identity["labels"] == "classes" and study["model"]["null_label"] is not None and "gamma_sha256" in identity:
        lines.append("- Γ_t of the analytic variance was estimated without labels.")
    if identity.get("reference"):
        lines.append(f"- Reference: {identity['references']:,} images of {identity['reference']}.")
    if bits:
        clipped = "clipped" if bits["clip"] else "not clipped"
        lines.append(f"- Bits/dim: {bits['images']:,} images of {bits['data']}; x̂_0 {clipped}, the paper's decoder.")
    used = {(run["machine"]["gpu"] or run["machine"]["processor"], run["processes"]) for run in runs}
    machines = "; ".join(f"{name}, {n} process{'es' if n > 1 else ''}" for name, n in sorted(used))
    minutes = sum(run["seconds"] for run in runs) / 60
    count = f" in {len(runs)} runs" if len(runs) > 1 else ""
    return [*lines, f"- Engine: {identity['engine']}, on {machines}. Wall time: {minutes:,.1f} minutes{count}."]


def _by_steps(rows: Mapping[str, Mapping[int, Entry]], text: Callable[[Entry], str]) -> list[str]:
    """Return the lines of a table with one row for each method and one column for each number of steps."""
    steps = sorted({n for values in rows.values() for n in values})
    lines = ["| steps | " + " | ".join(map(str, steps)) + " |", "| --- |" + " ---: |" * len(steps)]
    for name, values in rows.items():
        lines.append(f"| {name} | " + " | ".join(text(values[n]) if n in values else "" for n in steps) + " |")
    return lines


def _text(measurement: MeasuredValue, most: int) -> str:
    """Return a value with its error. The number of images is added if it is less than `most`."""
    digits = 3 if abs(measurement.value) < 10 else 2
    error = f" ± {measurement.error:.{digits}f}" if measurement.error is not None else ""
    fewer = f" (n = {measurement.images:,})" if measurement.images < most else ""
    return f"{measurement.value:.{digits}f}{error}{fewer}"


def _rates(bits: BitsFile | None, with_published: bool) -> list[str]:
    """Return the lines of a table like the paper's Table 4: rate and distortion of the full chains."""
    full = full_chains(bits)
    if not bits or not full:
        return []
    rates, distortions = [row["rate"] or [] for row in full], full[0]["rmse"] or []
    T = len(rates[0])
    times = sorted({min(T, 1 + round(T * share / 10)) for share in range(10)})
    head = [f"rate, {symbol(row['variance'])}" for row in full] + ["RMSE"]
    if with_published:
        head += ["rate (published)", "RMSE (published)"]
    lines = ["", f"## Rate (bits/dim) and distortion (of 255) by t, {bits['images']:,} images of {bits['data']}", ""]
    lines += ["| t | " + " | ".join(head) + " |", "| ---: |" + " ---: |" * len(head)]
    for t in times:
        values = [f"{rate[t - 1]:.5f}" for rate in rates] + [f"{distortions[t - 1]:.2f}"]
        if with_published:
            values += [f"{value:.5g}" for value in published.RATE_DISTORTION.get(t, ())] or ["", ""]
        lines.append(f"| {t} | " + " | ".join(values) + " |")
    if with_published:
        lines += ["", f"Published: {published.RATE_DISTORTION_SOURCE}."]
    return lines
