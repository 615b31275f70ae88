"""What `import ddpm_core` offers."""

import ast
import inspect
import re

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
    arguments = {argument for argument in inspect.signature(function).parameters if not argument.startswith("_")}
    assert arguments - {"self"} - told == set()
