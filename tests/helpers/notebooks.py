"""The course's notebooks for the tests, with the solutions filled in."""

import importlib
import inspect
from pathlib import Path
from types import ModuleType

import nbformat
from nbformat import NotebookNode

from course import check

COURSE = Path(check.__file__).parents[1]


def read(name: str) -> NotebookNode:
    return nbformat.read(COURSE / f"{name}.ipynb", as_version=nbformat.NO_CONVERT)


def solutions(notebook: str) -> ModuleType:
    """Return the module with the solutions of a notebook: that of "3_back" is course.solutions.back."""
    return importlib.import_module(f"course.solutions.{notebook[2:]}")


def solution(notebook: str, exercise: str) -> str:
    return inspect.getsource(getattr(solutions(notebook), exercise))


def exercise_cells(notebook: NotebookNode) -> dict[str, NotebookNode]:
    """Return the cells with exercises, by the name of the exercise."""
    return {cell.id.removeprefix("exercise-"): cell for cell in notebook.cells if cell.id.startswith("exercise-")}


def question(notebook: str, exercise: str) -> str:
    """Return the cell of an exercise as the notebook must have it: the solution without its body, and the check."""
    source = solution(notebook, exercise)
    head = source[: source.rindex('"""') + 3]
    return f"{head}\n    raise NotImplementedError\n\n\ncheck.{exercise}({exercise})"


def solved(name: str) -> NotebookNode:
    """Return the notebook with the solutions in its exercises."""
    notebook = read(name)
    for exercise, cell in exercise_cells(notebook).items():
        cell.source = f"{solution(name, exercise)}\n\ncheck.{exercise}({exercise})"
    return notebook
