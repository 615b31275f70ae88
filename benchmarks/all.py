"""Run all benchmarks that are repeated for a release, about an hour on two quiet cores: `python -m benchmarks all`.

Each benchmark runs as a separate command. Its tables replace the older ones in the file of --out, between two marks
with the benchmark's name, together with the command, date, commit, machine and the load before it. A file without these
marks gets marks and tables at its end. The marks "machines" enclose a numbered list of the machines. If a benchmark
fails, its old tables stay and the others still run; the last line of output names it. --only selects benchmarks.

    python -m benchmarks all --mnist mnist --cifar10 cifar10
    python -m benchmarks all --only step opening --quick --out /tmp/tried.md
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks._measure import LUCIDRAINS, describe, installed
from ddpm_core.commands.reading import Parser
from ddpm_core.disk import files
from train.evaluate.features import INCEPTION

ROOT = Path(__file__).parents[1]
DIGITS = "benchmarks.digits:features"  # the extractor that uses the classifier of `benchmarks digits`


@dataclass(frozen=True)
class Job:
    """A benchmark.

    command: its words after `python -m benchmarks`. {mnist}, {cifar10} and {extractor} stand for options, {folder} for
    a temporary folder. quick: a shorter command, which only shows that the benchmark works. minutes: duration of
    `command` on two quiet cores. figure: a picture in {folder}, which is copied beside the file of --out under the
    benchmark's name.
    """

    command: str
    quick: str
    minutes: float
    figure: str = ""


FEW = "--sampler ddim unipc --spacing own optimised --steps"
TRAINING = "training --only ours diffusers 'diffusers tuned' lucidrains 'lucidrains tuned'"
FLAGS = "--flags --channels-last --precision bf16 --fused"
JOBS = {
    "sampling": Job(
        "sampling --no-compile --seconds 40", "sampling --no-compile --seconds 1 --rounds 2 --only tiny-1", 9
    ),
    "batches": Job("batches --count 64 --steps 20", "batches --count 4 --steps 2 --rounds 1", 2),
    "training": Job(f"{TRAINING} {FLAGS}", f"{TRAINING} --rounds 1 --steps 1 {FLAGS}", 6),
    "step": Job("browser step", "browser step mnist-tiny --seconds 1", 2),
    "runs": Job("browser runs --rounds 5", "browser runs --rounds 1 --only 'one digit'", 5),
    "opening": Job("browser opening", "browser opening --rounds 2", 3),
    "opening-slow": Job("browser opening --slow --rounds 5", "browser opening --slow --rounds 1", 3),
    "learn": Job(
        "browser learn --data {mnist} --out {folder}",
        "browser learn --data {mnist} --out {folder} --only image loaded --seconds 1",
        7,
    ),
    "app": Job("app --rounds 5", "app --rounds 2", 3),
    "start": Job("start", "start --rounds 1", 1),
    "frontier-digits": Job(
        f"frontier mnist-tiny mnist-tiny-2-steps mnist-tiny-consistency {FEW} 1 2 5 8 10 50 --diffusers ddim dpm++ "
        f"--data {{mnist}} --extractor {DIGITS} --samples 1000 --out {{folder}}",
        f"frontier mnist-tiny mnist-tiny-2-steps {FEW} 2 --diffusers dpm++ --data {{mnist}} --extractor {DIGITS} "
        "--samples 20 --references 100 --rounds 1 --out {folder}",
        5,
        "frontier.png",
    ),
    "frontier-cifar10": Job(
        f"frontier cifar10-tiny cifar10-tiny-4-steps cifar10-tiny-2-steps {FEW} 2 4 6 8 10 50 --diffusers ddim dpm++ "
        "--data {cifar10} --extractor {extractor} --metric kid --samples 1000 --out {folder}",
        f"frontier cifar10-tiny cifar10-tiny-2-steps {FEW} 2 --diffusers dpm++ --data {{cifar10}} --metric kid "
        "--extractor {extractor} --samples 20 --references 100 --rounds 1 --out {folder}",
        15,
        "frontier.png",
    ),
}


def tables(output: str) -> str:
    """Return the tables in the output of a benchmark."""
    blocks = re.findall(r"(?:^\|.*\n)+", output, re.M)
    return "\n".join(blocks)


def insert_content(text: str, name: str, content: str) -> str:
    """Return a document with the content between the marks of this name. Without such marks, add both at its end."""
    first, last = f"<!-- measured: {name} -->", f"<!-- end of {name} -->"
    whole = f"{first}\n{content.strip()}\n\n{last}"
    start, end = text.find(first), text.find(last)
    if start < 0 or end < start:
        return f"{text.rstrip()}\n\n{whole}\n".lstrip()
    return text[:start] + whole + text[end + len(last) :]


def describe_commit() -> str:
    """Return the commit of this checkout, marked as dirty if files were changed."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def describe_machine(here: dict[str, Any]) -> str:
    """Return the processor and the versions of packages as a line of the document's list of machines."""
    packages = [
        f"{name} {here[name]}" for name in ("python", "torch", "openvino", "diffusers", LUCIDRAINS) if name in here
    ]
    return ", ".join([here["processor"], f"{here['cores']} cores", here["instructions"], *packages])


def name_machine(text: str, machine: str) -> tuple[str, int]:
    """Return the document with this machine in its list "machines", and the number of the machine in this list."""
    listed = re.search(r"<!-- measured: machines -->\n(.*?)\n\n<!-- end", text, re.S)
    machines = re.findall(r"^\d+\. (.*)", listed[1], re.M) if listed else []
    if machine not in machines:
        machines.append(machine)
        text = insert_content(text, "machines", "\n".join(f"{i}. {one}" for i, one in enumerate(machines, 1)))
    return text, machines.index(machine) + 1


def run(name: str, job: Job, options: argparse.Namespace, folder: Path) -> str:
    """Run a benchmark, and write its tables and its figure into the file of --out. Return why it failed, or "" if it
    succeeded.
    """
    given = {"mnist": options.mnist, "cifar10": options.cifar10, "extractor": options.extractor}
    words = shlex.split(job.quick if options.quick else job.command)
    shown = shlex.join(word.format(**given, folder=name) for word in words)
    command = [sys.executable, "-m", "benchmarks", *(word.format(**given, folder=folder) for word in words)]
    here = describe(torch.device("cpu"))
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        assert process.stdout is not None
        output = ""
        for line in process.stdout:
            print(line, end="", flush=True)
            output += line
    if process.returncode:
        return f"it ended with {process.returncode}"
    found = tables(output)
    if not found:
        return "it printed no table"
    figure = ""
    if job.figure:
        path = options.out.with_name(f"{name}.png")
        shutil.copyfile(folder / job.figure, path)
        figure = f"\n![Score against the time of a picture, both axes logarithmic]({path.name})\n"
    old = options.out.read_text(encoding="utf-8") if options.out.is_file() else ""
    text, number = name_machine(old, describe_machine(here))
    conditions = f"{here['date']}, commit {describe_commit()}, machine {number}, load {here['load']}"
    content = f"`python -m benchmarks {shown}`\n\n{conditions}\n\n{found}{figure}"
    files.write_text(options.out, insert_content(text, name, content))
    return ""


def main(arguments: Sequence[str]) -> None:
    """Run the benchmarks, one after another."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser(prog="python -m benchmarks all", description=__doc__, formatter_class=raw)
    parser.add_argument("--only", nargs="+", choices=JOBS, default=list(JOBS), help="the benchmarks that run")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/performance.md", help="the file with the tables")
    parser.add_argument("--mnist", default="mnist", help="real digits, as for `train evaluate`")
    parser.add_argument("--cifar10", default="cifar10", help="real photographs, as for `train evaluate`")
    parser.add_argument(
        "--extractor", default=INCEPTION, help="of the features of photographs, as for `train evaluate`"
    )
    parser.add_argument("--quick", action="store_true", help="a few minutes: shows that each works, measures nothing")
    options = parser.parse_args(arguments)
    options.out = options.out.resolve()
    if not options.out.parent.is_dir():
        parser.error(f"--out: there is no folder {options.out.parent}")
    if options.quick and options.out == ROOT / "docs/performance.md":
        parser.error("--quick measures nothing for docs/performance.md: give another file with --out")
    installed(["lucidrains"])  # prints a sentence if lucidrains is missing
    began, failed = time.monotonic(), dict[str, str]()
    done = 0.0
    left = total = sum(JOBS[name].minutes for name in options.only)
    for number, name in enumerate(options.only, 1):
        pace = (time.monotonic() - began) / 60 / done if done else 1 / 20 if options.quick else 1
        print(f"\n{name} ({number} of {len(options.only)}), about {pace * left:.0f} min left in all", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            why = run(name, JOBS[name], options, Path(folder))
        if why:
            failed[name] = why
            print(f"{name} failed: {why}. Its old tables stay.", file=sys.stderr)
        done += JOBS[name].minutes
        left = total - done
    print(
        f"\n{options.out}: {len(options.only) - len(failed)} of {len(options.only)} benchmarks, "
        f"{(time.monotonic() - began) / 60:.0f} min"
    )
    if failed:
        told = ", ".join(f"{name} ({why})" for name, why in failed.items())
        sys.exit(f"failed: {told}. Repeat: --only {' '.join(failed)}")
