"""What `import ddpm_core` offers, and which slow imports it puts off."""

import ast
import inspect
import re
import subprocess
import sys

import pytest

import ddpm_core


def test_every_public_name_is_there():
    for name in ddpm_core.__all__:
        assert getattr(ddpm_core, name).__name__ == name
        assert name in dir(ddpm_core)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ddpm_core.nothing


def test_an_editor_sees_the_names_where_they_are():
    imports = [node for node in ast.walk(ast.parse(inspect.getsource(ddpm_core))) if isinstance(node, ast.ImportFrom)]
    seen = {name.asname: node.module for node in imports for name in node.names if name.asname}
    assert seen == {name: f"ddpm_core.{module}" for name, module in ddpm_core._HOME.items()}


def public_functions():
    """Every function that `ddpm_core` exports, also as a class or a class method of it, by its name."""
    for name in ddpm_core.__all__:
        it = getattr(ddpm_core, name)
        if not (inspect.isclass(it) and issubclass(it, Exception)):
            yield name, it
        if inspect.isclass(it):
            methods = (method for method in vars(it) if not method.startswith("_"))
            yield from ((f"{name}.{method}", bound) for method in methods if callable(bound := getattr(it, method)))


@pytest.mark.parametrize(("name", "function"), [*public_functions()])
def test_each_argument_has_its_line_in_the_reference(name, function):
    sections = re.findall(r"^(?:Arguments|Attributes):\n(.*?)(?:\n\n|\Z)", inspect.getdoc(function) or "", re.M | re.S)
    lines = re.findall(r"^ {4}(\w+(?:, \w+)*): \S", "\n".join(sections), re.M)
    told = {argument for line in lines for argument in line.split(", ")}
    assert inspect.signature(function).parameters.keys() - {"self"} - told == set()


def test_slow_libraries_wait_until_they_are_used_and_two_threads_can_import_at_once():
    """The app's page needs the first modules at once, and torch only for the first model; while one thread loads that,
    another is asked for a run.
    """
    code = """
import importlib, sys, threading
from ddpm_core import timesteps
from ddpm_core.checkpoint import hub, refs
failed = [*{"torch", "diffusers"} & set(sys.modules)]
def use(name):
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed.append(error)
names = [f"ddpm_core.{name}" for name in ("network", "engines.choose", "solvers")]
threads = [threading.Thread(target=use, args=[name]) for name in names]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(failed)
"""
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
