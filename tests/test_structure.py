"""Which module imports which: no circle anywhere, and no import that FORBIDDEN names.

Imports inside functions and under TYPE_CHECKING count. `from ddpm_core import name` counts as an import of the module
that the name comes from, and the list of these names in ddpm_core/__init__.py as none.
"""

import ast
import graphlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import resolve_name
from pathlib import Path

import pytest

import ddpm_core

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("ddpm_core", "ui", "train", "benchmarks", "course")


@dataclass(frozen=True)
class Import:
    importer: str
    imported: str
    at_top: bool  # runs when the importer is imported
    for_types: bool = False  # under TYPE_CHECKING: never runs

    def __str__(self) -> str:
        return f"{self.importer} imports {self.imported}"


def sources() -> dict[str, Path]:
    """Every module by its full name; a package stands for its __init__.py."""
    files = [ROOT / "app.py", *(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))]
    parts = {path: path.relative_to(ROOT).with_suffix("").parts for path in files}
    return {".".join(names[:-1] if names[-1] == "__init__" else names): path for path, names in parts.items()}


def under(module: str, *rooms: str) -> bool:
    return any(f"{module}.".startswith(f"{room}.") for room in rooms)


def imports_of(module: str, path: Path, modules: dict[str, Path]) -> Iterator[Import]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]

    def visit(node: ast.AST, at_top: bool, for_types: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(module, alias.name, at_top, for_types)
            elif isinstance(child, ast.ImportFrom):
                origin = resolve_name("." * child.level + (child.module or ""), package)
                for alias in child.names:
                    yield Import(module, source_of(origin, alias.name, modules), at_top, for_types)
            else:
                function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                types = for_types or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test))
                yield from visit(child, at_top and not function and not types, types)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), True, False)


def source_of(origin: str, name: str, modules: dict[str, Path]) -> str:
    """The module that `from origin import name` needs."""
    if f"{origin}.{name}" in modules:
        return f"{origin}.{name}"
    if origin == "ddpm_core":
        return f"ddpm_core.{ddpm_core._HOME[name]}"
    return origin


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    modules = sources()
    return [found for name, path in modules.items() if name != "ddpm_core" for found in imports_of(name, path, modules)]


def circle(imports: list[Import]) -> list[str]:
    graph: dict[str, set[str]] = {}
    for found in imports:
        graph.setdefault(found.importer, set()).add(found.imported)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def test_the_reader_sees_every_kind_of_import(imports):
    """What the other tests look at is there: in functions, for types only, of lazy names."""
    assert Import("ddpm_core.runs", "ddpm_core.model", True) in imports
    assert Import("ddpm_core.commands.chain", "ddpm_core.checkpoint.load", False) in imports  # lazy, in a function
    assert Import("ddpm_core.commands.chain", "ddpm_core.model", False, for_types=True) in imports  # lazy, for types
    assert any(found.importer == "app" and under(found.imported, "ui") for found in imports)


def test_a_circle_is_found():
    pairs = [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]
    assert set(circle([Import(*pair, False) for pair in pairs])) == {"b", "c"}


def test_no_modules_import_each_other_in_a_circle(imports):
    assert circle(imports) == []


PAPER = {name for name in sources() if name.count(".") == 1 and under(name, "ddpm_core")} - {"ddpm_core.__main__"}
TRAINER = ("train.fit", "train.data", "train.distill", "train.command_line")
TRAINING = ("ui.places.training", "ui.training")
SLOW = ("diffusers", "openvino", "datasets", "accelerate")  # seconds each
SERVER = ("gradio", "fastapi", "starlette", "ui.server", "ui.web", "ui.gate", "ui.listeners")
SAMPLING = ("ddpm_core.samplers", "ddpm_core.runs", "ddpm_core.process")
RUNS = ("ui.jobs", "ui.turns", "ui.counts", "ui.pace", "ui.limits", "ui.lent")
FORBIDDEN = {
    "the library knows nothing of app and trainer": lambda found: (
        under(found.importer, "ddpm_core") and under(found.imported, "gradio", "ui", "train", "app")
    ),
    "nobody needs the course, and the course needs no app": lambda found: (
        (under(found.imported, "course") and not under(found.importer, "course"))
        or (under(found.importer, "course") and under(found.imported, "gradio", "ui", "app"))
    ),
    "the paper's modules know no files and no engines": lambda found: (
        found.importer in PAPER and under(found.imported, "ddpm_core.checkpoint", "ddpm_core.engines")
    ),
    "engines know no checkpoints": lambda found: (
        under(found.importer, "ddpm_core.engines") and under(found.imported, "ddpm_core.checkpoint")
    ),
    "the trainer knows nothing of the app": lambda found: (
        under(found.importer, "train") and under(found.imported, "gradio", "ui", "app")
    ),
    "of the app, only Train knows the trainer": lambda found: (
        under(found.importer, "ui", "app") and under(found.imported, *TRAINER) and not under(found.importer, *TRAINING)
    ),
    "besides it only Likelihood knows train: what was published": lambda found: (
        under(found.importer, "ui", "app")
        and under(found.imported, "train")
        and not under(found.importer, *TRAINING, "ui.places.likelihood")
    ),
    "the app leaves tensors and networks to the library": lambda found: (
        under(found.importer, "ui", "app")
        and (under(found.imported, "torch") or (not found.for_types and under(found.imported, *SLOW)))
    ),
    "no place imports another": lambda found: (
        found.importer != "ui.places" and under(found.importer, "ui.places") and under(found.imported, "ui.places")
    ),
    "a place knows no server": lambda found: under(found.importer, "ui.places") and under(found.imported, *SERVER),
    "a job knows no place, no sampler and no server": lambda found: (
        found.importer in RUNS and under(found.imported, "ui.places", "ui.run_settings", *SAMPLING, *SERVER)
    ),
    "what places share knows none of them": lambda found: (
        under(found.importer, "ui")
        and under(found.imported, "ui.places")
        and not under(found.importer, "ui.server", "ui.examples", "ui.course_pictures")
    ),
}


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_imports_go_one_way(rule, imports):
    assert [str(found) for found in imports if FORBIDDEN[rule](found)] == []


def imported_with(start: str, imports: list[Import]) -> set[str]:
    """What is imported when `start` is, with the packages around it."""
    direct: dict[str, set[str]] = {}
    for found in imports:
        if found.at_top:
            direct.setdefault(found.importer, set()).add(found.imported)
    seen, waiting = set(), [start]
    while waiting:
        parts = waiting.pop().split(".")
        for name in (".".join(parts[: n + 1]) for n in range(len(parts))):
            if name not in seen:
                seen.add(name)
                waiting += direct.get(name, ())
    return seen


def test_the_page_starts_without_the_slow_libraries(imports):
    """They take seconds, and the warm-up imports them in the background."""
    assert "torch" in imported_with("ui", imports)
    assert "diffusers" in imported_with("ddpm_core.runs", imports)
    assert not imported_with("ui", imports) & set(SLOW)


def test_models_of_this_machine_need_no_client_of_the_hub(imports):
    """diffusers imports it by itself; a test of checkpoints goes through the rest without it."""
    assert "ddpm_core.checkpoint.transfer" in imported_with("ddpm_core.checkpoint.load", imports)
    assert "huggingface_hub" not in imported_with("ddpm_core.checkpoint.load", imports)


def test_on_zerogpu_the_package_spaces_comes_before_torch(imports):
    """It changes torch while that is imported. ui.server imports ui.environment first, which calls `zero.prepare`."""
    for importer, expected in (("ui", "ui.server"), ("ui.server", "ui.environment")):
        (first, *_) = [
            found.imported for found in imports if found.importer == importer and under(found.imported, "ui")
        ]
        assert first == expected
    before = [found for found in imports if found.importer != "ui"]  # whose other imports come later
    assert "ui.zero" in imported_with(expected, before) and "torch" not in imported_with(expected, before)
