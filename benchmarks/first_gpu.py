"""Check everything that needs a real GPU, in a few minutes: `python -m benchmarks first_gpu`.

The result is a page with a table for each question. Do pictures and ε agree with the CPU's? Is a picture the same in
batches of all sizes? Does the CPU ever wait for the GPU? Can a training move from the GPU to the CPU and back? Does
`evaluate` work in two processes? How large can a batch of 256×256 pixels be? The page is written row by row; if a part
fails, the page shows its error. --quick does the same with tiny networks; the tests run --quick on a simulated device
(tests/helpers/pretend.py). `benchmarks sampling` and `benchmarks training` measure the GPU's speed.
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.state import AcceleratorState

import ddpm_core
from benchmarks._measure import describe, synchronize
from benchmarks.training import ours, pictures
from ddpm_core.commands.reading import Parser
from ddpm_core.engines.choose import choose_device, wrap
from ddpm_core.engines.network import unet
from ddpm_core.errors import UserError
from ddpm_core.names import Precision
from train.__main__ import main as train
from train.common.config import PRESETS, Config

Rows = Iterator[dict[str, Any]]
QUICK = "mnist-tiny"  # the model of --quick: grey digits of 28×28 pixels


@dataclass(frozen=True)
class Day:
    """The settings of all parts: device, folder, and whether tiny networks are used (`quick`)."""

    device: torch.device
    folder: Path  # a temporary folder for trainings and evaluations
    quick: bool

    def model(self, precision: Precision = "auto", device: str = "auto") -> ddpm_core.Model:
        """Load the model called `name`."""
        return ddpm_core.load(self.name, device=device, precision=precision, engine="torch")

    @property
    def name(self) -> str:
        """Return the name of the embedded model that is checked: one of CIFAR-10, or QUICK with --quick."""
        return QUICK if self.quick else "cifar10-tiny"

    def config(self, **changes: Any) -> Config:
        """Return the configuration of a training on random pictures: with the paper's network for CIFAR-10, or with a
        tiny network for --quick.
        """
        data = self.folder / "pictures"
        if not data.exists():
            data.mkdir()
            pictures(data, 8 if self.quick else 256)
        small = {"image_size": 8, "widths": (8,), "attention": (), "norm_groups": 4, "blocks": 1, "batch": 2}
        small = small if self.quick else {}
        run = {"data": str(data), "out": str(self.folder / "run"), "steps": 10**6, "sample_every": 0}
        return replace(PRESETS["cifar10"], **{**run, **small, **changes})


def versions(day: Day) -> Rows:
    """Describe the machine."""
    about = describe(day.device)
    if day.device.type == "cuda":
        about["CUDA"], about["compute capability"] = torch.version.cuda, torch.cuda.get_device_capability(day.device)
        about["memory, GB"] = round(torch.cuda.mem_get_info(day.device)[1] / 1e9, 1)
    yield about


def agreement(day: Day) -> Rows:
    """Compare the GPU with the CPU in float32: the error of ε as a share of ‖ε‖, and the share of pixels that differ in
    four pictures.
    """
    cpu = day.model("fp32", device="cpu")
    x = torch.randn(4, cpu.channels, cpu.image_size, cpu.image_size, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(4)
    images = ddpm_core.sample(cpu, range(4), 1 if day.quick else 50, sampler="ddim", labels=labels.tolist())
    precisions: dict[str, Precision] = {"fp32": "fp32", "TF32": "fp32", "fp16": "fp16", "bf16": "bf16"}
    for name in ("TF32", "bf16") if day.quick else precisions:
        precision = precisions[name]
        try:
            model = day.model(precision)
        except ValueError as error:  # for example because this GPU has no bf16
            yield {"precision": name, "note": str(error)}
            continue
        torch.backends.cudnn.allow_tf32 = name == "TF32"
        row: dict[str, Any] = {"precision": name}
        for t in (1, 10, 100):
            index = torch.full((4,), t - 1)
            expected = cpu.network(x, index, labels)
            error = model.network(x, index, labels) - expected
            row[f"t = {t}"] = f"{100 * float(error.norm() / expected.norm()):.3f} %"
        got = ddpm_core.sample(model, range(4), 1 if day.quick else 50, sampler="ddim", labels=labels.tolist())
        away = np.abs(got.astype(int) - images)
        yield {**row, "pixels that differ": f"{100 * (away > 0).mean():.2f} %", "most levels": int(away.max())}
    torch.backends.cudnn.allow_tf32 = False


def independence(day: Day) -> Rows:
    """Check that the picture of seed 0 is the same in batches of all sizes, as their first and their last picture."""
    model = day.model()
    steps = 1 if day.quick else 3
    alone = ddpm_core.sample(model, [0], steps, labels=0)[0]
    for n in (3,) if day.quick else (2, 9, 40, 100, 300):
        others = [*range(1, n)]
        first, last = (ddpm_core.sample(model, seeds, steps, labels=0) for seeds in ([0, *others], [*others, 0]))
        same = (np.array_equal(first[0], alone), np.array_equal(last[-1], alone))
        yield {"batch": n, "the same, first": same[0], "the same, last": same[1]}


def waits(day: Day) -> Rows:
    """List the operations for which CUDA warns that the CPU waits. None is expected."""
    if day.device.type != "cuda":
        return
    run = ddpm_core.trajectory(day.model(), range(1 if day.quick else 4), 3 if day.quick else 6, labels=0)
    step = ours(day.config())
    for name, start, rest in (("sampling", lambda: next(run), lambda: list(run)), ("training", step, step)):
        start()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                rest()
            finally:
                torch.cuda.set_sync_debug_mode("default")
        waiting = [warning for warning in caught if "called a synchronizing" in str(warning.message)]
        where = {f"{Path(warning.filename).name}:{warning.lineno}" for warning in waiting}
        yield {"what": name, "places that wait": len(where), "where": ", ".join(sorted(where))}


def there_and_back(day: Day) -> Rows:
    """Begin a training in fp16 on the GPU, continue it on the CPU, and then on the GPU again."""
    out = str(day.folder / "resumed")
    shape = ["--image-size", "8", "--widths", "8", "16", "--attention", "4", "--norm-groups", "4", "--blocks", "1"]
    short = ["--precision", "fp16", "--steps", "2", "--batch", "4", "--sample-every", "0"]
    start = ["fit", "--data", day.config().data, "--out", out, *short, *shape]
    again = ["fit", "--resume", "--out", out]
    runs = [
        ("GPU, fp16", start),
        ("CPU, fp32", [*again, "--steps", "3", "--device", "cpu", "--precision", "fp32"]),
        ("GPU, fp16", [*again, "--steps", "4", "--device", "auto", "--precision", "fp16"]),
    ]
    for name, words in runs[:2] if day.quick else runs:
        # accelerate allows one precision per process, so its state is reset
        AcceleratorState._reset_state(reset_partial_state=True)
        yield {"where": name, "exit status": train(words)}


def evaluating(day: Day) -> Rows:
    """Run `evaluate` in one process and in two on this GPU, to compare the scores; with --quick only in one."""
    rng = np.random.default_rng(0)
    size, channels = (28, 1) if day.quick else (32, 3)
    np.savez(day.folder / "data.npz", images=rng.integers(0, 256, (64, size, size, channels), dtype=np.uint8))
    samples, batch = ("4", "2") if day.quick else ("400", "100")
    words = ["evaluate", day.name, "--metrics", "fid", "--steps", "2", "--sampler", "ddim", "--samples", samples]
    words += ["--batch", batch, "--data", str(day.folder / "data.npz"), "--extractor", f"{__name__}:colours"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "train"]
    for n in (1,) if day.quick else (1, 2):
        out = day.folder / f"study-{n}"
        asked = [*words, "--out", str(out)]
        if n > 1:  # both processes use the first GPU
            asked += ["--device", str(day.device)]
        status = train(asked) if n == 1 else subprocess.run([*launcher, *asked], timeout=120).returncode
        table = out / "table.md"
        score = table.read_text().splitlines()[-1] if table.exists() else ""
        yield {"processes": n, "exit status": status, "last line of its table": score.replace("|", "/")}


def colours(images: np.ndarray) -> np.ndarray:
    """Return features that need no weights: mean and standard deviation of each channel."""
    pixels = images.reshape(len(images), -1, images.shape[-1]) / 255
    return np.concatenate([pixels.mean(1), pixels.std(1)], 1).astype(np.float32)


def largest_batch(day: Day) -> Rows:
    """Find the largest batches with which the paper's network for 256×256 pixels can sample in fp16, and can train.
    Only powers of two are tried.
    """
    size = {"sample_size": 16, "block_out_channels": (32, 32)} if day.quick else {}
    kinds = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2} if day.quick else {}
    network, side = wrap(unet("256", **size, **kinds), str(day.device), "fp16", "torch").unet, 16 if day.quick else 256
    preset = PRESETS["lsun-bedroom-256"]
    shape = {} if day.quick else {"image_size": side, "widths": preset.widths, "attention": preset.attention}

    def evaluate(n: int) -> None:
        """Evaluate the network for n images."""
        with torch.no_grad():
            network(torch.zeros(n, 3, side, side, device=day.device), torch.zeros(n, device=day.device))

    def learn(n: int) -> None:
        """Take a training step with n images."""
        AcceleratorState._reset_state(reset_partial_state=True)
        ours(day.config(batch=n, **shape))()

    tried: list[tuple[str, Callable[[int], None]]] = [("sampling", evaluate), ("training", learn)]
    for what, attempt in tried:
        yield {"what": what, "side": side, **_most(day, attempt)}


def _most(day: Day, attempt: Callable[[int], None]) -> dict[str, Any]:
    """Return the largest batch for which `attempt` succeeds, and the error of twice that batch."""
    n, limit = 0, 2 if day.quick else 1024
    while 2 * n <= limit:
        try:
            attempt(max(1, 2 * n))
            synchronize(day.device)
        except RuntimeError as error:  # not enough memory, or more numbers than a kernel can index
            return {"batch": n, "a larger one": str(error).splitlines()[0].partition(". ")[0]}
        finally:
            gc.collect()
            torch.cuda.empty_cache()
        n = max(1, 2 * n)
    return {"batch": n}


PARTS: tuple[Callable[[Day], Rows], ...] = (
    *(versions, agreement, independence, waits, there_and_back, evaluating, largest_batch),
)


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the lines of a Markdown table with a column for each key."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return lines + [f"| {' | '.join(str(row.get(column, '')) for column in columns)} |" for row in rows]


def main(arguments: list[str]) -> None:
    """Run all parts and write the page."""
    parser = Parser(
        prog="python -m benchmarks first_gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=Path("first_gpu.md"), help="the page")
    parser.add_argument("--quick", action="store_true", help="tiny networks, to try the script itself")
    options = parser.parse_args(arguments)
    device = choose_device("auto")
    if device.type == "cpu":
        sys.exit("torch finds no GPU on this machine. Run this where it has one.")
    began, page = time.monotonic(), ["# First day on a GPU", ""]
    with tempfile.TemporaryDirectory() as folder:
        day = Day(device, Path(folder), options.quick)
        for part in PARTS:
            title = [f"## {part.__name__.replace('_', ' ').capitalize()}", "", part.__doc__ or "", ""]
            print(*title, sep="\n", flush=True)
            rows: list[dict[str, Any]] = []
            told = [*page, *title]
            for row in _reported(part(day)):
                rows.append(row)
                print(row, flush=True)
                told = [*page, *title, *table(rows), "", f"{time.monotonic() - began:.0f} s after the start.", ""]
                # The page is written after each row, so that it exists even if the process ends early.
                options.out.write_text("\n".join(told), encoding="utf-8")
            page = told


def _reported(rows: Rows) -> Rows:
    """Yield the rows of a part. If it fails, yield a row with its error."""
    try:
        yield from rows
    except (
        UserError,
        ImportError,
        OSError,
        RuntimeError,
        ValueError,
    ) as error:  # the other parts must still run
        yield {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
