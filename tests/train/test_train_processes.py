"""The trainer as its users run it: real processes that are killed, run out of disk, work in pairs or talk to a Hub.

DDPM_KILLS=20 sets how often the run of the kill test is killed (2 by default).
"""

import os
import random
import re
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from typing import get_args

import pytest
import torch
from hub_server import HubServer
from huggingface_hub import HfApi
from test_distill import make_teacher
from training import (
    AFTER_ADAM,
    LEVELS,
    TINY,
    as_words,
    assert_same,
    fit,
    flags,
    forked,
    in_two_processes,
    make_folder,
    process_restored,  # noqa: F401
    tiny,
    weights,
)

import ddpm_core
from ddpm_core.student import Student
from train.__main__ import main
from train.distill.config import Method
from train.fit.state import load_latest, step_of
from train.fit.trainer import Trainer

pytestmark = pytest.mark.usefixtures("torch_engine")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("images"), n=10)


def wait_for(condition: Callable[[], object], goes_on: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.time() + seconds
    while not condition():
        assert goes_on(), "it ended before"
        assert time.time() < deadline
        time.sleep(0.02)


def test_kill_9_at_random_moments_changes_nothing(folder, tmp_path):
    """Dropout on, a checkpoint every third step; killed while it starts, computes or writes, then resumed."""
    kills = int(os.environ.get("DDPM_KILLS", "2"))
    steps = 10 * kills
    changes = {"steps": steps, "checkpoint_every": 3, "log_every": 50, "conditional": True}
    fit(tiny(folder, tmp_path / "whole", **changes))
    rng, out = random.Random(0), tmp_path / "killed"
    saved = out / "checkpoints"

    def last() -> int:
        return max([step_of(path) for path in saved.glob("step-*.pt")], default=0)

    def a_while() -> None:
        """It stands still before its end, however late the kill comes."""
        train_step = Trainer.train_step

        def limited(self, *given):
            while self.step >= last_before + 6:
                time.sleep(1)
            train_step(self, *given)

        Trainer.train_step = limited

    last_before = 0
    process = forked(["fit", *flags(data=folder, **changes), "--out", out], a_while)
    wait_for(last, process.is_alive)
    killed = 0
    for number in range(kills):
        before = last()
        while rng.random() < 0.999 and process.is_alive() and last() == before and before < last_before + 6:
            time.sleep(0.01)  # until it has gone on, most of the time
        time.sleep(rng.uniform(0, 0.2))
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        last_before = last()
        process = forked(["fit", "--resume", "--out", out], a_while if number < kills - 1 else lambda: None)
    process.join(240)
    assert process.exitcode == 0 and killed == kills
    for part in ("model", "ema"):
        assert_same(weights(tmp_path / "whole", steps, part), weights(out, steps, part))
    a, b = (weights(place, steps, "optimizer")["state"] for place in (tmp_path / "whole", out))
    assert all(torch.equal(a[i]["exp_avg_sq"], b[i]["exp_avg_sq"]) for i in a)
    assert sorted(path.suffix for path in saved.iterdir()) == [".pt", ".pt"]


def test_control_c_saves_and_stops(folder, tmp_path):
    """In a terminal Ctrl-C reaches every process of the run, those that read images too."""
    out, log = tmp_path / "run", tmp_path / "log"

    def terminal() -> None:
        os.setsid()
        sys.stdout = sys.stderr = log.open("w", buffering=1)

    words = flags(data=folder, steps=100_000, checkpoint_every=100_000, memory=0.0, workers=1, accumulate=2)
    process = forked(["fit", *words, "--out", out], terminal)
    told = out / "progress.jsonl"
    try:
        wait_for(lambda: told.exists() and "images_per_s" in told.read_text(), process.is_alive)  # it trains
        os.killpg(process.pid, signal.SIGINT)
        process.join(60)
    finally:
        process.kill()
    assert process.exitcode == 130
    told = log.read_text()
    assert "Stopped and saved at step" in told and "Traceback" not in told
    assert len(list((out / "checkpoints").iterdir())) == 2


SHORT = {
    **{"steps": 2, "batch": 8, "lr": 1e-3, "warmup": 1, "precision": "fp64", "threads": 1},
    **{"checkpoint_every": 2, "sample_every": 0},
}
SHARED = {
    "fit": {**TINY, **LEVELS, "dropout": 0.0, "conditional": True, **SHORT},
    "progressive": {"teacher_steps": 4, "guidance": 1.5, **SHORT},
    "consistency": {"teacher_steps": 8, "student_steps": 4, **SHORT},
    "end-to-end": {"teacher_steps": 4, **SHORT},
    # Its first step sees one whole picture, which the second process and round do not have.
    "autoencoder": {"image_size": 24, "crop": 8, "width": 8, "latent_channels": 4, **SHORT},
}


@pytest.mark.parametrize("command", SHARED)
def test_processes_and_rounds_give_one_result(command, folder, tmp_path, capfd):
    """Two processes or two rounds share a batch: the weights are those of one. In float64, without dropout."""
    words, options, stage = [command], {**SHARED[command], "data": folder}, ""
    if command in get_args(Method):
        words, options["method"] = ["distill", make_teacher(tmp_path / "teacher")], command
        stage = "1-steps" if command == "progressive" else ""
    if command == "end-to-end":
        made = Student("progressive", (40, 10), guidance=2.0)
        options["student"] = make_teacher(tmp_path / "student", student=made)

    def line(name, **more):
        return [*map(str, words), *as_words({**options, "out": tmp_path / name, **more})]

    assert main(line("one", device="cpu")) == main(line("rounds", device="cpu", accumulate=2)) == 0
    capfd.readouterr()
    in_two_processes(line("two", device="auto"))
    assert capfd.readouterr().err.count("Done") == 1
    # The second stage of progressive distillation begins with the first one's weights in float32: 6e-8 is a digit.
    tolerance = 1e-6 if stage else AFTER_ADAM
    for name, processes in (("two", 2), ("rounds", 1)):
        one, other = (load_latest(tmp_path / run / stage / "checkpoints")[0] for run in ("one", name))
        assert (one["processes"], other["processes"], one["step"]) == (1, processes, options["steps"])
        for part in ("model", "ema"):
            off = {key: float((value - other[part][key]).abs().max()) for key, value in one[part].items()}
            assert one[part].keys() == other[part].keys() and max(off.values()) < tolerance


def test_a_full_disk_is_one_sentence_and_keeps_the_last_checkpoint(folder, tmp_path, capfd):
    """A limit on the size of files stands in for the disk: the error comes from the same writes."""
    out = tmp_path / "run"
    fit(tiny(folder, out, steps=1))
    before = {path.name: path.read_bytes() for path in (out / "checkpoints").iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        status = main(["fit", "--resume", "--steps", "9", "--out", str(out)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    told = capfd.readouterr().err
    last = told.strip().splitlines()[-1]
    assert status == 2 and "Traceback" not in told, told
    assert last.startswith("error: The disk is full") and "step-000000001.pt" in last
    assert {path.name: path.read_bytes() for path in (out / "checkpoints").iterdir()} == before


def test_push_sends_the_model_and_it_loads_from_the_hub(folder, tmp_path, monkeypatch, capsys):
    """The client's upload, which is not ours, is a copy into the repository's folder."""
    out = tmp_path / "run"
    fit(tiny(folder, out, steps=1, sample_every=1))
    (out / "model" / ".lock").touch()  # of a search for its optimised steps
    push = ["push", "--out", str(out), "--repo", "student/my-ddpm"]

    def error() -> str:
        assert main(push) == 2
        return capsys.readouterr().err

    with HubServer() as hub:
        hub.accept_uploads(tmp_path / "hub", token="hf_write")
        hub.use(monkeypatch, tmp_path / "cache")

        def upload(_, repo_id, folder_path, ignore_patterns, commit_message):
            ignored = shutil.ignore_patterns(*ignore_patterns)
            sent = shutil.copytree(folder_path, tmp_path / "hub" / repo_id, ignore=ignored, dirs_exist_ok=True)
            hub.add_repo(repo_id, sent)

        monkeypatch.setattr(HfApi, "upload_folder", upload)
        monkeypatch.setenv("HF_TOKEN", "hf_read")
        assert "hf auth login" in error()
        monkeypatch.setenv("HF_TOKEN", "hf_write")
        for _ in range(2):  # the second one updates
            assert main(push) == 0
        assert f"{hub.url}/student/my-ddpm" in capsys.readouterr().out
        sent = {path.name: path.read_bytes() for path in (tmp_path / "hub" / "student" / "my-ddpm").iterdir()}
        made = {path.name: path.read_bytes() for path in (out / "model").iterdir()}
        assert sent == {name: content for name, content in made.items() if name != ".lock"}
        assert re.match(rb"---\n(.+\n)+---\n", sent["README.md"])  # without it the Hub warns
        model = ddpm_core.load("student/my-ddpm", device="cpu")
        assert model.source.weights == "EMA" and model.image_size == 8
    assert "could not be reached" in error()
    push[-1] = "no good"
    assert "owner/name" in error()
