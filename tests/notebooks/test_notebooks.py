from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


CELL_SECONDS, NOTEBOOK_SECONDS = 20, 90
"""What a reader waits for on two cores that have nothing else to do: held by ``make notebook-times``."""


def test_there_are_notebooks():
    assert {notebook.stem[:2] for notebook in NOTEBOOKS} >= {"01", "02", "03", "04", "05", "06", "07", "08"}


def read(notebook: Path) -> Any:
    import nbformat  # takes a second, which not every worker needs to spend

    return nbformat.read(notebook, as_version=4)


def names(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=names)
def test_a_notebook_tells_a_story_and_ends_with_questions(notebook: Path):
    cells = read(notebook).cells
    assert cells[0].cell_type == "markdown"
    assert cells[0].source.startswith("# ")
    assert sum(cell.cell_type == "markdown" for cell in cells) * 2 >= len(cells) - 4
    _, heading, questions = cells[-1].source.partition("## Questions to try\n")
    assert heading
    assert questions.count("\n- ") >= 4


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=names)
def test_a_notebook_is_kept_without_output(notebook: Path):
    for cell in read(notebook).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=names)
def test_a_notebook_uses_what_is_public(notebook: Path):
    code = "\n".join(cell.source for cell in read(notebook).cells if cell.cell_type == "code")
    imported = set(re.findall(r"^\s*(?:from|import) (sim[\w.]*)", code, re.M))
    assert imported <= {"sim", "sim.controllers"}
    assert not re.search(r"\b\w+\._[a-z]", code)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the Jupyter client's own making
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=names)
def test_a_notebook_runs_from_any_folder(notebook: Path, tmp_path: Path):
    from nbclient import NotebookClient

    page = read(notebook)
    client = NotebookClient(page, timeout=110, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    if "NOTEBOOK_TIMES" in os.environ:
        seconds = [_seconds(cell) for cell in page.cells if cell.cell_type == "code"]
        print(f"{notebook.stem}: {sum(seconds):.0f} s, the longest cell {max(seconds):.1f} s")
        assert max(seconds) < CELL_SECONDS
        assert sum(seconds) < NOTEBOOK_SECONDS
    shown = [output for cell in page.cells for output in cell.get("outputs", [])]
    assert not [output for output in shown if output.output_type == "error"]
    assert not _standard_error(shown)
    assert any("image/png" in output.get("data", {}) for output in shown)
    assert list(tmp_path.iterdir()) == []


def _seconds(cell: Any) -> float:
    """How long a cell took, by the times that the client wrote into it."""
    began, ended = (cell.metadata["execution"][name] for name in ("iopub.execute_input", "shell.execute_reply"))
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


def _standard_error(outputs: list[Any]) -> str:
    return "".join(output.text for output in outputs if output.get("name") == "stderr")
