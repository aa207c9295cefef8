from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.snippets import ROOT, beginning, commands, matches, run_page, snippets

PAGES = [page for page in sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md"]) if list(snippets(page))]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_says_happens(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    assert run_page(page, tmp_path)
    plt.close("all")


def test_the_pages_for_learning_have_snippets_that_run():
    assert {"tutorial", "how-to", "own-controller"} <= {page.stem for page in PAGES}


def test_dots_stand_for_anything_and_the_rest_for_itself():
    assert matches("a ... z\n...\n", "a b z\nmore\nlines\n")
    assert not matches("a ... z\n", "a b y\n")
    assert not matches("a\n", "a\nb\n")
    assert matches("", "whatever")


def test_commands_are_told_from_what_they_print():
    assert list(commands("$ one\nout\n$ two  # why\n")) == [("one", "out\n"), ("two", "")]


def test_the_beginning_of_an_output_is_written_again():
    assert (
        beginning("old\nlines\n...\n", f"{30 * 'long '}\nand more\n")
        == f"{20 * 'long '}".rstrip() + f"\n{10 * 'long '}".rstrip() + "\n...\n"
    )
    with pytest.raises(ValueError, match="alone"):
        beginning("... in the middle\n", "new\n")
