"""Everything that needs a real GPU, in one command of at most ten minutes, for the first day on one.

    python -m benchmarks first_gpu --out first_gpu.md

Writes a page with a table for each question: do pictures and ε agree with the CPU's, is a picture the same in any
batch, does anything wait, how fast are sampling and training in which precision and engine, does a run go from the GPU
to the CPU and back, does `evaluate` work in two processes, how large a batch fits at 256×256. A part that fails leaves
its error in the page, and what would begin after --minutes is left out; the page is written row by row, and what
compiles for minutes comes last. --quick asks the same of tiny networks: CI runs that on a pretend device
(tests/helpers/pretend.py), so that the day is not lost to a slip in here.
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
from benchmarks.training import ours, pictures, seconds
from ddpm_core.commands.reading import Parser
from ddpm_core.engines.choose import choose_device, wrap
from ddpm_core.engines.network import unet
from ddpm_core.names import Engine, Precision
from train.__main__ import main as train
from train.common.config import PRESETS, Config

Rows = Iterator[dict[str, Any]]
BATCHES = (1, 16, 100, 256)
QUICK = "mnist-tiny"  # the model of --quick: grey, of 28×28 pixels


@dataclass(frozen=True)
class Day:
    """Where and how much is measured. folder: for runs and studies; they are thrown away."""

    device: torch.device
    folder: Path
    quick: bool

    def model(self, precision: Precision = "auto", engine: Engine = "torch", device: str = "auto") -> ddpm_core.Model:
        """The embedded model of CIFAR-10, or that of --quick."""
        return ddpm_core.load(self.name, device=device, precision=precision, engine=engine)

    @property
    def name(self) -> str:
        """Of that model."""
        return QUICK if self.quick else "cifar10-tiny"

    def config(self, **changes: Any) -> Config:
        """A run on random pictures: the paper's network for CIFAR-10, or a tiny one."""
        data = self.folder / "pictures"
        if not data.exists():
            data.mkdir()
            pictures(data, 8 if self.quick else 256)
        small = {"image_size": 8, "widths": (8,), "attention": (), "norm_groups": 4, "blocks": 1, "batch": 2}
        small = small if self.quick else {}
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
    precisions: dict[str, Precision] = {"fp32": "fp32", "TF32": "fp32", "fp16": "fp16", "bf16": "bf16"}
    for name in ("TF32", "bf16") if day.quick else precisions:
        precision = precisions[name]
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
        took = time.perf_counter() - started
        away = np.abs(ddpm_core.sample(model, [0], 3, labels=0) - eager).max()
        yield {
            "model": number,
            "engine": getattr(model.network, "description", ""),
            "seconds to compile": round(took, 1),
            "most levels away": int(away),
        }


def waits(day: Day) -> Rows:
    """What CUDA itself says of operations that make the CPU wait: none is expected."""
    if day.device.type != "cuda":
        return
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
        told = [one for one in said if "called a synchronizing" in str(one.message)]
        where = {f"{Path(one.filename).name}:{one.lineno}" for one in told}
        yield {"what": name, "places that wait": len(where), "where": ", ".join(sorted(where))}


def sampling(day: Day) -> Rows:
    """Milliseconds a DDIM step, by engine and batch."""
    engines: tuple[Engine, ...] = ("graph", "torch")
    for engine in engines[:1] if day.quick else engines:
        model = day.model("auto", engine)
        speeds = {f"batch {n}": _milliseconds(day, model, n) for n in (BATCHES[:1] if day.quick else BATCHES)}
        yield {"engine": getattr(model.network, "description", engine), **speeds}


def _milliseconds(day: Day, model: ddpm_core.Model, n: int) -> str:
    """Of a DDIM step for n images."""
    steps = 2 if day.quick else 30
    run = ddpm_core.trajectory(model, range(n), steps, sampler="ddim", labels=0)
    next(run)  # compiles, or chooses kernels
    synchronize(day.device)
    started = time.perf_counter()
    for _ in run:
        pass
    synchronize(day.device)
    return f"{1000 * (time.perf_counter() - started) / (steps - 1):.2f}"


def training(day: Day) -> Rows:
    """Images per second, and the share of the time in which the GPU computes."""
    yield _trained(day)
    if not day.quick:
        yield _trained(day, precision="fp32")


def _trained(day: Day, **flags: Any) -> dict[str, Any]:
    AcceleratorState._reset_state(reset_partial_state=True)
    config, n = day.config(**flags), 1 if day.quick else 20
    step = ours(config)
    seconds(step, 1 if day.quick else 5, day.device)
    took = seconds(step, n, day.device)
    with torch.profiler.profile(activities=list(torch.profiler.supported_activities())) as profile:  # slows the CPU
        seconds(step, n, day.device)
    kernels = [
        event.time_range.elapsed_us()
        for event in profile.events() or ()
        if event.device_type == torch.profiler.DeviceType.CUDA and not getattr(event, "is_user_annotation", False)
    ]
    name = ", ".join(f"--{key} {value}" for key, value in flags.items()) or "auto"
    busy = sum(kernels) / 1e6 / n / took
    return {"flags": name, "images/s": f"{config.batch / took:.1f}", "busy": f"{100 * busy:.0f} %"}


def there_and_back(day: Day) -> Rows:
    """A run in fp16 on the GPU that goes on on the CPU, and on the GPU again."""
    out = str(day.folder / "resumed")
    data = day.config().data
    shape = ["--image-size", "8", "--widths", "8", "16", "--attention", "4", "--norm-groups", "4", "--blocks", "1"]
    start = [
        "fit",
        "--data",
        data,
        "--out",
        out,
        "--precision",
        "fp16",
        "--steps",
        "2",
        "--batch",
        "4",
        "--sample-every",
        "0",
        *shape,
    ]
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
    samples, batch = ("4", "2") if day.quick else ("400", "100")
    words = ["evaluate", day.name, "--metrics", "fid", "--steps", "2", "--sampler", "ddim", "--samples", samples]
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
    """The largest batch of 256×256 that the paper's network for it samples in fp16, and trains, of 1, 2, 4, ..."""
    size = {"sample_size": 16, "block_out_channels": (32, 32)} if day.quick else {}
    kinds = {"down_block_types": ("DownBlock2D",) * 2, "up_block_types": ("UpBlock2D",) * 2} if day.quick else {}
    network, side = wrap(unet("256", **size, **kinds), str(day.device), "fp16", "torch").unet, 16 if day.quick else 256
    preset = PRESETS["lsun-bedroom-256"]
    shape = {} if day.quick else {"image_size": side, "widths": preset.widths, "attention": preset.attention}

    def evaluate(n: int) -> None:
        with torch.no_grad():
            network(torch.zeros(n, 3, side, side, device=day.device), torch.zeros(n, device=day.device))

    def learn(n: int) -> None:
        AcceleratorState._reset_state(reset_partial_state=True)
        ours(day.config(batch=n, **shape))()

    tried: list[tuple[str, Callable[[int], None]]] = [("sampling", evaluate), ("training", learn)]
    for what, attempt in tried:
        yield {"what": what, "side": side, **_most(day, attempt)}


def _most(day: Day, attempt: Callable[[int], None]) -> dict[str, Any]:
    """The largest batch with which an attempt does not fail, and why a larger one does."""
    n, limit = 0, 2 if day.quick else 1024
    while 2 * n <= limit:
        try:
            attempt(max(1, 2 * n))
            synchronize(day.device)
        except RuntimeError as error:  # out of memory, or more numbers than a kernel can count
            return {"batch": n, "a larger one": str(error).splitlines()[0].partition(". ")[0]}
        finally:
            gc.collect()
            torch.cuda.empty_cache()
        n = max(1, 2 * n)
    return {"batch": n}


def compiled(day: Day) -> Rows:
    """Training and sampling with torch.compile, as above; each row takes a minute or so to compile."""
    yield _trained(day, compile=True)
    model = day.model("auto", "compile")
    for n in BATCHES[:1] if day.quick else BATCHES:
        speed = _milliseconds(day, model, n)
        yield {"engine": getattr(model.network, "description", ""), "batch": n, "ms a step": speed}


PARTS: tuple[Callable[[Day], Rows], ...] = (
    *(versions, agreement, independence, waits, sampling, training, there_and_back, evaluating, largest_batch),
    *(two_compiled, compiled),
)


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Rows as a Markdown table with a column for each key."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return lines + [f"| {' | '.join(str(row.get(column, '')) for column in columns)} |" for row in rows]


def main(arguments: list[str]) -> None:
    parser = Parser(
        prog="python -m benchmarks first_gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, default=Path("first_gpu.md"), help="the page")
    parser.add_argument("--minutes", type=float, default=8, help="nothing begins later than this")
    parser.add_argument("--quick", action="store_true", help="tiny networks, to try the script itself")
    options = parser.parse_args(arguments)
    device = choose_device("auto")
    if device.type == "cpu":
        sys.exit("This machine has no GPU that torch can use, and here all is about one.")
    began, page = time.monotonic(), ["# First day on a GPU", ""]
    with tempfile.TemporaryDirectory() as folder:
        day = Day(device, Path(folder), options.quick)
        for part in PARTS:
            title = [f"## {part.__name__.replace('_', ' ').capitalize()}", "", part.__doc__ or "", ""]
            print(*title, sep="\n", flush=True)
            rows: list[dict[str, Any]] = []
            told = [*page, *title]
            for row in _until(part(day), began + 60 * options.minutes):
                rows.append(row)
                print(row, flush=True)
                after = f"{time.monotonic() - began:.0f} s after the start."
                told = [*page, *title, *table(rows), "", after, ""]
                options.out.write_text("\n".join(told), encoding="utf-8")  # what there is, whatever comes
            page = told


def _until(rows: Rows, end: float) -> Rows:
    """The rows of a part that begin before the end; and, in place of the others, why they are missing."""
    try:
        while time.monotonic() < end:
            try:
                yield next(rows)
            except StopIteration:
                return
        yield {"left out": "the time was over"}
    except Exception as error:  # the other parts are wanted all the same
        yield {"failed": f"{type(error).__name__}: {error}".splitlines()[0]}
