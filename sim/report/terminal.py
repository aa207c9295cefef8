"""What ``requeue run`` says: the verdict in words first, then the figures behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.analysis.endings import deleted
from sim.analysis.hazards import HAZARDS as HEADS
from sim.analysis.metrics import WRITING_CONTROLLERS
from sim.report import contention
from sim.report.numbers import amount, interval, write
from sim.report.recorded import Recorded, Values
from sim.report.sentences import controlled, expired, going_wrong, replicated
from sim.report.text import bold, footer, led, losses, render, table
from sim.scenario.expectations import written
from sim.scenario.machinery import is_own
from sim.scenario.metrics import find
from sim.units import counted, plural

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

    from sim.scenario.model import Scenario

Summary = Mapping[str, Any]
CERTIFICATE = "Certificate"
NOTHING: Mapping[str, Any] = {"mean": None}
_SPELLED = {each.lower(): each for each in ("CertificateRequests", "Orders", "Challenges")}
HAZARDS = (
    *("lost_updates", "lost_updates.never_repaired", "duplicates", "already_exists", "writes_without_change"),
    *("stale_reconciles", "errors_logged", "late_writes"),
)
"""Figures of operators: what goes wrong beyond the 409."""


OF_RENEWALS = (
    *(f"time_to_renewed.{q}" for q in ("p50", "p95", "p99")),
    *("margin.least", "margin.p50", "expired", "conflicts.per_issuance"),
)
"""Shown where anything was renewed."""


def _broken(summary: Summary) -> str:
    found = summary["broken"]
    heading = f"{counted(len(found), 'time')} a property of the scenario was broken:"
    return _first_of(heading, found, "property")


def _violations(summary: Summary) -> str:
    found = summary["violations"]
    heading = f"{counted(len(found), 'INVARIANT', 'INVARIANTS')} VIOLATED: do not trust the figures below."
    return _first_of(heading, found, "violation")


def _first_of(heading: str, found: Sequence[Mapping[str, Any]], key: str) -> str:
    lines = [heading, *(f"  replication {each['replication']}: {each[key]}" for each in found[:SHOWN_VIOLATIONS])]
    if len(found) > SHOWN_VIOLATIONS:
        lines.append(f"  ... and {len(found) - SHOWN_VIOLATIONS} more in summary.json")
    return "\n".join(lines)


def kind(summary: Summary) -> str:
    """Return the kind that the figures are about."""
    return str(summary["kind"])


def what_runs(scenario: Scenario) -> str:
    """Return who works in a scenario, in a word or two."""
    if scenario.contention is not None:
        return "plain clients"
    if scenario.workload.kind == CERTIFICATE:
        return scenario.preset
    return ", ".join(f"{each.name} ({each.runtime})" for each in scenario.operators) or "no operator"


def kinds(summary: Summary) -> str:
    """Return several of them, in words."""
    return plural(kind(summary))


SHOWN_VIOLATIONS = 10


def run_report(summary: Summary, *, folder: Path | None, command: str, terminal: bool) -> str:
    """Return the report on a run's summary; ``command`` is the one that reproduces it."""
    parts: list[RenderableType] = []
    if summary["violations"]:
        parts.append(bold(_violations(summary), "red"))
    if summary.get("broken"):
        parts.append(bold(_broken(summary), "red"))
    parts += [bold(verdict(summary)), summary["ending"]["said"], _conditions(summary), *filter(None, [course(summary)])]
    parts += [bold(line, "red") for line in going_wrong(summary)]
    parts += [bold(f"Warning: {warning}", "yellow") for warning in summary["warnings"]] + [""]
    if summary.get("contention"):
        parts += [contention.groups(summary, terminal), "", contention.figures(summary, terminal)]
    else:
        parts += [_conflicts(summary, terminal), "", _figures(summary, terminal)]
        wrong = hazards(summary, terminal)
        parts += ["", wrong] if wrong is not None else []
    parts += _notes(summary)
    parts += on_a_cluster(summary)
    if summary["expectations"]:
        parts += ["", *(_expectation(each) for each in summary["expectations"])]
    parts.append("")
    return render(parts + footer(folder, command), terminal)


def _notes(summary: Summary) -> list[RenderableType]:
    """What was asked of the precision, and what a run that settles comes to."""
    lines: list[RenderableType] = []
    precision = summary.get("precision")
    if precision:
        about = find(precision["metric"])
        found, asked = interval(precision, about.unit), write(precision["asked"], "share")
        many = summary["replications"]
        if precision["reached"]:
            lines.append(f"{about.label} known to {asked} after {many} replications: {found}")
        else:
            lines.append(bold(f"{about.label} is NOT known to {asked} after {many} replications: {found}"))
        lines += controlled(precision)
    found_steady = summary.get("steady")
    if found_steady:
        group = found_steady["time_to_ready"]
        cut, of = group["warm_up"], group["observations"]
        lines.append(
            f"Steady time to Ready, mean {interval(group, 'seconds')}, without the first {cut} of {of} {kinds(summary)}"
        )
        if not group["settled"]:
            lines.append(bold("WARNING: that cut is past half the run, so it has not settled: make it longer"))
    return ["", *lines] if lines else []


def on_a_cluster(summary: Summary) -> list[str]:
    """Return how far a real cluster may be from all this: what the profile says of itself, and drawn profiles."""
    about = summary.get("profile")
    if not about or kind(summary) != CERTIFICATE:
        return []
    lines = ["", f"Profile: {profile_words(about)}"]
    found = summary.get("on_a_cluster")
    if found:
        each = [f"{find(name).label} {_from_to(group, find(name).unit)}" for name, group in found.items()]
        lines.append(
            "One run of a real cluster, 95%, with profiles drawn within what is known (the intervals above are of the "
            f"simulation's means alone): {', '.join(each)}."
        )
    return lines


def _from_to(group: Mapping[str, float], unit: str) -> str:
    return f"{write(group['low'], unit)} to {write(group['high'], unit)}"


def profile_words(about: Mapping[str, Any]) -> str:
    """Return what a profile is and how far predictions with it are off, in words."""
    name, here, elsewhere = about["name"], about.get("here"), about.get("elsewhere")
    if here:
        return f"{name}, calibrated with {' and '.join(here['with'])}; on its cluster expect {within(here)}."
    measured = f", measured on {about['cores']} cores" if about.get("cores") else ""
    if elsewhere is None:
        figures = f"{name}{measured}" if name else "the documented figures"
        return f"{figures}; how far off it is on your cluster is not known: requeue calibrate measures yours."
    best = min(elsewhere.get("with", {}).items(), key=lambda item: float(item[1]["conflicts"]), default=None)
    better = f"; calibrated with {best[0]} {within(best[1])}" if best else ""
    named = name if name.endswith((".yaml", ".yml")) else f"shipped ({name})"
    return (
        f"{named}{measured}; for your cluster expect {within(elsewhere)}{better}: calibrate with "
        "requeue calibrate LOGS -o mine.yaml."
    )


def within(errors: Mapping[str, Any]) -> str:
    """Return how far off predictions are, in words."""
    conflicts, times = (write(errors[figure], "share") for figure in ("conflicts", "time_to_ready"))
    return f"conflicts within {conflicts} and times to Ready within {times}"


def verdict(summary: Summary) -> str:
    """Return the outcome in two or three sentences: expired, Ready, conflicts, losses; of plain clients theirs."""
    if summary.get("contention"):
        return contention.verdict(summary)
    found = summary["conflicts"]
    if found["rate"] is None:
        conflicts = "No conditional write was attempted, so none was refused"
    else:
        rate = write(found["rate"]["mean"], "share")
        many = amount(found["per_certificate"], "conflict")
        conflicts = f"{many} per {kind(summary)}, {rate} of conditional writes refused"
    if kind(summary) != CERTIFICATE:  # of cert-manager the table below says it
        conflicts += "".join(f", {amount(each, 'conflict')} on {what}" for what, each in _elsewhere(summary).items())
    gone = expired(summary)
    return f"{gone}{'; ' * bool(gone)}{_ready(summary)} {conflicts}; {_losses(summary)}."


def _elsewhere(summary: Summary) -> dict[str, float]:
    """Conflicts on other objects than those that the figures are about, by resource."""
    found = summary.get("conflicts_on_other_resources", {})
    return {resource: sum(by.values()) for resource, by in found.items()}


def _ready(summary: Summary) -> str:
    group, asked = summary["ready"], summary["certificates"]
    of = f"of {counted(asked, kind(summary))}"
    if group["mean"] == asked and group["low"] in {None, asked}:
        every = " in every replication" if summary["replications"] > 1 else ""
        return f"{asked:,} {of} became Ready{every}."
    gone = deleted(summary["ending"], asked)
    return f"{amount(group, of, of)} {'is' if group['mean'] == 1 else 'are'} Ready at the end{', ' * bool(gone)}{gone}."


def _losses(summary: Summary) -> str:
    unseen, end = "unseen what another had written", "not finished at the end"
    overwritten, stranded = summary["overwritten"]["total"]["mean"], summary["stranded"]["mean"]
    lost = (
        *_of_operators(summary),
        (overwritten, f"write overwrote {unseen}", f"writes overwrote {unseen}"),
        (stranded, f"{kind(summary)} was {end}", f"{kinds(summary)} were {end}"),
        (summary["gave_up"]["mean"], "reconcile gave up", "reconciles gave up"),
    )
    return losses(lost, summary, "nothing else was lost" if expired(summary) else "nothing was lost")


def _of_operators(summary: Summary) -> list[tuple[float | None, str, str]]:
    """What operators lose beside, with its words for one and for many."""
    found = summary["metrics"]
    never = found.get("lost_updates.never_repaired", NOTHING)["mean"]
    rest = f" ({write(never)} never repaired)" if never else " (repaired)"
    return [
        (found.get("lost_updates", NOTHING)["mean"], f"update was lost{rest}", f"updates were lost{rest}"),
        (found.get("duplicates", NOTHING)["mean"], "object was created twice", "objects were created twice"),
    ]


def hazards(summary: Summary, terminal: bool) -> Table | None:
    """What went wrong beyond the 409, by controller; ``None`` where nothing did."""
    heads, rows = hazard_rows(summary["hazards"])
    if not rows:
        return None
    made = table("What goes wrong, by controller", "", *heads, terminal=terminal)
    for row in rows:
        made.add_row(*row)
    return made


def hazard_rows(found: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return the heads of the hazards that there were, and a row for each controller that had one."""
    shown = [name for name in HEADS if found.get(name)]
    who = dict.fromkeys(each for name in shown for each in found[name])
    rows = [(each, *(interval(found[name].get(each)) for name in shown)) for each in who]
    return [HEADS[name] for name in shown], rows


def _conditions(summary: Summary) -> str:
    return f"{summary['scenario']}: {summary['strategy']}, {replicated(summary)}, seed {summary['seed']}"


def course(summary: Summary) -> str:
    """Return how much was issued and renewed, and how often each other writer wrote; ``""`` of plain clients alone."""
    found, said = summary["metrics"], list[str]()
    described = summary["reconciles"]["by_controller"] if kind(summary) != CERTIFICATE else ()
    if found.get("issued") and not found["issued"]["mean"]:
        said.append("nothing was issued")
    elif found.get("issued"):
        renewed = f", of them {amount(found['renewed'], 'renewal')}" if found["renewed"]["mean"] else ", no renewal"
        said.append(f"{amount(found['issued'], 'issuance')}{renewed}")
    others = [
        f"{name} wrote {amount(group, 'time')}"
        for name, group in summary["written"]["by_controller"].items()
        if not is_own(name) and name not in described
    ]
    means = others or (found.get("issued") and found["issued"]["mean"])
    many = " (means per replication)" if means and summary["replications"] > 1 else ""
    return f"{'; '.join([*said, *others])}{many}." if said or others else ""


def _conflicts(summary: Summary, terminal: bool) -> Table:
    beside = Recorded(summary["recorded"])
    heads = ("conflicts", "rate", "attempted", *beside.heads)
    made = table("Conflicts by controller, per replication", "controller", *heads, terminal=terminal)
    found = summary["conflicts"]
    for name, group in found["by_controller"].items():
        cells = beside.cells(beside.conflicts(name) if name in WRITING_CONTROLLERS else ())
        made.add_row(name, interval(group), write(group["rate"], "share"), write(group["attempted"]), *cells)
    # A recording counts what cert-manager's controllers did: where others wrote too, that is a row of its
    # own.
    cells, none = beside.cells(beside.conflicts()), beside.cells(())
    if kind(summary) == CERTIFICATE and len(found["by_controller"]) > len(WRITING_CONTROLLERS):
        own = found["by_cert_manager"]
        rate = write(own["rate"], "share")
        made.add_row("all of cert-manager", interval(own), rate, write(own["attempted"]), *cells, style="bold")
        cells = none
    rate = write(found["rate"] and found["rate"]["mean"], "share")
    made.add_row("all", interval(found["total"]), rate, write(found["attempted"]), *cells, style="bold")
    return made


def _figures(summary: Summary, terminal: bool) -> Table:
    beside = Recorded(summary["recorded"])
    made = table("Other figures, per replication", "", "simulated", *beside.heads, terminal=terminal)

    def row(label: str, value: str, recorded: Values = (), unit: str = "count") -> None:
        made.add_row(label, value, *beside.cells(recorded, unit))

    def of_metrics(names: Sequence[str]) -> None:
        for about in map(find, names):
            row(about.label, interval(summary["metrics"][about.name], about.unit))

    for name, group in summary["time_to_ready_intervals"].items():
        row(f"time to Ready, {name}", interval(group, "seconds"), beside.time_to_ready(name), "seconds")
    if summary["ending"]["never_ready"]:
        row("  left out, never Ready", write(summary["ending"]["never_ready"]))
    if summary["metrics"].get("renewed", NOTHING)["mean"]:
        of_metrics(OF_RENEWALS)
    requests = summary["requests"]
    row("requests", write(requests["total"]))
    who = "cert-manager" if kind(summary) == CERTIFICATE else "the operators"
    row(f"  by {who}", write(requests["by_controllers"]), beside.requests())
    row("  of all, events", write(requests["events_share"], "share"))
    row("successful status writes", interval(summary["status_writes"]["total"]), beside.status_writes())
    row("reconciles", interval(summary["reconciles"]["total"]))
    row("  ghosts", interval(summary["ghost_reconciles"]["total"]))
    for resource, count in _elsewhere(summary).items():  # issuer and approver, for one, write the same request
        row(f"conflicts on {_SPELLED.get(resource, resource)}", write(count))
        for actor, many in summary["conflicts_on_other_resources"][resource].items():
            row(f"  by {actor}", write(many))
    row("retries", interval(summary["retries"]))
    if summary["gave_up"]["mean"]:
        row("  gave up", interval(summary["gave_up"]))
    if summary["budget_refusals"]["mean"]:
        row("  refused by the budget", interval(summary["budget_refusals"]))
    if kind(summary) == CERTIFICATE:
        row("log lines", write(summary["log_lines"]))
    else:
        for who, many in requests["by_kind"].items():
            request, _, code = who.rpartition(" ")
            if code >= "400" and (code != "409" or request.split()[-2] == "apply"):  # other 409s are counted above
                row(f"answered {code}: {request}", write(many))
        of_metrics(HAZARDS)
        return made
    for label, group in (
        ("field conflicts of applies", summary["field_conflicts"]),
        ("retries inside the server", summary["hidden_retries"]),
        ("Secrets applied again", summary["duplicates"]["secret_applies"]),
        ("CertificateRequests made again", summary["duplicates"]["requests"]),
    ):
        if group["mean"]:
            row(label, interval(group))
    return made


def _expectation(outcome: Mapping[str, Any]) -> Text:
    said = f"{outcome['metric']} {outcome['condition']}"
    if outcome["met"]:
        return led("met", "green", f"      {said}  ({written(outcome['value'], outcome['metric'])})")
    return led("NOT MET", "bold red", f"  {said}  ({outcome['reason']})")
