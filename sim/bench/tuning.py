"""The tables of docs/tuning.md: what each setting does on recorded scenarios, and which retry budgets are enough.

``python -m sim.bench.tuning docs/tuning.md`` computes them and writes them into the generated part of the
document; about ten minutes on two cores. Each table is one ``requeue sweep`` or ``budget`` and names it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.report.numbers import interval, write
from sim.scenario.metrics import find

SCENARIOS = ("recorded/burst-50-update", "recorded/steady-60-update")
FACTORS: Mapping[str, str] = {
    "retry.base": "100ms,300ms,1s,3s,10s,20s",
    "retry.max": "1s,5s,30s,5m",
    "controllers.workers": "1,2,5,20,50",
    "client.qps": "10,20,50,100",
    "client.burst": "1,20,50,200",
}
COLUMNS = ("conflicts.per_certificate", "ghost_reconciles", "requests.total", "time_to_ready.p50", "time_to_ready.p99")
REPLICATIONS = 20
BUDGETS = (
    "recorded/burst-50-update",
    "recorded/steady-60-update",
    "recorded/workers20-50-update",
    "recorded/renew-20-update",
    "recorded/gitops-update-50-update",
    "claims/busy-cluster",
)


def sweep_command(scenario: str, key: str) -> list[str]:
    """Return the words of the command that computes a table; room for the longest of the first waits."""
    room = ["--set", "retry.max=2m"] if key == "retry.base" else []
    return ["requeue", "sweep", scenario, "--vary", f"{key}={FACTORS[key]}", *room, "--replications", str(REPLICATIONS)]


def sweep_table(document: Mapping[str, Any], key: str) -> list[str]:
    """Return a sweep over one key as a table: means of the current value, differences from it of the others.

    ``document`` is ``Sweep.as_dict``. A difference that is not decided is in italics.
    """
    lines = _head([key, *(find(name).label for name in COLUMNS)])
    cells = {cell["settings"][key]: cell for cell in document["cells"]}
    for value in document["vary"][key]:
        cell = cells[value]
        row = [f"**{value}**" if cell["current"] else value]
        for name in COLUMNS:
            kind = find(name).unit
            if cell["current"]:
                row.append(f"**{interval(cell['metrics'][name], kind)}**")
            else:
                found = cell["difference"][name]
                said = interval(found, kind, signed=True)
                row.append(f"*{said}*" if found["verdict"] == "undecided" else said)
        lines.append(f"| {' | '.join(row)} |")
    return lines


def budget_table(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the budgets of scenarios by name, each ``Budget.as_dict``, as one table."""
    heads = ["scenario", "writes", "given up with 1 try", "2", "3", "4", "tries enough", "writes lost at most"]
    lines = _head([*heads, "tries per accepted write", "wasted core time"])
    for name, each in found.items():
        shares = {entry["tries"]: entry["share"] for entry in each["given_up"]}
        enough = each["budget"]
        row = [name, f"{each['writes']:,}"]
        row += [interval(shares[tries], "share") if tries in shares else "0%" for tries in (1, 2, 3, 4)]
        row += [str(enough["tries"]), write(enough["writes_lost_at_most"], "share")] if enough else ["-", "-"]
        row += [interval(each["amplification"]), interval(each["wasted_cpu"], "seconds")]
        lines.append(f"| {' | '.join(row)} |")
    return lines


def _head(heads: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]


def generate() -> str:
    """Compute everything and return the generated part."""
    from shlex import join

    from sim.experiment.studies import budget, sweep
    from sim.experiment.variants import parse_vary
    from sim.report.validation_markdown import BEGIN, END
    from sim.scenario.reading.catalogue import resolve_scenario
    from sim.scenario.reading.loader import load

    lines = [BEGIN.format(command="python -m sim.bench.tuning docs/tuning.md"), ""]
    for name in SCENARIOS:
        lines += [f"### {name}", ""]
        for key in FACTORS:
            words = sweep_command(name, key)
            settings = [words[place + 1] for place, word in enumerate(words) if word == "--set"]
            scenario = load(resolve_scenario(name), settings)
            _, values = parse_vary(f"{key}={FACTORS[key]}")
            found = sweep(scenario, {key: values}, replications=REPLICATIONS)
            lines += [f"`{join(words)}`", "", *sweep_table(found.as_dict(), key), ""]
            sys.stderr.write(f"{name} {key}\n")
    budgets = {}
    for name in BUDGETS:
        budgets[name] = budget(load(resolve_scenario(name)), replications=REPLICATIONS).as_dict()
        sys.stderr.write(f"{name} budget\n")
    lines += ["### Budgets", "", f"`requeue budget SCENARIO --replications {REPLICATIONS}`", "", *budget_table(budgets)]
    return "\n".join([*lines, "", END]) + "\n"


def main(words: Sequence[str]) -> None:
    """Bring the generated part of the document up to date."""
    from sim.report.validation_markdown import replaced

    path = Path(words[0])
    text = path.read_text(encoding="utf-8")
    path.write_text(replaced(text, generate()), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
