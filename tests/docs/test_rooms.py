"""The picture of the rooms is what the code is, and the page of likely changes names files that are there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs import rooms

DOCS = Path(__file__).parents[2] / "docs"


def test_the_picture_of_the_rooms_is_drawn_from_the_code():
    assert rooms.PICTURE.read_text(encoding="utf-8") == rooms.drawn(), "python -m tests.docs.rooms draws it again"


def test_every_room_is_on_the_page():
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `sim/(\w+)(?:\.py)?` \|", page, flags=re.MULTILINE))
    assert told == set(rooms.rooms())


def test_the_page_of_likely_changes_names_files_that_are_there():
    page = (DOCS / "where.md").read_text(encoding="utf-8")
    links = re.findall(r"\[([^\]]+)\]\(\.\./([^)]+)\)", page)
    assert len(links) > 25
    for name, path in links:
        assert (DOCS.parent / path).exists(), path
        assert path.rstrip("/").endswith(name.rstrip("/")), f"{name} does not lead to {path}"


def test_files_that_the_architecture_names_are_there():
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:\w+/)+\w+\.py)`", page):
        root = DOCS.parent
        assert (root / path).exists() or (root / "sim" / path).exists(), path
