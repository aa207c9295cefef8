"""The Chinese pages say what the English ones say: the same commands, the same printed answers, the same figures."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.docs.snippets import ROOT

PAIRS = [(page, page.with_name(page.name.replace(".zh.md", ".md"))) for page in sorted(ROOT.glob("**/*.zh.md"))]
PAIRS = [pair for pair in PAIRS if not {"build", ".venv"} & set(pair[0].relative_to(ROOT).parts)]
_BLOCK = re.compile(r"^```\w*\n.*?^```$", re.M | re.S)
_NUMBER = re.compile(r"\d[\d.,]*%?")


def blocks(page: Path) -> list[str]:
    """The fenced blocks of a page without their comments, which are translated."""
    found = _BLOCK.findall(page.read_text("utf-8"))
    return [re.sub(r"\s+# .*$", "", block, flags=re.M) for block in found]


def figures(page: Path) -> Counter[str]:
    """The numbers of a page outside of its blocks, links and code."""
    text = _BLOCK.sub("", page.read_text("utf-8"))
    text = re.sub(r"\]\([^)]*\)|`[^`]*`", "", text)
    return Counter(number.rstrip(".,") for number in _NUMBER.findall(text))


@pytest.mark.parametrize(("chinese", "english"), PAIRS, ids=lambda page: page.stem)
def test_a_translation_has_the_same_commands_and_figures(chinese: Path, english: Path):
    assert blocks(chinese) == blocks(english)
    assert figures(chinese) == figures(english)


def test_the_readme_and_the_questions_are_translated():
    assert {chinese.name for chinese, _ in PAIRS} >= {"README.zh.md", "questions.zh.md"}
