"""The README's headline figures are those that `requeue validate` wrote."""

from __future__ import annotations

import re

from tests.docs.snippets import ROOT

PREDICTED = re.compile(
    r"^Without .*which the profile was measured on: "
    r"conflicts off by (\S+%) \(median of (\d+) cases; (\S+%) at worst; "
    r"by chance alone, with so few runs of each, (\S+%) \[.*?\] and .*?\]\); "
    r".*; median time to Ready off by (\S+%);",
    re.M,
)


def test_the_headline_is_the_validations():
    found = PREDICTED.search((ROOT / "docs" / "validation.md").read_text("utf-8"))
    assert found is not None
    median, cases, worst, by_chance, ready = found.groups()
    said = (
        f"conflicts are off by {median} in the median of {cases} cases (by chance alone {by_chance}) "
        f"and by {worst} at worst, "
        f"the median time to Ready by {ready}"
    )
    assert said in " ".join((ROOT / "README.md").read_text("utf-8").split())
