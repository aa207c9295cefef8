"""What ``requeue run`` says of plain clients: how long, how much work, who was refused, who came off badly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sim.report.numbers import amount, interval, write
from sim.report.text import losses, table
from sim.units import counted

if TYPE_CHECKING:
    from rich.table import Table

Summary = Mapping[str, Any]


def verdict(summary: Summary) -> str:
    """Return the outcome in a few sentences: commits, time, work, conflicts, losses."""
    found, how = summary["conflicts"], summary["contention"]
    seconds = interval(summary["time"], "milliseconds")
    if how["loop"] == "once":
        of = f"of {counted(summary['clients'], 'client')}"
        said = f"{amount(summary['commits'], of, of)} committed"
        said += f"; the last answer came after {seconds}" if summary["time"]["mean"] is not None else ""
    else:
        said = f"{amount(summary['throughput'], 'commit')} a second"
        said += f", {seconds} each" if summary["time"]["mean"] is not None else ""
    if found["rate"] is None:
        refused = "No conditional write was attempted, so none was refused"
    else:
        refused = (
            f"{amount(summary['work'], 'write')}, {interval(found['rate'], 'share')} of the conditional ones refused"
        )
    return f"{said}. {refused}; {_losses(summary)}."


def _losses(summary: Summary) -> str:
    lost = (
        (summary["gave_up"]["mean"], "job given up", "jobs given up"),
        (summary["timeouts"]["mean"], "answer came too late", "answers came too late"),
        (summary["overwritten"]["total"]["mean"], "write overwrote another unseen", "writes overwrote others unseen"),
        (summary["starved"]["mean"], "client committed nothing", "clients committed nothing"),
    )
    return losses(lost, summary, "nothing was given up")


def groups(summary: Summary, terminal: bool) -> Table:
    """Return the table of the groups of clients."""
    heads = ("clients", "commits", "conflicts", "rate", "attempted")
    made = table("Commits and conflicts by group of clients, per replication", "group", *heads, terminal=terminal)
    found, clients = summary["conflicts"], summary["contention"]["clients"]
    for name, group in found["by_controller"].items():
        count = "open loop" if clients[name] is None else str(clients[name])
        cells = (interval(group), write(group["rate"], "share"), write(group["attempted"]))
        made.add_row(name, count, interval(summary["commits_by_group"][name]), *cells)
    if len(found["by_controller"]) > 1:
        rate = write(found["rate"] and found["rate"]["mean"], "share")
        cells = (interval(found["total"]), rate, write(found["attempted"]))
        made.add_row("all", "", interval(summary["commits"]), *cells, style="bold")
    return made


def figures(summary: Summary, terminal: bool) -> Table:
    """Return the table of the other figures."""
    made = table("Other figures, per replication", "", "simulated", terminal=terminal)
    label = "time to the last answer" if summary["contention"]["loop"] == "once" else "time of a job that committed"
    made.add_row(label, interval(summary["time"], "milliseconds"))
    for name, group in summary["job_time"].items():
        made.add_row(f"time of a job, {name}", interval(group, "milliseconds"))
    for label, name in (
        ("work (writes sent)", "work"),
        ("commits per second", "throughput"),
        ("tries per job", "tries_per_job"),
        ("retries", "retries"),
        ("gave up", "gave_up"),
    ):
        made.add_row(label, interval(summary[name]))
    if summary["overwritten"]["total"]["mean"]:
        made.add_row("writes that overwrote unseen", interval(summary["overwritten"]["total"]))
    made.add_row("requests, reads included", write(summary["requests"]["total"]))
    for label, name in (
        ("retries refused by the budget", "budget_refusals"),
        ("answers not waited for", "timeouts"),
        ("clients that committed nothing", "starved"),
        ("field conflicts of applies", "field_conflicts"),
        ("the same stale version sent again", "stale_again"),
    ):
        if summary[name]["mean"]:
            made.add_row(label, interval(summary[name]))
    return made
