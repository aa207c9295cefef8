"""docs/figures.md, written from the table of metrics: ``python -m sim.report.figures_reference > docs/figures.md``.

A test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator

from sim.scenario.metric import AGGREGATES, Metric
from sim.scenario.metric_definitions import EVERY
from sim.scenario.metrics import FAMILIES, METRICS

_BEFORE = """\
<!-- Written by python -m sim.report.figures_reference. -->

# Figures and folders

## Metrics

One table for all: a name means the same in `expect:`, `--metric`, `--objective` and `--constraint`, in the JSON of
every command (`metrics` in a run's summary, in every variant and cell), in Python (`result.metrics`,
`comparison.frame`) and in reports. Intervals are at 95%; those of counts and times do not go below 0. A metric that is
of all replications together cannot be paired, so nothing can be compared by it.
"""

_AFTER = """\
## The results folder

```{eval-rst}
.. automodule:: sim.recording.results
   :no-members:
```

`sim.open_results(folder)` gives its tables as pandas [frames](frames.md).

## Figures of a replication

`result.replications` has one row per replication, with its seed, its digest and these figures; the metrics are made
from them.

```{eval-rst}
.. automodule:: sim.analysis.metrics
   :no-members:
.. automodule:: sim.analysis.waste
   :no-members:
.. automodule:: sim.analysis.contention
   :no-members:
.. automodule:: sim.analysis.summary
   :no-members:
```
"""


def figures_reference() -> str:
    """Return the whole page as Markdown."""
    return "\n".join([_BEFORE, *_tables(), _AFTER]).rstrip() + "\n"


def _tables() -> Iterator[str]:
    yield from _table("What every scenario has", EVERY)
    for family in FAMILIES.values():
        yield from _table(f"Besides, of {family.who}", family.own)
    yield "## Older spellings\n"
    yield "Accepted wherever a name is, printed nowhere.\n"
    yield "| older | now |\n|---|---|"
    for metric in METRICS.values():
        for alias in metric.aliases:
            yield f"| `{alias}` | `{metric.name}` |"
    yield ""


def _table(title: str, metrics: tuple[Metric, ...]) -> Iterator[str]:
    yield f"### {title}\n"
    yield "| metric | in tables | unit | what it is | over replications | better |\n|---|---|---|---|---|---|"
    for each in metrics:
        made = AGGREGATES[each.aggregate]
        yield f"| `{each.name}` | {each.label} | {each.unit} | {each.definition} | {made} | {each.better} |"
    yield ""


if __name__ == "__main__":
    print(figures_reference(), end="")
