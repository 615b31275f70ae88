"""Compare picture quality with time: `python -m benchmarks frontier REF ... --data DATA --out FOLDER`.

This measures all combinations of sampler, spacing and number of steps for each checkpoint (for example a teacher and
its students). It also measures diffusers with its defaults, in float32: DDIM with 50 steps, DPM-Solver++ with 20, and
DDPM with 1000. Each combination gets a score against real pictures, and the milliseconds per picture. The timings
alternate, so that other work on the machine affects all alike. With the same --out, the measurement continues where it
ended. For digits:

    python -m benchmarks frontier mnist-tiny --data mnist --extractor benchmarks.digits:features --out frontier
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from benchmarks._measure import Row, describe, markdown, quartiles, spread
from benchmarks.frontier.contenders import DIFFUSERS, Contender, Entry, processes
from ddpm_core.commands.reading import Parser
from ddpm_core.disk import files
from ddpm_core.errors import UserError
from ddpm_core.names import SAMPLERS, SPACINGS
from train import TrainError
from train.data.sample import ImageSample
from train.evaluate.features import INCEPTION, open_extractor, reference, score

Score = Callable[[np.ndarray], float]  # function of images, uint8 (N, H, W, C); a lower score is better
Contenders = Mapping[tuple[str, str], Contender]  # the contender for each (library, checkpoint)

BATCH = 50  # number of images that are sampled at once for a score


def plan(
    checkpoints: Sequence[str],
    samplers: Sequence[str],
    spacings: Sequence[str],
    steps: Sequence[int],
    peer: Sequence[str] = tuple(DIFFUSERS),
) -> list[Entry]:
    """Return all cells (combinations to measure): ours, those with the fewest steps first, then those of diffusers,
    which samples only from the first checkpoint.
    """
    cells = [
        Entry("ours", checkpoint, sampler, n, "" if spacing == "own" else spacing)
        for checkpoint in checkpoints
        for sampler in samplers
        for spacing in spacings
        for n in steps
    ]
    return sorted(cells, key=lambda cell: cell.steps) + [
        Entry("diffusers", checkpoints[0], sampler, DIFFUSERS[sampler]) for sampler in peer
    ]


class Frontier:
    """The results of a measurement in a folder: frontier.json, and the images of the cell that is being sampled.

    what: settings that all results of a folder share. Raises TrainError if the folder has results of other settings.
    """

    def __init__(self, out: Path, what: dict[str, Any]):
        self._out, self._file = out, out / "frontier.json"
        found = json.loads(self._file.read_text()) if self._file.is_file() else {"what": what}
        if found["what"] != json.loads(json.dumps(what)):
            raise TrainError(f"{self._file} has results of other images, scores or machines: give another --out.")
        self._data: dict[str, Any] = {"scores": {}, "rounds": [], **found}
        out.mkdir(parents=True, exist_ok=True)

    def score(self, cells: Sequence[Entry], contenders: Contenders, score: Score, n: int) -> None:
        """Sample n images of each cell that has no score yet, and score them."""
        todo = [cell for cell in cells if cell.name not in self._data["scores"]]
        with tqdm(total=n * sum(cell.steps for cell in todo), unit="evaluation", unit_scale=True) as bar:
            for cell in todo:
                bar.set_description(cell.name)
                parts = [
                    self._images(cell, contenders[cell.library, cell.checkpoint], first, min(BATCH, n - first), bar)
                    for first in range(0, n, BATCH)
                ]
                self._data["scores"][cell.name] = score(np.concatenate(parts))
                self._save()
                for file in self._out.glob(f"{cell.name}-*.npy"):
                    file.unlink()

    def _images(self, cell: Entry, contender: Contender, first: int, count: int, bar: tqdm) -> np.ndarray:
        """Return a batch of images of a cell: from its file if it exists; else sample it and write the file."""
        file = self._out / f"{cell.name}-{first:06}.npy"
        if not file.is_file():
            with files.replacing(file) as stream:
                np.save(stream, contender.sample(cell, first, count))
        bar.update(count * cell.steps)
        return np.load(file)

    def time(self, cells: Sequence[Entry], contenders: Contenders, images: int, rounds: int) -> None:
        """Time every cell once per round, after a warm-up round. Only rounds that are missing are measured."""
        timed = list(dict.fromkeys(cell.timed for cell in cells))
        done = self._data["rounds"]
        kept = [seconds for seconds in done if {cell.name for cell in timed} <= seconds.keys()]
        missing = rounds - len(kept)
        if missing <= 0:
            return
        self._data["rounds"] = kept
        with tqdm(total=(missing + 1) * len(timed), unit="run") as bar:
            for turn in range(missing + 1):
                seconds = {}
                for cell in timed:
                    bar.set_description(f"timing {cell.name}")
                    seconds[cell.name] = contenders[cell.library, cell.checkpoint].seconds(cell, images) / images
                    bar.update()
                if turn:
                    kept.append(seconds)
                    self._save()

    def rows(self, cells: Sequence[Entry]) -> list[dict[str, Any]]:
        """Return the results as one dict for each cell.

        The keys are "cell"; "score"; "ms", the milliseconds per picture; "best", whether all cells with a better score
        are slower; and "quicker", the speed relative to diffusers' DDIM, if at least two rounds timed it.
        """
        rounds = self._data["rounds"]
        peer = next((cell.name for cell in cells if (cell.library, cell.sampler) == ("diffusers", "ddim")), None)
        rows = []
        for cell in cells:
            times = [1000 * seconds[cell.timed.name] for seconds in rounds]
            row = {"cell": cell, "score": self._data["scores"][cell.name], "ms": statistics.median(times)}
            if peer and len(rounds) > 1:
                row["quicker"] = spread([seconds[peer] / seconds[cell.timed.name] for seconds in rounds])
            rows.append(row)
        for row in rows:
            row["best"] = not any(
                other["ms"] <= row["ms"] and other["score"] < row["score"] for other in rows if other is not row
            )
        return rows

    def _save(self) -> None:
        """Write frontier.json."""
        files.write_json(self._file, self._data)


def table(rows: Sequence[dict[str, Any]], title: str) -> str:
    """Return the results as a Markdown table, the fastest first. A score is bold if all cells with better scores are
    slower.
    """
    found: list[Row] = []
    for row in sorted(rows, key=lambda row: row["ms"]):
        cell, ratio = row["cell"], row.get("quicker")
        value = f"**{row['score']:.2f}**" if row["best"] else f"{row['score']:.2f}"
        who = cell.checkpoint if cell.library == "ours" else f"diffusers, {cell.checkpoint}"
        found.append(
            {
                "": who,
                "sampler": cell.sampler,
                "steps": cell.steps,
                "spacing": cell.spacing or "its own",
                "ms a picture": f"{row['ms']:.1f}",
                "× quicker than diffusers' DDIM": quartiles(ratio) if ratio else "",
                title: value,
            }
        )
    return "\n".join(markdown(found)) + "\n"


def draw(path: Path, rows: Sequence[dict[str, Any]], title: str) -> None:
    """Plot the scores against the milliseconds, with a curve for each checkpoint, sampler and spacing."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        cell = row["cell"]
        groups.setdefault((cell.library, cell.checkpoint, cell.sampler, cell.spacing), []).append(row)
    for (library, *names), group in groups.items():
        group.sort(key=lambda row: row["ms"])
        style = {"marker": "o", "markersize": 4} if library == "ours" else {"marker": "*", "markersize": 12, "ls": ""}
        label = " ".join(filter(None, [*(["diffusers"] if library == "diffusers" else []), *names]))
        axes.plot([row["ms"] for row in group], [row["score"] for row in group], label=label, **style)
        for row in group:
            place = (row["ms"], row["score"])
            axes.annotate(row["cell"].steps, place, xytext=(3, 3), textcoords="offset points", fontsize=7)
    axes.set(xscale="log", yscale="log", xlabel="milliseconds a picture", ylabel=f"{title}, lower is better")
    axes.legend(fontsize=8)
    with files.replacing(path) as stream:
        figure.savefig(stream, format="png", dpi=120)
    plt.close(figure)


def run(options: argparse.Namespace) -> None:
    """Time and score the cells, and write the table and the plot."""
    cells = plan(options.checkpoint, options.sampler, options.spacing, options.steps, options.diffusers)
    with processes(cells) as contenders:
        about = [contender.about() for contender in contenders.values()]
        if any(other != about[0] for other in about):
            raise TrainError("The checkpoints make images of different sizes: give those of one data set.")
        for cell in list(cells):
            if refusal := contenders[cell.library, cell.checkpoint].refusal(cell):
                print(f"left out: {cell.name}: {refusal}")
                cells.remove(cell)
        extractor = open_extractor(options.extractor, [options.metric], torch.device("cpu"))
        size, channels = about[0]["picture_size"], about[0]["picture_channels"]
        sample = ImageSample(options.data, options.split, size, options.references, channels)

        @cache
        def real() -> Any:
            """Return the reference of the real pictures. This is slow, and needed only for cells without a score."""
            return reference(extractor, sample)

        here = describe(torch.device("cpu"))
        machine = {name: here[name] for name in ("processor", "cores", "threads", "instructions")}
        kept = ("metric", "samples", "extractor", "split", "references", "images")
        what = {name: getattr(options, name) for name in kept} | {"data": sample.description, "machine": machine}
        frontier = Frontier(options.out, what)
        frontier.time(cells, contenders, options.images, options.rounds)
        frontier.score(
            cells,
            contenders,
            lambda images: score(options.metric, extractor(images), real())["value"],
            options.samples,
        )
    rows, title = frontier.rows(cells), extractor.title(options.metric)
    files.write_text(options.out / "frontier.md", table(rows, title))
    draw(options.out / "frontier.png", rows, title)
    shown = [row for row in rows if row["best"] or row["cell"].library == "diffusers"]
    print(f"{json.dumps(here, indent=1)}\n{table(shown, title)}All rows: {options.out / 'frontier.md'}, frontier.png")


def main(arguments: list[str]) -> None:
    """Parse the command line and run."""
    parser = Parser(
        prog="python -m benchmarks frontier", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", nargs="+", help="embedded names, folders or Hub ids; diffusers runs the first")
    parser.add_argument("--data", required=True, help="what they were trained on, as for `train evaluate`")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--sampler", nargs="+", choices=SAMPLERS, default=["ddim", "dpm++", "unipc"])
    parser.add_argument(
        "--spacing",
        nargs="+",
        choices=[*SPACINGS, "own"],
        default=["linspace", "quadratic"],
        help="own: a student's times",
    )
    parser.add_argument("--steps", nargs="+", type=int, default=[4, 5, 6, 8, 10, 15, 20, 50])
    parser.add_argument("--diffusers", nargs="*", choices=DIFFUSERS, default=[*DIFFUSERS], help="what is run with it")
    parser.add_argument("--extractor", default=INCEPTION, help="of features, as for `train evaluate`")
    parser.add_argument("--metric", choices=["fid", "kid"], default="fid", help="a distance of the features")
    parser.add_argument("--samples", type=int, default=2000, help="images in each score")
    parser.add_argument("--references", type=int, default=10_000, help="at most so many real images")
    parser.add_argument("--split", default="train", help="of the data")
    parser.add_argument("--images", type=int, default=1, help="images in a run that is timed")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contender")
    options = parser.parse_args(arguments)
    for name in ("samples", "references", "images", "rounds"):
        if getattr(options, name) < (2 if name in ("samples", "references") else 1):
            parser.error(f"--{name} is too small")
    try:
        run(options)
    except (UserError, ValueError, RuntimeError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("stopped: the same command goes on")
