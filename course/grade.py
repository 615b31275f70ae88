"""`python -m course.grade FOLDER`: which checks pass in each student's notebooks.

FOLDER holds a folder for each student, with notebooks of the course in it under any name. Of a notebook only imports,
functions, classes and constants are run, so a folder takes seconds. But this is the students' code: run it where it can
do no harm.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from course import check
from course.check.exercise import NOT_FILLED_IN, Exercise, Result
from ddpm_core.commands.reading import read

PROJECT = Path(__file__).parents[1]
SECONDS = 20.0  # of one check; a function that needs more does not come to an end
OF_ALL = 180.0  # for one student
MARKS = {True: "✓", False: "✗", None: "·"}


@dataclass
class GradeFlags:
    """Print a table: a row for each student's folder, a column for each notebook, and why a check failed."""

    folder: Annotated[Path, tyro.conf.Positional]
    """the folder with one folder for each student"""
    brief: bool = False
    """only the table, without the sentences"""


def definitions(notebook: Path) -> list[str]:
    """The imports, functions, classes and constants of a notebook, one after the other."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    kept: list[str] = []
    for source in ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"):
        lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()]
        try:
            body = ast.parse("\n".join(lines)).body
        except SyntaxError:  # a cell that Python can't read has no function to check
            continue
        kept += [ast.unparse(node) for node in body if _is_definition(node)]
    return kept


def _is_definition(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return node.value is not None and _is_constant(node.value)
    return isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)


def _is_constant(value: ast.expr) -> bool:
    try:
        ast.literal_eval(value)
    except ValueError:
        return False
    return True


def names_of(notebooks: list[Path]) -> tuple[dict[str, Any], list[str]]:
    """What the notebooks define, and what was wrong with them. The definitions of later ones win."""
    names: dict[str, Any] = {}
    wrong = []
    for notebook in notebooks:
        try:
            parts = definitions(notebook)
        except (OSError, ValueError, KeyError, TypeError):
            wrong.append(f"{notebook.name} is no notebook that can be read.")
            continue
        for part in parts:
            try:
                exec(compile(part, notebook.name, "exec"), names)
            except Exception as error:
                wrong.append(f"{notebook.name}: `{part.splitlines()[0]}` stops with {type(error).__name__}: {error}.")
    return names, wrong


def checked(exercise: Exercise, function: Any) -> Result:
    """The result of a check, or that the function does not come to an end."""
    found: list[Result] = []
    worker = threading.Thread(target=lambda: found.append(exercise.check(function)), daemon=True)
    worker.start()
    worker.join(SECONDS)
    return found[0] if found else Result(exercise.name, False, f"Not at its end after {SECONDS:g} seconds.")


def grade(folder: Path) -> dict[str, Any]:
    """The sentence of each exercise that is in a student's folder, and what was wrong with the notebooks."""
    names, wrong = names_of(sorted(folder.rglob("*.ipynb")))
    results = [checked(exercise, names[name]) for name, exercise in check.EXERCISES.items() if name in names]
    return {"sentences": {r.exercise: "" if r.passed else r.sentence for r in results}, "wrong": wrong}


def apart(folder: Path) -> dict[str, Any]:
    """`grade` in a process of its own, so that one student's code can't stop the others' grades."""
    command = [sys.executable, "-c", f"from course import grade; grade.report({str(folder.resolve())!r})"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=OF_ALL, cwd=PROJECT, encoding="utf-8")
        return json.loads(done.stdout.splitlines()[-1])
    except (subprocess.TimeoutExpired, IndexError, ValueError):
        return {"sentences": {}, "wrong": ["The functions stopped Python, or did not come to an end."]}


def report(folder: str) -> None:
    """Print the grades of one folder as a line of JSON, and end, also where a function still runs."""
    print("\n" + json.dumps(grade(Path(folder))), flush=True)
    os._exit(0)


def mark(sentence: str | None) -> str:
    return MARKS[None if sentence in (None, NOT_FILLED_IN) else not sentence]


def main(arguments: list[str] | None = None) -> None:
    flags = read(GradeFlags, arguments, "python -m course.grade")
    if not flags.folder.is_dir():
        sys.exit(f"error: there is no folder {flags.folder}")
    students = sorted(path for path in flags.folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not students:
        sys.exit(f"error: {flags.folder} has no folders: it needs one for each student")
    width = max(len(student.name) for student in students)
    widths = {notebook: max(len(notebook), len(exercises)) for notebook, exercises in check.NOTEBOOKS.items()}
    print(" " * width, *(notebook.ljust(widths[notebook]) for notebook in check.NOTEBOOKS), "passed")
    for student in students:
        found = apart(student)
        sentences: dict[str, str] = found["sentences"]
        row = {
            notebook: "".join(mark(sentences.get(exercise.name)) for exercise in exercises)
            for notebook, exercises in check.NOTEBOOKS.items()
        }
        passed = sum(sentence == "" for sentence in sentences.values())
        cells = (row[notebook].ljust(widths[notebook]) for notebook in row)
        print(student.name.ljust(width), *cells, f"{passed}/{len(check.EXERCISES)}", flush=True)
        if not flags.brief:
            for name, sentence in sentences.items():
                if sentence and sentence != NOT_FILLED_IN:
                    print(f"    {name}: {sentence}")
            for sentence in found["wrong"]:
                print(f"    {sentence}")
    print(f"{MARKS[True]} right, {MARKS[False]} wrong, {MARKS[None]} not filled in")


if __name__ == "__main__":
    main()
