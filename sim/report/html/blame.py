"""Sections of a report on conflicts: who has them and when, who loses to whom and why, and what no 409 shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from sim.plot.style import short
from sim.report.html.findings import TIME, Named, about_run, plain
from sim.report.html.parts import Section, Table, picture
from sim.report.numbers import NONE, interval, write
from sim.report.sentences import DELAYED
from sim.scenario.metrics import PLAIN

if TYPE_CHECKING:
    import pandas as pd

PART_MEANINGS = {
    "watch_lag": "watch lag: the news was on its way to the cache",
    "workqueue": "workqueue: the key waited for a worker",
    "own_work": "own work: deciding, encoding, generating keys",
    "token": "token: waiting for the client's rate limiter",
    "in_flight": "in flight: requests on the network and in the server",
}


def conflicts(named: Named) -> Section:
    """Who has conflicts, and when."""
    from sim import plot

    section = Section("conflicts", "Conflicts")
    writers = list(dict.fromkeys(w for each in named.values() for w in each.summary["conflicts"]["by_controller"]))
    rows = []
    for writer in writers:
        cells = [writer]
        for each in named.values():
            group = each.summary["conflicts"]["by_controller"].get(writer)
            if group is None:
                cells.append(NONE)
            elif group["rate"] is None:
                cells.append("none attempted")
            else:
                share, tried = write(group["rate"], "share"), write(group["attempted"])
                cells.append(f"{interval(group)}; {share} of {tried}")
        rows.append(cells)
    heads = ("", *named) if len(named) > 1 else ("", "conflicts; share of attempts refused")
    who = "group of clients" if all(plain(each) for each in named.values()) else "controller"
    section.tables.append(Table(f"Conflicts by {who}, per replication", heads, rows))
    lines = max(4, len(writers)) * (0.25 + 0.12 * len(named))
    section.pictures.append(
        picture(
            "by-controller",
            partial(plot.conflicts_by_controller, dict(named)),
            "Mean conflicts per replication of every writer, with 95% intervals; the table has the numbers.",
            height=1.2 + lines,
            grid="x",
        )
    )
    over = {name: each.conflicts["decided_at"].dt.total_seconds() for name, each in named.items()}
    last = max((float(each.max()) for each in over.values() if len(each)), default=0.0)
    section.pictures.append(
        picture(
            "over-time",
            partial(plot.conflicts_over_time, dict(named)),
            "Conflicts per second over simulated time, mean of all replications.",
            _by_tenths(over, named, last) if last else None,
            zoom=TIME,
        )
    )
    return section


def _by_tenths(over: Mapping[str, pd.Series[float]], named: Named, last: float) -> Table:
    rows = []
    for tenth in range(10):
        low, high = last * tenth / 10, last * (tenth + 1) / 10
        counts = [
            ((each >= low) & ((each < high) | (tenth == 9))).sum() / len(named[name].measured)
            for name, each in over.items()
        ]
        rows.append((f"{low:.3g} to {high:.3g} s", *(write(float(count)) for count in counts)))
    return Table("Conflicts per replication in each tenth of the time", ("time", *named), rows)


def losers(named: Named) -> Section:
    """Who loses to whom, over what, at what cost."""
    from sim import plot

    section = Section("blame", "Who loses to whom")
    section.words.append(
        "The winner is the writer whose change the loser had not seen. A conflict is a true one where both touched "
        "the same fields; the others are those that field ownership (server-side apply) avoids."
    )
    lost = {name: each for name, each in named.items() if len(each.attribution)}
    if len(lost) > 1:
        words = "Conflicts per replication: the same colour is the same number in each of the maps beside it."
        section.pictures.append(
            picture("blame-scale", partial(plot.blame_scale, lost), words, height=0.95, grid="none")
        )
    for number, (name, each) in enumerate(named.items(), start=1):
        rows = each.attribution
        about = about_run(named, name)
        if not len(rows):
            section.words.append(f"{about}{'no' if about else 'No'} write was refused as stale.")
            continue
        matrix = each.blame / len(each.measured)
        lines = zip(matrix.index, matrix.to_numpy(float).tolist(), strict=True)
        cells = [(short(str(loser)), *map(write, line)) for loser, line in lines]
        heads = ("lost to", *(short(str(winner)) for winner in matrix.columns))
        table = Table("Loser (rows) by winner (columns), per replication", heads, cells)
        worst = rows.groupby(["controller", "winner"], observed=True).size().sort_values(ascending=False)
        loser, winner = worst.index[0]
        most = "most often" if about else "Most often"
        words = f"{about}{most} {loser} lost to {winner}: {worst.iloc[0] / len(rows):.0%} of all conflicts."
        draw = partial(plot.blame, {name: each}, like=lost, bar=len(lost) == 1)
        section.pictures.append(
            picture(f"blame-{number}", draw, words, table, height=3.6 + 0.8 * (len(lost) == 1), grid="none")
        )
        caption = "what conflicts cost, per replication"
        title = about + caption if about else caption.capitalize()
        section.tables.append(_waste(rows, len(each.measured), each.scenario.family, title))
    return section


def _waste(rows: pd.DataFrame, replications: int, family: str, caption: str) -> Table:
    of_clients = family == PLAIN  # their core time is not recorded, and what they wait for is their commit
    delayed = DELAYED.format("the commit" if of_clients else "Ready")
    columns: dict[str, list[str]] = {}
    for name, own in [*rows.groupby("controller", observed=True), ("all", rows)]:
        delay = own["ready_delay"].dropna().dt.total_seconds()
        by = own["retried_by"].value_counts(normalize=True)
        late = write(float(delay.mean()), "seconds") if len(delay) else NONE
        cpu = float(own["wasted_cpu"].dt.total_seconds().sum()) / replications
        cells = {
            "loser": str(name),
            "conflicts": write(len(own) / replications),
            "true ones": write(float(own["true_conflict"].mean()), "share"),
            "requests wasted": write(float(own["wasted_requests"].sum()) / replications),
            **({} if of_clients else {"CPU wasted": write(cpu, "seconds")}),
            delayed: late,
            "retried by": ", ".join(f"{cause} {_share(share)}" for cause, share in by.items() if share > 0),
        }
        for head, cell in cells.items():
            columns.setdefault(head, []).append(cell)
    return Table(caption, tuple(columns), list(zip(*columns.values(), strict=True)))


def staleness(named: Named) -> Section:
    """How old refused copies were, and where that came from."""
    from sim import plot

    section = Section("staleness", "Where staleness comes from")
    with_some = {name: each for name, each in named.items() if len(each.attribution)}
    if not with_some:
        section.words.append("No write was refused as stale.")
        return section
    section.words.append(
        "How old the copy was from which a refused write was built, from its own commit to the refusal. The last "
        "column says in which part the winner's write fell: only time after that could have been saved."
    )
    rows = []
    for name, each in with_some.items():
        about = about_run(named, name)
        for part, line in each.staleness.iterrows():
            seconds = (write(line[key].total_seconds(), "seconds") for key in ("mean", "p50", "p95"))
            shares = (write(float(line[key]), "share") for key in ("share", "outdated_share"))
            rows.append((about + PART_MEANINGS[str(part)], *seconds, *shares))
    table = Table(
        "Age of refused copies by part", ("part", "mean", "p50", "p95", "share of age", "made stale in"), rows
    )
    section.tables.append(table)
    words = "Mean age of refused copies in seconds, by the part that it comes from; the table has the numbers."
    draw = partial(plot.staleness, with_some)
    section.pictures.append(picture("staleness", draw, words, height=3.4, grid="x"))
    return section


def elsewhere(named: Named) -> Section | None:
    """Conflicts on other kinds than the figures are about, by resource, loser and winner."""
    from sim.analysis.attribution import elsewhere as lost

    rows = []
    for name, each in named.items():
        many = len(each.measured)
        for resource, loser, winner, count in lost(each).itertuples(index=False):
            itself = "its own write before" if winner == loser else short(str(winner))
            rows.append((about_run(named, name) + str(resource), short(str(loser)), itself, write(count / many)))
    if not rows:
        return None
    section = Section("elsewhere", "Conflicts on other kinds")
    section.words.append(
        "Refusals on what the figures above do not count. A controller that is woken by another kind's event may read "
        "its own object before its own last write is back in the cache: then it loses against itself. Unknown is a "
        "write that has stored no version of its own, such as a deletion that waits for finalizers."
    )
    section.tables.append(Table("Per replication", ("resource", "loses", "against", "conflicts"), rows))
    return section


def unseen(named: Named) -> Section | None:
    """What no 409 shows: writes that overwrote, applies refused for their fields, retries inside the server."""
    rows = []
    for name, each in named.items():
        silent, fields, hidden = each.overwritten, each.field_conflicts, each.hidden_retries
        if not (len(silent) or len(fields) or len(hidden)):
            continue
        many = len(each.measured)
        rows.append(
            (
                name,
                write(len(silent) / many),
                _pairs(silent, many),
                write(len(fields) / many),
                write(float(hidden["hidden_retries"].sum()) / many),
            )
        )
    if not rows:
        return None
    section = Section("unseen", "What no 409 shows")
    section.words.append(
        "A write without a resourceVersion is never refused as stale. Instead it may replace what another has just "
        "written, or be tried again inside the server where nobody counts it."
    )
    heads = (
        "",
        "overwrote unseen",
        "whose writes, most often",
        "applies refused for fields",
        "retries inside the server",
    )
    section.tables.append(Table("Per replication", heads, rows))
    return section


def _pairs(silent: pd.DataFrame, replications: int) -> str:
    if not len(silent):
        return NONE
    pairs = Counter(zip(silent["controller"], silent["victim"], strict=True)).most_common()
    first = ", ".join(
        f"{short(writer)} {write(count / replications)} of {short(victim)}" for (writer, victim), count in pairs[:3]
    )
    return first + (" ..." if len(pairs) > 3 else "")


def _share(share: float) -> str:
    return "under 1%" if share < 0.005 else f"{share:.0%}"
