"""Everything that needs a real GPU, in one command of at most ten minutes, for the first day on one.

    python -m benchmarks first_gpu --out first_gpu.md

Writes a page with a table for each question: do pictures and ε agree with the CPU's, is a picture the same in any
batch, does anything wait, how fast are sampling and training in which precision and engine, does a run go from the GPU
to the CPU and back, does `evaluate` work in two processes, how large a batch fits at 256×256. A part that fails leaves
its error in the page, and one that would begin after --minutes is left out. --quick asks the same of tiny networks: CI
runs that on a pretend device (tests/pretend.py), so that the day is not lost to a slip in here.
"""

from __future__ import annotations

import argparse
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
from ddpm_core.engines.choose import choose_device, wrap
from ddpm_core.names import Engine, Precision
from ddpm_core.network import unet
from train import TrainError
from train.__main__ import main as train
from train.fit.config import PRESETS, Config
from train.memory import enough_memory

Rows = Iterator[dict[str, Any]]
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "bf16")


@dataclass(frozen=True)
class Day:
    """Where and how much is measured. folder: for runs and studies; they are thrown away."""

    device: torch.device
    folder: Path
    quick: bool

    def model(self, precision: Precision = "auto", engine: Engine = "torch", device: str = "auto") -> ddpm_core.Model:
        """The embedded model of CIFAR-10, or for --quick of digits."""
        name = "mnist-tiny" if self.quick else "cifar10-tiny"
        return ddpm_core.load(name, device=device, precision=precision, engine=engine)

    def config(self, **changes: Any) -> Config:
        """A run on random pictures: the paper's network for CIFAR-10, or a tiny one."""
        data = self.folder / "pictures"
        if not data.exists():
            data.mkdir()
            pictures(data, 256)
        small = {"widths": (8, 16), "attention": (16,), "norm_groups": 4, "blocks": 1, "batch": 4} if self.quick else {}
        run = {"data": str(data), "out": str(self.folder / "run"), "steps": 10**6, "sample_every": 0}
        return replace(PRESETS["cifar10"], **{**run, **small, **changes})


def versions(day: Day) -> Rows:
    """What was measured on."""
    about = describe(day.device)
    if day.device.type == "cuda":
        about["CUDA"], about["compute capability"] = torch.version.cuda, torch.cuda.get_device_capability(day.device)
        about["memory, GB"] = round(torch.cuda.mem_get_info(day.device)[1] / 1e9, 1)
    yield about


def agreement(day: Day) -> Rows:
    """The error of ε beside the CPU's in float32, as a share of ‖ε‖, and the pixels of four pictures that differ."""
    cpu = day.model("fp32", device="cpu")
    x = torch.randn(4, cpu.channels, cpu.image_size, cpu.image_size, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(4)
    images = ddpm_core.sample(cpu, range(4), 1 if day.quick else 50, sampler="ddim", labels=labels.tolist())
    for name in ("TF32", "bf16") if day.quick else ("fp32", "TF32", *PRECISIONS[1:]):
        precision = "fp32" if name == "TF32" else name
        try:
            model = day.model(precision)
        except ValueError as error:  # a GPU without bf16
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
    """Whether seed 0's picture is the same in batches of other sizes, first and last in them."""
    model = day.model()
    steps = 1 if day.quick else 3
    alone = ddpm_core.sample(model, [0], steps, labels=0)[0]
    for n in (3,) if day.quick else (2, 9, 40, 100, 300):
        others = [*range(1, n)]
        first, last = (ddpm_core.sample(model, seeds, steps, labels=0) for seeds in ([0, *others], [*others, 0]))
        same = (np.array_equal(first[0], alone), np.array_equal(last[-1], alone))
        yield {"batch": n, "the same, first": same[0], "the same, last": same[1]}


def two_compiled(day: Day) -> Rows:
    """Two compiled models in one process, beside the same eager one."""
    eager = ddpm_core.sample(day.model("fp32"), [0], 3, labels=0).astype(int)
    for number in (1,) if day.quick else (1, 2):
        started = time.perf_counter()
        model = day.model("fp32", "compile")
        seconds = time.perf_counter() - started
        away = np.abs(ddpm_core.sample(model, [0], 3, labels=0) - eager).max()
        yield {
            "model": number,
            "engine": getattr(model.network, "description", ""),
            "seconds to compile": round(seconds, 1),
            "most levels away": int(away),
        }


def waits(day: Day) -> Rows:
    """What CUDA itself says of operations that make the CPU wait: none is expected."""
    run = ddpm_core.trajectory(day.model(), range(1 if day.quick else 4), 3 if day.quick else 6, labels=0)
    step = ours(day.config())
    for name, start, rest in (("sampling", lambda: next(run), lambda: list(run)), ("training", step, step)):
        start()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                rest()
            finally:
                torch.cuda.set_sync_debug_mode("default")
        where = {f"{Path(one.filename).name}:{one.lineno}" for one in said if "synchroniz" in str(one.message)}
        yield {"what": name, "waits": len(where), "where": ", ".join(sorted(where))}


def sampling(day: Day) -> Rows:
    """Milliseconds a DDIM step, by engine and batch."""
    engines: tuple[Engine, ...] = ("graph", "torch", "compile")
    for engine in engines[:1] if day.quick else engines:
        model = day.model("auto", engine)
        row: dict[str, Any] = {"engine": getattr(model.network, "description", engine)}
        for n in (1,) if day.quick else (1, 16, 100, 256):
            steps = 2 if day.quick else 30
            run = ddpm_core.trajectory(model, range(n), steps, sampler="ddim", labels=0)
            next(run)  # compiles, or chooses kernels
            synchronize(day.device)
            started = time.perf_counter()
            for _ in run:
                pass
            synchronize(day.device)
            row[f"batch {n}"] = f"{1000 * (time.perf_counter() - started) / (steps - 1):.2f}"
        yield row


def training(day: Day) -> Rows:
    """Images per second, and the share of the time in which the GPU computes."""
    for changes in ({},) if day.quick else ({"precision": "fp32"}, {}, {"compile": True}):
        AcceleratorState._reset_state(reset_partial_state=True)
        config = day.config(**changes)
        step = ours(config)
        for _ in range(1 if day.quick else 5):
            step()
        synchronize(day.device)
        with torch.profiler.profile(activities=list(torch.profiler.supported_activities())) as profile:
            started, n = time.perf_counter(), 1 if day.quick else 20
            for _ in range(n):
                step()
            synchronize(day.device)
            seconds = time.perf_counter() - started
        kernels = [event for event in profile.events() or () if event.device_type == torch.profiler.DeviceType.CUDA]
        busy = sum(event.time_range.elapsed_us() for event in kernels) / 1e6 / seconds
        name = ", ".join(f"--{key} {value}" for key, value in changes.items()) or "auto"
        yield {"flags": name, "images/s": f"{n * config.batch / seconds:.1f}", "busy": f"{100 * busy:.0f} %"}


def there_and_back(day: Day) -> Rows:
    """A run in fp16 on the GPU that goes on on the CPU, and on the GPU again."""
    out = str(day.folder / "resumed")
    data = day.config().data
    shape = ["--widths", "8", "16", "--attention", "16", "--norm-groups", "4", "--blocks", "1", "--sample-every", "0"]
    start = ["fit", "--data", data, "--out", out, "--precision", "fp16", "--steps", "2", "--batch", "4", *shape]
    again = ["fit", "--resume", "--out", out]
    runs = [
        ("GPU, fp16", start),
        ("CPU, fp32", [*again, "--steps", "3", "--device", "cpu", "--precision", "fp32"]),
        ("GPU, fp16", [*again, "--steps", "4", "--device", "auto", "--precision", "fp16"]),
    ]
    for name, words in runs[:2] if day.quick else runs:
        AcceleratorState._reset_state(reset_partial_state=True)  # a process has one precision, unless it forgets it
        yield {"where": name, "exit status": train(words)}


def evaluating(day: Day) -> Rows:
    """`evaluate` in one process and, but for --quick, in two on this GPU: the same scores?"""
    rng = np.random.default_rng(0)
    size, channels = (28, 1) if day.quick else (32, 3)
    np.savez(day.folder / "data.npz", images=rng.integers(0, 256, (64, size, size, channels), dtype=np.uint8))
    model = "mnist-tiny" if day.quick else "cifar10-tiny"
    samples, batch = ("4", "2") if day.quick else ("400", "100")
    words = ["evaluate", model, "--metrics", "fid", "--steps", "2", "--sampler", "ddim", "--samples", samples]
    words += ["--batch", batch, "--data", str(day.folder / "data.npz"), "--extractor", f"{__name__}:colours"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "train"]
    for n in (1,) if day.quick else (1, 2):
        out = day.folder / f"study-{n}"
        asked = [*words, "--out", str(out)]
        if n > 1:  # both on the first GPU
            asked += ["--device", str(day.device)]
        status = train(asked) if n == 1 else subprocess.run([*launcher, *asked], timeout=120).returncode
        table = out / "table.md"
        score = table.read_text().splitlines()[-1] if table.exists() else ""
        yield {"processes": n, "exit status": status, "last line of its table": score.replace("|", "/")}


def colours(images: np.ndarray) -> np.ndarray:
    """Features that need no weights: mean and spread of each channel."""
    pixels = images.reshape(len(images), -1, images.shape[-1]) / 255
    return np.concatenate([pixels.mean(1), pixels.std(1)], 1).astype(np.float32)


def largest_batch(day: Day) -> Rows:
    """The largest batch of 256×256 that the paper's network samples in fp16, of 1, 2, 4, ..."""
    size = {"sample_size": 16, "block_out_channels": (32, 32)} if day.quick else {}
    kinds = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2} if day.quick else {}
    network = wrap(unet("256", **size, **kinds), str(day.device), "fp16", "torch")
    n, side = 1, 16 if day.quick else 256
    try:
        while n < (4 if day.quick else 1024):
            x = torch.zeros(2 * n, 3, side, side, device=day.device)
            with enough_memory("a smaller batch"), torch.no_grad():
                network.unet(x, x[:, 0, 0, 0])
                synchronize(day.device)
            n *= 2
    except TrainError:  # that there is not enough
        torch.cuda.empty_cache()
    yield {"side": side, "batch": n}


PARTS: tuple[Callable[[Day], Rows], ...] = (
    *(versions, agreement, independence, waits, sampling, training, there_and_back, evaluating, largest_batch),
    two_compiled,  # last: compiling takes minutes
)


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Rows as a Markdown table with a column for each key."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return lines + [f"| {' | '.join(str(row.get(column, '')) for column in columns)} |" for row in rows]


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks first_gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=Path("first_gpu.md"), help="the page")
    parser.add_argument("--minutes", type=float, default=10, help="no part begins later than this")
    parser.add_argument("--quick", action="store_true", help="tiny networks, to try the script itself")
    options = parser.parse_args(arguments)
    device = choose_device("auto")
    if device.type == "cpu":
        sys.exit("This machine has no GPU that torch can use, and here all is about one.")
    began, page = time.monotonic(), ["# First day on a GPU", ""]
    with tempfile.TemporaryDirectory() as folder:
        day = Day(device, Path(folder), options.quick)
        for part in PARTS:
            page += [f"## {part.__name__.replace('_', ' ').capitalize()}", "", part.__doc__ or "", ""]
            rows: list[dict[str, Any]] = []
            if time.monotonic() - began > 60 * options.minutes:
                page += ["Left out: the time was over.", ""]
                continue
            try:
                for row in part(day):
                    rows.append(row)
            except Exception as error:  # the other parts are wanted all the same
                rows.append({"failed": f"{type(error).__name__}: {error}".splitlines()[0]})
            page += [*table(rows), "", f"{time.monotonic() - began:.0f} s after the start.", ""]
            options.out.write_text("\n".join(page), encoding="utf-8")  # what there is, whatever comes
            print("\n".join(page[-len(rows) - 8 :]), flush=True)
