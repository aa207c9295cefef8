"""The picture of the rooms in docs/architecture.md, drawn from the code: ``python -m tests.docs.rooms`` writes it.

A design structure matrix: the rooms stand on the diagonal in their order, and a dot says that the room of its row
imports the one of its column. Dots below the diagonal are imports of what is upstream.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from tests.test_architecture import BESIDE, ORDER, imports, room

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "rooms.svg"
CELL, LEFT, TOP = 30, 110, 16
HIDDEN = {"__main__", "extras", "guarded"}
"""What starts the command line, and two modules at the root that everybody may import."""


def rooms() -> list[str]:
    """The rooms from upstream to downstream, as they are drawn."""
    ordered: list[str] = []
    for names in ORDER:
        ordered += sorted(names - HIDDEN)
        if "units" in names:
            ordered += sorted(BESIDE)
    return ordered


def edges() -> set[tuple[str, str]]:
    """Pairs of rooms of which the first imports the second."""
    return {
        (room(name), room(other)) for name, others in imports().items() for other in others if room(name) != room(other)
    }


def drawn() -> str:
    """The picture, the same for the same imports."""
    names = rooms()
    place = {name: number for number, name in enumerate(names)}
    size = CELL * len(names)
    width, height = LEFT + size + 130, TOP + size + 42
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'font-family="sans-serif" font-size="13" role="img">',
        "<title>Which room of the code imports which: each only those before it</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for name, number in place.items():
        y = TOP + CELL * number
        shade = "#f4f6f8" if number % 2 == 0 else "#fff"
        parts.append(f'<rect x="10" y="{y}" width="{LEFT + size}" height="{CELL}" fill="{shade}"/>')
        x = LEFT + CELL * number
        parts.append(f'<rect x="{x + 3}" y="{y + 3}" width="{CELL - 6}" height="{CELL - 6}" rx="4" fill="#2a6f97"/>')
        parts.append(f'<text x="{LEFT - 10}" y="{y + 20}" text-anchor="end" fill="#1b2733">{escape(name)}</text>')
    for one, other in sorted(edges()):
        if one in place and other in place:
            x, y = (LEFT + CELL * place[other] + CELL // 2, TOP + CELL * place[one] + CELL // 2)
            upstream = place[other] < place[one]
            parts.append(f'<circle cx="{x}" cy="{y}" r="5" fill="{"#61a5c2" if upstream else "#d1495b"}"/>')
    note = (
        "A dot: the room of this row imports the room of that column. Red ones: values that Jupyter asks how they look."
    )
    parts.append(f'<text x="18" y="{TOP + size + 26}" fill="#52606d" font-size="12">{note}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    PICTURE.write_text(drawn(), encoding="utf-8")
