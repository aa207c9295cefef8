"""The reference of every key of a scenario, written from the model: ``python -m sim.report.reference``.

docs/scenarios.md is its output, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel

from sim.families.certmanager.releases import RELEASES, WORDS
from sim.scenario.expectations import OPERATORS
from sim.scenario.metrics import METRICS
from sim.scenario.model import Scenario
from sim.scenario.shapes import Shape, shape_of

_INTRODUCTION = """\
# Scenario reference

A scenario is one YAML file. Only `name` is required; every other key has the default given here. Unknown keys
are refused, and so is a number without its unit where a time is meant. A commented example is
`scenarios/tutorial.yaml`; `requeue schema > scenario.schema.json` gives editors a JSON Schema to complete and
check with.

A key is written on the command line with its path: `--set workload.certificates=100`,
`--set writers.0.rate=5/s`.

| kind of value | how it is written |
|---|---|
| duration | a number with its unit, `250ms`, `30s` or `1h30m`; units: `ns`, `us`, `ms`, `s`, `m`, `h`, `d` |
| rate | a number per unit of time: `5/s`, `30/m`, `100/h`; a plain number is per second |
| number, whole number | plain decimal digits; `0x10`, `010`, `1_000` and `1e3` are refused |
| true or false | `true`, `false`; `yes`, `no`, `on` and `off` are text |

Times of creations, restarts and writers count from the start, when the first Certificate is created.
"""


class Row(NamedTuple):
    """One key: ``default`` is as written, ``source`` where it comes from."""

    key: str
    wanted: str
    default: str
    meaning: str
    source: str


def reference() -> str:
    """Return the whole reference as Markdown."""
    return "\n".join([_INTRODUCTION, *_sections(), *_expectations(), *_releases()])


def rows(part: type[BaseModel], prefix: str = "") -> Iterator[Row]:
    """Return the keys that a part holds itself; the parts below it have sections of their own."""
    for key, info in part.model_fields.items():
        shape = shape_of(part, key)
        if shape.kind == "part" and not info.description:
            continue
        meaning, _, source = (info.description or "").partition("Default: ")
        default = "required" if info.is_required() else f"`{_written(info.default, shape)}`"
        yield Row(prefix + key, _wanted(shape), default, meaning.strip().rstrip("."), source.strip())


def _sections() -> Iterator[str]:
    yield from _section("Top level", "", Scenario)
    for title, path, part in _parts("", Scenario):
        yield from _section(title, f"{path}.", part)


def _parts(prefix: str, part: type[BaseModel]) -> Iterator[tuple[str, str, type[BaseModel]]]:
    """Yield each part below with its title and path; parts of one kind side by side share one section."""
    alike: dict[type[BaseModel], list[str]] = {}
    for key in part.model_fields:
        shape = shape_of(part, key)
        for below in shape.parts():
            alike.setdefault(below, []).append(f"{key}.N" if shape.kind == "list" else key)
    for below, keys in alike.items():
        several = sum(keys == other for other in alike.values()) > 1
        if len(keys) > 1:
            path = f"{prefix}NAME"
            yield (
                f"`{path}`, where NAME is {', '.join(f'`{key}`' for key in keys[:-1])} or `{keys[-1]}`",
                path,
                below,
            )
            continue
        path = prefix + keys[0]
        yield f"`{path}`" + (f" with a {next(iter(below.model_fields))}" if several else ""), path, below
        yield from _parts(f"{path}.", below)


def _section(title: str, prefix: str, part: type[BaseModel]) -> Iterator[str]:
    yield f"## {title}\n\n{(part.__doc__ or '').strip()}\n"
    yield "| key | value | default | meaning | where the default comes from |\n|---|---|---|---|---|"
    for row in rows(part, prefix):
        yield f"| `{row.key}` | {row.wanted} | {row.default} | {row.meaning} | {row.source} |"
    yield ""


def _wanted(shape: Shape) -> str:
    null = " or null" if shape.nullable else ""
    match shape.kind:
        case "choice":
            return ", ".join(f"`{choice}`" for choice in shape.choices) + null
        case "list" if shape.item:
            return "list of mappings" if shape.item.part else f"list of {_wanted(shape.item)}s"
        case "either":
            return " or ".join(dict.fromkeys(_wanted(member) for member in shape.members))
        case "int" | "float":
            name = {"int": "whole number", "float": "number"}[shape.kind]
            return ", ".join(part for part in (name, shape.range()) if part) + null
        case kind:
            return {"part": "a mapping", "table": "a mapping", "bool": "true or false"}.get(kind, kind) + null


def _written(value: Any, shape: Shape) -> str:
    if value is None:
        return "null"
    if isinstance(value, BaseModel):
        data = value.model_dump(mode="json")
        return "{" + ", ".join(f"{key}: {item}" for key, item in data.items()) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float) and shape.kind in {"duration", "rate"}:
        return shape.number(value) if shape.kind == "duration" else f"{value:g}/s"
    if isinstance(value, str):
        return value or '""'
    return f"{value:g}" if isinstance(value, float) else str(value)


def _expectations() -> Iterator[str]:
    yield "## Metrics for `expect`\n"
    operators = ", ".join(f"`{operator}`" for operator in OPERATORS)
    yield f"A condition is one of {operators} and a number; for times in seconds also a duration: `< 30s`."
    yield "A metric without a value does not meet its condition. How each is made from the replications, and which"
    yield "older spellings are accepted: [figures](figures.md).\n"
    yield "| metric | unit | what it is |\n|---|---|---|"
    for name, metric in METRICS.items():
        yield f"| `{name}` | {metric.unit} | {metric.definition} |"
    yield ""


def _releases() -> Iterator[str]:
    releases = list(RELEASES.values())
    yield "## What `preset` decides\n"
    yield f"| | {' | '.join(release.name for release in releases)} |\n|---|{'---|' * len(releases)}"
    for field in ("client_go", *WORDS):
        yield f"| `{field}` | {' | '.join(_plain(getattr(release, field)) for release in releases)} |"
    yield "\nEach is described, with its source, in `sim/families/certmanager/releases.py`."


def _plain(value: object) -> str:
    match value:
        case tuple():
            return ", ".join(map(str, value))
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)


if __name__ == "__main__":
    print(reference())
