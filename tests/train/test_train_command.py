"""The command line of the trainer: what it refuses, in one sentence and before any work, and the lock of a folder."""

import dataclasses
import math
import multiprocessing
import time
from contextlib import redirect_stderr
from dataclasses import replace
from io import BytesIO, StringIO, TextIOWrapper
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from training import TINY, fit, make_folder, process_restored, tiny  # noqa: F401

import train
from ddpm_core.__main__ import main as core_main
from ddpm_core.checkpoint import refs
from train import TrainError
from train.__main__ import main
from train.autoencoder.config import AutoencoderConfig
from train.common.command_line import flag, numbers
from train.common.config import PRESETS, Config
from train.common.lock import locked
from train.distill.config import DistillConfig
from train.fit.flags.limits import check
from train.fit.start import parse_fit
from train.fit.state import find_checkpoints, step_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("images"), n=6)


def refused(capsys, *words) -> str:
    """What a command that is refused says."""
    try:
        status = main([str(word) for word in words])
    except SystemExit as stop:  # a mistake in the command line itself
        status = stop.code
    assert status == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and told.count("\n") == 1, told
    return told


def test_a_command_that_does_not_exist_is_named(capsys):
    assert "there is no command fot: did you mean fit? See python -m train --help" in refused(capsys, "fot")


# Flags


@pytest.mark.parametrize(
    ("words", "twice"),
    [
        (["fit", "--resume", "--out", "a", "--out", "b"], "--out"),
        (["fit", "--config", "cifar10", "--config=cifar10-tiny"], "--config"),
        (["fit", "--resume", "--no-resume"], "--resume"),
        (["fit", "--log-every", "1", "--log_every", "2"], "--log-every"),
        (["push", "--out", "a", "--repo", "a/b", "--out", "c"], "--out"),
        (["gamma", "nowhere", "--data", "a", "--data", "b"], "--data"),
        (["evaluate", "nowhere", "--data", "a", "--out", "b", "--steps", "1", "--steps", "2"], "--steps"),
        (["distill", "nowhere", "--resume", "--out", "a", "--out", "b"], "--out"),
        (["schedule", "nowhere", "--steps", "1", "--steps", "2"], "--steps"),
    ],
)
def test_a_flag_given_twice_is_refused(capsys, words, twice):
    assert f"{twice} is given twice" in refused(capsys, *words)


@pytest.mark.parametrize("name", ["fit", "distill", "push", "evaluate"])
def test_an_empty_folder_is_not_the_current_one(capsys, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in (["--out", ""], ["--out="], ["--out", " "]):
        assert "--out can't be empty" in refused(capsys, name, *words)
    assert not list(tmp_path.iterdir())


FLOATS = [field.name for field in dataclasses.fields(Config) if "float" in str(field.type)]


def test_every_number_must_be_finite(capsys, tmp_path, folder):
    for name, value in [*((name, math.nan) for name in FLOATS), ("lr", math.inf)]:
        with pytest.raises(TrainError, match=f"{flag(name)} must be a finite number, got {value}"):
            check(replace(PRESETS["cifar10-tiny"], **{name: value}))
    words = ["--config", "cifar10-tiny", "--data", folder, "--out", tmp_path / "run"]
    told = refused(capsys, "fit", *words, "--lr=-inf")
    assert "--lr must be a finite number, got -inf" in told and not (tmp_path / "run").exists()
    for text in ("0,nan", "inf"):  # also in a list
        with pytest.raises(TrainError, match="--eta takes numbers"):
            numbers(text, "eta", float)


def test_absurd_numbers_are_refused_at_once(capsys, tmp_path, folder):
    absurd = 10**19 - 1
    for name, value in dataclasses.asdict(PRESETS["cifar10"]).items():
        if type(value) in (int, tuple):
            with pytest.raises(TrainError, match=flag(name)):
                check(replace(PRESETS["cifar10"], **{name: absurd if type(value) is int else (absurd,)}))
    for changes, name in (
        ({"batch": 2**19}, "batch"),
        ({"accumulate": 256}, "accumulate"),
        ({"image_size": 1024, "batch": 1, "attention": (), "sample_count": 2**14}, "sample_count"),
        ({"widths": (8192, 8192), "attention": ()}, "widths"),
    ):  # alone they are possible
        with pytest.raises(TrainError, match=flag(name)):
            check(replace(PRESETS["cifar10"], **changes))
    told = refused(capsys, "fit", "--data", folder, "--out", tmp_path / "run", "--widths", absurd)
    assert "--widths" in told and not (tmp_path / "run").exists()


KINDS = (Config, DistillConfig, AutoencoderConfig)
CHOICES = [
    ("optimizer", "Muon", "one of adam, adamw, muon, got 'Muon': did you mean muon?"),
    ("precision", "BF16", "one of auto, fp32, bf16, fp16, fp64, got 'BF16': did you mean bf16?"),
    ("times", "Uniform", "one of uniform, lognormal, got 'Uniform': did you mean uniform?"),
    ("lr_decay", "constant", "one of none, cosine, linear, got 'constant'."),
]


@pytest.mark.parametrize(("field", "value", "rule"), CHOICES)
def test_a_choice_that_is_not_offered_is_the_same_sentence_in_python_and_on_the_command_line(
    field, value, rule, capsys
):
    with pytest.raises(TrainError) as error:
        train.preset("mnist-tiny", **{field: value})
    assert str(error.value) == f"{flag(field)} must be {rule}"
    assert f"{flag(field)} must be {rule}" in refused(capsys, "fit", flag(field), value)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"steps": 2.0}, "--steps must be a whole number, got 2.0."),
        ({"steps": True}, "--steps must be a whole number, got True."),
        ({"flip": "no"}, "--flip must be True or False, got 'no'."),
        ({"conditional": "no"}, "--conditional must be True or False, got 'no'."),
        ({"conditional": 1}, "--conditional must be True or False, got 1."),
        ({"out": None}, "--out must be a text or a path, got None."),
        ({"lr": "1e-3"}, "--lr must be a number, got '1e-3'."),
        ({"lr": 10**400}, "--lr must be a number, got "),
        ({"threads": "two"}, "--threads must be a whole number or None, got 'two'."),
        ({"widths": (8, 16.0)}, "--widths must be a tuple of whole numbers, got (8, 16.0)."),
        ({"widths": 8}, "--widths must be a tuple of whole numbers, got 8."),
        ({"loss_weight": min}, "--loss-weight must be a text or a path or None, got "),
    ],
)
def test_a_value_of_another_type_is_one_sentence(change, rule, tmp_path):
    for ask in (lambda: train.preset("cifar10", **change), lambda: replace(PRESETS["cifar10"], **change)):
        with pytest.raises(TrainError) as error:
            ask()
        assert str(error.value).startswith(rule) and "\n" not in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_every_command_has_its_type(kind):
    """Nothing is of a type that no field has; a field takes what it has by default, also as NumPy says it."""
    for field in dataclasses.fields(kind):
        with pytest.raises(TrainError, match=f"^{flag(field.name)} must be "):
            kind(**{field.name: object()})
        if field.name not in ("config", "teacher_order") and isinstance(field.default, (int, float, str)):
            again = getattr(kind(**{field.name: np.asarray(field.default)[()]}), field.name)
            assert type(again) is type(field.default) and again == field.default


def test_misspelt_presets_and_fields_are_corrected():
    with pytest.raises(TrainError, match=r"no preset 'MNIST-tiny': did you mean mnist-tiny\?"):
        train.preset("MNIST-tiny")
    with pytest.raises(TrainError, match=r"no field 'optimiser': did you mean optimizer\?"):
        train.preset("mnist-tiny", optimiser="muon")


def test_a_run_with_the_numbers_of_numpy_can_be_read_again(folder, tmp_path):
    """As a sweep gives them; also where only the resumed run has them."""
    (lr,), widths = np.logspace(-3, -3, 1), np.array([8])
    config = train.preset("cifar10", **{**TINY, "data": folder, "out": tmp_path / "run", "lr": lr, "widths": widths})
    fit(replace(config, steps=np.int64(1)))
    train.resume(tmp_path / "run", lr=np.float32(0.5), steps=np.int64(2)).fit()
    config = train.resume(tmp_path / "run", steps=3).config
    assert [type(value) for value in (config.lr, config.steps, config.widths)] == [float, int, tuple]


ANYTHING = st.one_of(
    st.sampled_from(["9" * 5000, "1e999", "0x10", "None", "True", "", " ", "-", "--", "é", "~nobody/x", *PRESETS]),
    st.text(st.characters(exclude_characters="\0"), max_size=5),
)


def words_for(kind) -> st.SearchStrategy[list[str]]:
    """Values that a flag of this type can be given, and now and then any others."""
    if get_origin(kind) is tuple:
        return st.lists(st.one_of(st.sampled_from([4, 8, 16, 32, 64]), st.integers()).map(str), max_size=4)
    if get_origin(kind) is Literal:
        word = st.sampled_from(get_args(kind)).map(str)
    elif get_args(kind):  # such as float | None
        return st.one_of(*map(words_for, get_args(kind)))
    else:
        small, some = st.integers(0, 64), {int: st.integers(), float: st.floats(), type(None): st.just(None)}
        word = st.one_of(small, some.get(kind, st.text(max_size=5))).map(str)
    return st.one_of(st.just([]) if kind is bool else word.map(lambda one: [one]), st.lists(ANYTHING, max_size=2))


FLAGS = st.one_of(
    *(
        st.tuples(st.just(f"--{name.replace('_', '-')}"), words_for(kind))
        for name, kind in get_type_hints(Config).items()
    ),
    st.tuples(st.sampled_from(["--no-flip", "--no-resume", "--else"]), st.just([])),
)


@settings(max_examples=20)
@given(st.lists(FLAGS, max_size=4))
@example([("--widths", [])])
@example([("--attention", []), ("--T", ["2"]), ("--sample-steps", ["2"])])
@example([("--T", ["100000"]), ("--times", ["lognormal"]), ("--log-sigma-mean", ["1e308"])])
def test_any_command_line_is_a_valid_configuration_or_a_sentence(tmp_path_factory, words):
    """In a folder without runs. tyro prints what it refuses itself and leaves with 2."""
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(StringIO()):
        patch.chdir(tmp_path_factory.getbasetemp())
        try:
            config, _ = parse_fit([word for one, values in words for word in (one, *values)])
            check(config)
        except TrainError as error:
            assert str(error) and "\n" not in str(error).strip()
        except SystemExit as stop:
            assert stop.code == 2
        else:
            assert isinstance(config, Config)


def test_help_comes_with_the_defaults_of_the_preset_whatever_else_is_said(capsys):
    for words in (["--config", "cifar10-tiny", "--help"], ["-h", "--resume", "--config=cifar10-tiny"]):
        with pytest.raises(SystemExit) as stop:
            main(["fit", *words])
        assert stop.value.code == 0 and "32 96 192" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["fit", "distill", "push", "gamma", "schedule", "evaluate", None])
def test_help_is_shown_where_the_output_has_not_every_letter(monkeypatch, command):
    """None: that of `python -m ddpm_core`."""
    shown = BytesIO()
    monkeypatch.setattr("sys.stdout", TextIOWrapper(shown, encoding="ascii", write_through=True))
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"]) if command else core_main(["--help"])
    assert not stop.value.code and b"usage: python -m" in shown.getvalue()


def test_a_run_that_was_moved_goes_on_where_it_is_now(folder, tmp_path):
    fit(tiny(folder, tmp_path / "before", steps=1))
    (tmp_path / "before").rename(tmp_path / "after")
    assert main(["fit", "--resume", "--out", str(tmp_path / "after"), "--steps", "2"]) == 0
    assert not (tmp_path / "before").exists()
    assert step_of(find_checkpoints(tmp_path / "after" / "checkpoints")[0]) == 2


def test_a_student_has_no_table(capsys, folder, monkeypatch):
    monkeypatch.setattr("train.tuning.gamma.open_checkpoint", None)  # not even loaded
    told = refused(capsys, "gamma", "mnist-tiny-2-steps", "--data", folder)
    assert "is a student, which has learned few times" in told


def test_the_table_of_an_embedded_checkpoint_stays(capsys, folder, monkeypatch):
    monkeypatch.setattr("train.tuning.gamma.open_checkpoint", None)  # not even loaded
    for place in ("cifar10-tiny", refs.embedded()["cifar10-tiny"]):  # also where its folder is named
        told = refused(capsys, "gamma", place, "--data", folder)
        assert "python -m ddpm_core export cifar10-tiny FOLDER" in told


FULL = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")


@pytest.mark.parametrize(
    ("words", "place", "error", "advice"),
    [
        (["fit"], "train.fit.trainer.Trainer", FULL, "a smaller --batch"),
        (["distill", "nowhere"], "train.distill.teacher.complete", MemoryError(), "a smaller --batch"),
        (["evaluate", "nowhere"], "train.evaluate.run.Study", FULL, "a smaller --batch"),
        (["gamma", "nowhere/a"], "train.tuning.gamma.open_checkpoint", MemoryError(), "fewer --images"),
        (["schedule", "."], "ddpm_core.checkpoint.hub.snapshots.here", FULL, "fewer --images"),
    ],
)
def test_a_full_memory_is_one_sentence(capsys, tmp_path, folder, monkeypatch, words, place, error, advice):
    def full(*_):
        raise error

    monkeypatch.setattr("train.evaluate.run.open_checkpoint", lambda *_: None)
    monkeypatch.setattr(place, full)
    data = [] if words[0] == "schedule" else ["--data", folder]
    out = [] if words[0] in ("gamma", "schedule") else ["--out", tmp_path / "run"]
    assert f"not enough memory: try {advice}" in refused(capsys, *words, *data, *out)


# The lock


def test_a_second_command_in_a_folder_is_refused(folder, tmp_path, capsys):
    run = tmp_path / "run"
    fit(tiny(folder, run, steps=1))
    model, bits = run / "model", ["--metrics", "bpd", "--steps", "2", "--variance", "beta_tilde"]
    before = sorted(run.rglob("*"))
    with locked(run):
        for words in (
            ["fit", "--resume", "--out", run],
            ["fit", "--data", folder, "--out", run],
            ["distill", model, "--data", folder, "--out", run],
            ["evaluate", model, "--data", folder, "--out", run, "--device", "cpu", "--engine", "torch", *bits],
        ):
            capsys.readouterr()
            assert "is in use by another command" in refused(capsys, *words)
        assert set(run.rglob("*")) == set(before)
    assert main(["fit", "--resume", "--out", str(run)]) == 0


def test_the_lock_of_a_killed_process_does_not_block(tmp_path):
    def hold(held):
        with locked(tmp_path):
            held.set()
            time.sleep(60)

    fork = multiprocessing.get_context("fork")
    held = fork.Event()
    process = fork.Process(target=hold, args=[held], daemon=True)
    process.start()
    try:
        assert held.wait(30)
        with pytest.raises(TrainError, match="in use"), locked(tmp_path):
            pass
    finally:
        process.kill()
        process.join()
    with locked(tmp_path):
        pass


def test_processes_of_one_run_share_its_folder(tmp_path, monkeypatch):
    with locked(tmp_path):
        monkeypatch.setenv("RANK", "1")
        with locked(tmp_path):
            pass


def test_a_refused_start_leaves_no_folder(tmp_path, capsys):
    refused(capsys, "fit", "--data", tmp_path / "nowhere", "--out", tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()
