"""Each notebook of the course runs to its end with the solutions. Minutes: only where `-m notebooks` asks for it."""

import nbformat
import notebooks
import pytest

from course import check

pytestmark = pytest.mark.notebooks
SECONDS = 600  # a cell that takes longer hangs: the notebooks take about as long together, on two busy cores
TRAINING = {"MINUTES = 3": "MINUTES = 0.5"}  # notebook 2: what it shows takes the whole time, that it runs does not


@pytest.mark.parametrize("name", check.NOTEBOOKS)
def test_a_notebook_runs_to_its_end_with_the_solutions(name, tmp_path, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the app draws nothing; other tests have imported it here
    from nbclient import NotebookClient  # a second, which every worker would take to leave the tests out

    notebook = notebooks.solved(name)
    for cell in notebook.cells:
        cell.source = TRAINING.get(cell.source, cell.source)
    elsewhere = nbformat.v4.new_code_cell(f"from pathlib import Path\n\nlab.PROJECT = Path({str(tmp_path)!r})")
    notebook.cells.insert(next(i for i, cell in enumerate(notebook.cells) if cell.id == "setup") + 1, elsewhere)
    NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": notebooks.COURSE}}).execute()
    for exercise, cell in notebooks.exercise_cells(notebook).items():
        assert [output.data["text/plain"] for output in cell.outputs] == [f"✓ {exercise}: Right."]
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if {"image/png", "text/html"} & {*output.get("data", {})}
    ]
    assert len(pictures) >= 5
