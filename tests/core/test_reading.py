"""A mistake in a command line is one sentence, before any work, and no help says "(default: None)"."""

import argparse
import io
import sys
from dataclasses import dataclass, field
from typing import Annotated, Literal

import pytest
import tyro

import app
from ddpm_core.__main__ import main
from ddpm_core.commands.reading import Parser, Unset, find, read, read_known
from ddpm_core.engines import choose


@dataclass
class Inner:
    device: str = "auto"


@dataclass
class Flags:
    model: Annotated[str, tyro.conf.Positional]
    log_every: int = 1
    spacing: Literal["linspace", "trailing"] = "linspace"
    seed: Unset[int] = None
    browser: Annotated[bool, tyro.conf.arg(help_behavior_hint="(default: on a desktop)")] = True
    limit: Annotated[list[str], tyro.conf.UseAppendAction] = field(default_factory=list)
    where: tyro.conf.OmitArgPrefixes[Inner] = field(default_factory=Inner)


def sentence(capsys, call, *arguments) -> str:
    """What is said by a call that ends the program, with status 2."""
    with pytest.raises(SystemExit) as stop:
        call(*arguments)
    out, told = capsys.readouterr()
    assert stop.value.code == 2 and not out
    assert told.startswith("error: ") and told.count("\n") == 1, told
    return told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a", "--log-evry", "2"], "there is no --log-evry: did you mean --log-every? See python -m x --help"),
        (["a", "-seed", "2"], "there is no -seed: did you mean --seed?"),
        (["a", "--devise=cpu"], "there is no --devise: did you mean --device?"),
        (["a", "--model", "b"], "there is no --model. See"),  # the argument has no name
        (["--zzz"], "there is no --zzz. See"),  # before what is missing
        (["a", "--seed", "1", "--seed", "2"], "--seed is given twice"),
        (["a", "--browser", "--no-browser"], "--browser is given twice"),
        (["a", "--seed="], "--seed can't be empty"),
        (["a", "--seed"], "--seed"),
        (["a", "--seed", "many"], "--seed must be a whole number, got 'many'. See"),
        (["a", "--log_every=2.0"], "--log-every must be a whole number, got '2.0'. See"),
        (["a", "--spacing", "LinSpac"], "--spacing must be one of linspace, trailing, got 'LinSpac': did you mean"),
        (["a", "b"], "b. See"),
        ([], "required"),
    ],
)
def test_a_mistake_is_one_sentence(capsys, words, said):
    told = sentence(capsys, read, Flags, words, "python -m x")
    assert said in told and told.endswith("See python -m x --help\n")


@pytest.mark.parametrize("words", [["a", "b"], ["a", "--spacing", "linspac"], ["a", "--seed", "many"], []])
def test_a_sentence_is_the_same_wherever_it_is_shown(capsys, monkeypatch, words):
    """tyro draws a box around it, in colours on a terminal, and with the lines that its encoding has."""
    told = set()
    monkeypatch.setenv("TERM", "xterm")
    for encoding, is_terminal in (("utf-8", True), ("ascii", True), ("utf-8", False), ("ascii", False)):
        shown = io.TextIOWrapper(io.BytesIO(), encoding)
        shown.isatty = lambda is_terminal=is_terminal: is_terminal
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", shown)
            told.add(sentence(capsys, read, Flags, words, "python -m x"))
    assert len(told) == 1


def test_what_is_right_is_read():
    words = ["a", "--limit", "b=1", "--limit", "c=2", "--no-browser", "--log_every", "3", "--device", "cpu"]
    found = read(Flags, words, "x")
    assert found == Flags("a", log_every=3, browser=False, limit=["b=1", "c=2"], where=Inner("cpu"))
    assert read_known(Inner, ["--device", "cpu", "--else", "--help"], "x") == Inner("cpu")


def test_help_shows_a_default_only_where_there_is_one(capsys):
    with pytest.raises(SystemExit):
        read(Flags, ["--help"], "x")
    said = capsys.readouterr().out
    assert "default: None" not in said and "default: linspace" in said
    for call, words in ((main, ["sample", "--help"]), (main, ["reconstruct", "--help"]), (app.main, ["--help"])):
        with pytest.raises(SystemExit):
            call(words)
        assert "None)" not in capsys.readouterr().out


def test_a_misspelt_command_gets_the_nearest_one(capsys):
    assert find(["fit", "push"], ["push", "--else"], "x") == "push"
    told = sentence(capsys, main, ["sampel", "--steps", "3"])
    assert "there is no command sampel: did you mean sample? See python -m ddpm_core --help" in told


def test_argparse_says_the_same(capsys):
    parser = Parser(prog="x")
    parser.add_argument("out")
    parser.add_argument("--address")
    assert "there is no --adress: did you mean --address? See x --help" in sentence(
        capsys, parser.parse_args, ["a", "--adress=b"]
    )
    assert "required: out. See x --help" in sentence(capsys, parser.parse_args, [])
    assert isinstance(parser, argparse.ArgumentParser)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sample", "--steps", "5000"], "from 1 to 1000"),
        (["sample", "--label", "77"], "there is no class '77'"),
        (["sample", "--sampler", "foo"], "unknown sampler 'foo'"),
        (["sample", "--prompt", "fox"], "takes no prompts"),
        (["reconstruct", "--steps", "5000"], "from 1 to 1000"),
        (["interpolate", "--times", "2000"], "from 0 to 1000"),
        (["restore", "--label", "77", "--grey"], "there is no class '77'"),
        (["restore", "--checkpoint", "emoji-tiny", "--grey"], "only for models of pixels"),
    ],
)
def test_flags_are_judged_before_the_network_is_prepared(words, said, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(choose, "wrap", lambda *_, **__: pytest.fail("the network was prepared"))
    monkeypatch.setattr("ddpm_core.checkpoint.load.build_network", lambda *_: pytest.fail("the weights were read"))
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert said in str(stop.value.code)
