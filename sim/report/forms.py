"""The same results in forms that other programs take: CSV, Markdown for a pull request, JUnit's XML for a CI system."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from sim.guarded import one_line
from sim.report.numbers import interval

if TYPE_CHECKING:
    from sim.experiment.comparison import Comparison
    from sim.experiment.result import Result

_HEADLINES = 8


FIGURES = ("name", "value", "low", "high")
"""The columns of a document as CSV: a mean is its value, with the ends of its interval."""
_GROUP = {"mean", "low", "high"}


def csv_lines(heads: Sequence[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield a table as lines of CSV (RFC 4180) without their ends; None is an empty cell."""
    for cells in chain([heads], rows):
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(cells)
        yield line.getvalue()


def figures(document: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    """Yield what ``--json`` prints as rows of ``FIGURES``; names are the keys on the way, joined by dots."""
    yield from _figures("", document)


def _figures(path: str, value: Any) -> Iterator[tuple[object, ...]]:
    if isinstance(value, (list, tuple)):
        value = dict(enumerate(value))
    if not isinstance(value, Mapping):
        yield path, value, None, None
        return
    rest = value
    if value.keys() >= _GROUP:
        yield path, value["mean"], value["low"], value["high"]
        rest = {key: each for key, each in value.items() if key not in _GROUP}
    for key, each in rest.items():
        yield from _figures(f"{path}.{key}" if path else str(key), each)


def markdown(subject: Result | Comparison, command: str) -> str:
    """Return a summary to be pasted: the verdict, what was expected, the figures, and the command."""
    from sim.experiment.comparison import Comparison

    return _of_comparison(subject, command) if isinstance(subject, Comparison) else _of_run(subject, command)


def _of_run(result: Result, command: str) -> str:
    from sim.report.terminal import verdict

    summary = result.summary
    lines = [f"### {_cell(summary['scenario'])}", "", f"**{_cell(verdict(summary))}**", ""]
    lines += [_cell(summary["ending"]["said"]), ""]
    expected = [
        (f"`{each['metric']} {each['condition']}`", "met" if each["met"] else f"**not met**: {each['reason']}")
        for each in summary["expectations"]
    ]
    if expected:
        lines += [*_table(("expected", ""), expected), ""]
    found = summary["conflicts"]["by_controller"]
    who = "group of clients" if summary.get("contention") else "controller"
    lines += [*_table((who, "conflicts"), [(name, interval(group)) for name, group in found.items()]), ""]
    return _closed(lines, summary, command)


def _of_comparison(comparison: Comparison, command: str) -> str:
    from sim.report.comparison import sentences, shown

    summary = comparison.results[comparison.baseline].summary
    lines = [f"### {_cell(summary['scenario'])}", ""]
    lines += [f"- {_cell(sentence)}" for sentence in sentences(comparison)]
    lines += [f"- {_cell(each)}" for each in comparison.legend] + [""]
    names = list(comparison.results)
    rows = [
        (
            about.label,
            *(interval(comparison.estimates[name][about.name].as_dict(), about.unit) for name in names),
        )
        for about in shown(comparison)[:_HEADLINES]
    ]
    lines += [*_table(("per replication", *(comparison.shown[name] for name in names)), rows), ""]
    return _closed(lines, summary, command)


def _closed(lines: list[str], summary: Mapping[str, Any], command: str) -> str:
    many = summary["replications"]
    how = f"means of {many} replications with 95% intervals" if many > 1 else "1 replication"
    lines += [
        f"{how}, seed {summary['seed']}; simulated with requeue:",
        "",
        "```console",
        f"$ {one_line(command)}",
        "```",
    ]
    return "\n".join(lines) + "\n"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    listed = list(heads)
    lines = [f"| {' | '.join(map(_cell, listed))} |", f"| --- |{' ---: |' * (len(listed) - 1)}"]
    return lines + [f"| {' | '.join(map(_cell, row))} |" for row in rows]


def _cell(text: object) -> str:
    """Text of a scenario's, so that Markdown takes nothing of it for its own."""
    plain = one_line(str(text)).replace("|", "\\|")
    return plain if plain.startswith("`") else plain.replace("<", "&lt;")


def junit(result: Result) -> str:
    """Return expectations and invariants as a test suite in JUnit's XML: a test case each, failed where not met."""
    summary = result.summary
    name = str(summary["scenario"])
    violated = summary["violations"]
    failed = sum(not each["met"] for each in summary["expectations"]) + bool(violated)
    count = len(summary["expectations"]) + 1
    suites = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(suites, "testsuite", name=name, tests=str(count), failures=str(failed), errors="0")
    for each in summary["expectations"]:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"requeue.{name}", name=f"{each['metric']} {each['condition']}"
        )
        if not each["met"]:
            ElementTree.SubElement(case, "failure", message=one_line(str(each["reason"])))
    case = ElementTree.SubElement(suite, "testcase", classname=f"requeue.{name}", name="no invariant is violated")
    if violated:
        first = violated[0]
        said = f"replication {first['replication']}: {first['violation']}"
        ElementTree.SubElement(case, "failure", message=one_line(said))
    ElementTree.indent(suites)
    made: str = ElementTree.tostring(suites, encoding="unicode", xml_declaration=True)
    return made + "\n"
