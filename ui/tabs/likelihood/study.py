"""A results folder of `train evaluate` for the page: its tables beside the published ones, and its plots."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from ddpm_core import files
from ddpm_core.checkpoint import refs
from ui.runs.frames import data_uri
from ui.runs.settings import AUTO, SAMPLERS

if TYPE_CHECKING:
    from train.evaluate.results import BitsFile, Identity, StoredCell, StudyFile
    from train.evaluate.tables import ScoreTable

MAX_PLOT = 8_000_000  # bytes
PLOTS = 20


def read(folder: str, known: Iterable[str] = ()) -> dict[str, Any]:
    """{title, about, unlinked, tables, plots}; a table has a title, a note, the steps of its columns, and rows of
    cells: each has a text, and the address that opens Denoise with its settings, or why there is none; unlinked is why
    no cell has one. known: references that the app was given. Raises ValueError, with one sentence.
    """
    # here for the start time: see ui/__init__.py
    from train import TrainError
    from train.evaluate.results import read_bits, read_cells, read_study
    from train.evaluate.tables import in_order, published_tables, score_tables

    place = Path(os.path.expanduser(folder.strip()))
    if not folder.strip() or not os.path.isdir(place):  # unlike Path.is_dir, this accepts any text
        raise ValueError(f"There is no folder {folder.strip()!r}: give the --out of python -m train evaluate")
    try:
        found = read_study(place)
        if found is None:
            raise ValueError(f"{place} holds no study: give the --out of python -m train evaluate")
        cells, bits = read_cells(place), read_bits(place)
        in_order(cells, bits)
        beside = published_tables(found)
        try:
            checkpoint, unlinked = reference(found["identity"], known), ""
        except ValueError as reason:
            checkpoint, unlinked = None, str(reason)
        tables = []
        for table in score_tables(cells, bits):
            tables.append(_table(table, checkpoint, cells, bits))
            tables += [_published(theirs.to_json()) for theirs in beside if theirs.metric is table.metric]
    except (TrainError, OSError) as error:
        raise ValueError(str(error)) from None
    if not tables:
        raise ValueError(f"{place} holds no results yet: the python -m train evaluate that began it goes on with it")
    plots = [file for file in sorted(place.glob("*.png"))[:PLOTS] if file.stat().st_size <= MAX_PLOT]
    return {
        "title": found["identity"]["checkpoint"],
        "about": _about(found, bits),
        "unlinked": unlinked,
        "tables": tables,
        "plots": [{"name": file.stem, "uri": data_uri(file.read_bytes(), "png")} for file in plots],
    }


def _about(study: StudyFile, bits: BitsFile | None) -> str:
    identity = study["identity"]
    parts = [f"weights {identity['weights']}", identity["engine"]]
    parts += [f"reference {identity['references']:,} images"] if identity.get("references") else []
    parts += [f"bits/dim of {bits['images']:,} images"] if bits else []
    return " · ".join(parts)


def reference(identity: Identity, known: Iterable[str]) -> str:
    """What opens the very weights that were measured: an embedded name, a Hub id with its revision, or one of the known
    references, as it is given here. Raises ValueError, with one sentence, where nothing does.
    """
    name, measured = identity["checkpoint"], identity["weights_sha256"]
    if identity["revision"]:
        return f"{name}@{identity['revision']}"
    shipped = name in refs.embedded()
    for ref in [*([name] if shipped else []), *known]:
        if _weights_sha256(ref) == measured:
            return ref
    if shipped:
        raise ValueError(f"The cells have no links: {name} has other weights now than those that were measured")
    raise ValueError(
        f"The cells have no links: a study does not say where its checkpoint {name!r} is. Choose its folder as the "
        "model in Denoise, and open the study again"
    )


def _weights_sha256(ref: str) -> str | None:
    """Of an embedded checkpoint or a folder's; None for others, and where there is none."""
    with suppress(refs.CheckpointError, OSError):
        where = refs.parse(ref)
        if where.folder is not None:
            return files.sha256(where.folder / refs.layout(refs.names_in(where.folder), ref).weights)
    return None


def _table(table: ScoreTable, checkpoint: str | None, cells: list[StoredCell], bits: BitsFile | None) -> dict[str, Any]:
    """A measured table. A value from fewer images than the most says from how many it is."""
    most = max(table.image_counts)
    settings = _settings(cells, bits)

    def cell(name: str, steps: int) -> dict[str, Any] | None:
        value = table.rows[name].get(steps)
        if value is None:
            return None
        digits = 3 if abs(value.value) < 10 else 2
        error = "" if value.error is None else f" ± {value.error:.{digits}f}"
        fewer = f" (n = {value.images:,})" if value.images < most else ""
        shown = {"text": f"{value.value:.{digits}f}{error}{fewer}"}
        if checkpoint is None:
            return shown
        spacing = AUTO if table.spacing == "own" else table.spacing
        return shown | link(settings.get(name, {}) | {"checkpoint": checkpoint, "steps": steps, "spacing": spacing})

    steps = sorted({n for row in table.rows.values() for n in row})
    rows = [{"name": name, "cells": [cell(name, n) for n in steps]} for name in table.rows]
    note = f"±: {table.metric.error_meaning}." if table.metric.error_meaning else ""
    title = f"{table.title}, {table.spacing} steps, {most:,} images"
    return {"title": title, "note": note, "steps": steps, "rows": rows, "published": False}


def _published(table: dict[str, Any]) -> dict[str, Any]:
    steps = sorted({n for row in table["rows"].values() for n in row})
    rows = [
        {"name": name, "cells": [{"text": f"{row[n]:.2f}"} if n in row else None for n in steps]}
        for name, row in table["rows"].items()
    ]
    note = f"{table['source']}; {table['setting']}."
    return {"title": f"Published {table['title']}", "note": note, "steps": steps, "rows": rows, "published": True}


def _settings(cells: list[StoredCell], bits: BitsFile | None) -> dict[str, dict[str, Any]]:
    """The sampler, variance and η of each method."""
    from train.evaluate.tables import method

    found = {}
    for row in [*cells, *(bits["chains"] if bits else ())]:
        chain = {"sampler": row.get("sampler", "ddpm"), "variance": row["variance"], "eta": row.get("eta")}
        found[method(row)] = {name: value for name, value in chain.items() if value is not None}
    return found


def link(chain: Mapping[str, Any]) -> dict[str, str]:
    """{link}, the address that opens Denoise with these settings, or {why} there is none."""
    if (sampler := chain.get("sampler")) not in SAMPLERS:
        return {"why": f"Denoise has no sampler {sampler}"}
    return {"link": "?" + urlencode({"tab": "denoise", **chain})}
