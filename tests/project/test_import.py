"""What `import ddpm_core` offers."""

import ast
import inspect
import json
import re
import subprocess
import sys
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest

import ddpm_core
from ddpm_core.restore import restore


def test_every_public_name_is_there():
    for name in ddpm_core.__all__:
        assert getattr(ddpm_core, name).__name__.rpartition(".")[2] == name
        assert name in dir(ddpm_core)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ddpm_core.nothing


def test_an_editor_sees_the_names_where_they_are():
    imports = [node for node in ast.walk(ast.parse(inspect.getsource(ddpm_core))) if isinstance(node, ast.ImportFrom)]
    seen = {name.asname: node.module for node in imports for name in node.names if name.asname}
    assert {*seen} == {*ddpm_core.__all__}
    for name, module in seen.items():
        assert getattr(import_module(module), name) is getattr(ddpm_core, name)


def public_functions():
    """Every function that `ddpm_core` exports, also as a class or a class method of it, by its name."""
    for name in ddpm_core.__all__:
        it = getattr(ddpm_core, name)
        if inspect.ismodule(it):
            yield from ((f"{name}.{one}", vars(it)[one]) for one in ("digits", "emoji", "Pictures"))
        elif not (inspect.isclass(it) and issubclass(it, Exception)):
            yield name, it
        if inspect.isclass(it):
            methods = (method for method in vars(it) if not method.startswith("_"))
            yield from ((f"{name}.{method}", bound) for method in methods if callable(bound := getattr(it, method)))


def described_fields(it):
    """The fields of a class that have a sentence below them, as pdoc shows it."""
    if inspect.isclass(it):
        (body,) = ast.parse(inspect.getsource(it)).body
        for field, below in pairwise(body.body):
            if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                yield field.target.id


@pytest.mark.parametrize(("name", "function"), [*public_functions()])
def test_each_argument_has_its_line_in_the_reference(name, function):
    sections = re.findall(r"^(?:Arguments|Attributes):\n(.*?)(?:\n\n|\Z)", inspect.getdoc(function) or "", re.M | re.S)
    lines = re.findall(r"^ {4}(\w+(?:, \w+)*): \S", "\n".join(sections), re.M)
    told = {argument for line in lines for argument in line.split(", ")} | set(described_fields(function))
    arguments = {argument for argument in inspect.signature(function).parameters if not argument.startswith("_")}
    passed_on = set(inspect.signature(ddpm_core.trajectory).parameters) if hasattr(function, "__signature__") else set()
    assert arguments - {"self"} - told - passed_on == set()


def test_what_is_passed_on_is_what_trajectory_takes():
    """So editors and IPython, which read signatures, complete all of it."""
    takes = set(inspect.signature(ddpm_core.trajectory).parameters)
    assert set(inspect.signature(ddpm_core.sample).parameters) == takes
    of_chain_from_x_T = {"x_T", "start", "after"}
    assert set(inspect.signature(ddpm_core.reconstruct).parameters) - {"x_t", "t"} == takes - of_chain_from_x_T
    assert (
        {"snr", "corrections", "labels", "noise", "stop"}
        <= set(inspect.signature(restore).parameters)
        <= takes
        | {
            "y",
            "measurement",
            "method",
        }
    )


TYPED = """
import numpy as np

import ddpm_core
from ddpm_core.restore import Measurement, restore


def right(model: ddpm_core.Model, y: ddpm_core.Step, a: Measurement) -> None:
    ddpm_core.sample(model, np.arange(4), np.int64(5), sampler="ddim", eta=0.5, snr=0.1)
    ddpm_core.sample(model, [np.int64(4)], steps=np.array([40, 18]), spacing=None)
    ddpm_core.reconstruct(model, y.x, np.int64(5), range(3), sampler="unipc", spacing="quadratic")
    restore(model, y.x, a, seeds=np.arange(2), steps=[5, np.int64(3)], labels=3)
    for step in ddpm_core.trajectory(model, seeds=np.arange(2), steps=5, corrections=2):
        ddpm_core.predict(model, step.x, np.int64(7))


def wrong(model: ddpm_core.Model, y: ddpm_core.Step, a: Measurement) -> None:
    ddpm_core.sample(model, [1], sampler="euler")
    ddpm_core.sample(model, [1], variance="Beta")
    ddpm_core.sample(model, [1], sampel="ddim")
    ddpm_core.reconstruct(model, y.x, 5, [1], x_T=y.x)
    restore(model, y.x, a, seeds=[1], spacing="even")
    ddpm_core.trajectory(model, [1], snr="much")
"""


def test_a_type_checker_finds_what_is_no_name_or_no_option(tmp_path):
    (tmp_path / "typed.py").write_text(TYPED, encoding="utf-8")
    found = subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", tmp_path / "typed.py"],
        capture_output=True,
        text=True,
        cwd=Path(ddpm_core.__file__).parents[1],
    )
    errors = json.loads(found.stdout)["generalDiagnostics"]
    lines = TYPED.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("def wrong")) + 1
    assert [error["range"]["start"]["line"] for error in errors] == [*range(first, len(lines))]
