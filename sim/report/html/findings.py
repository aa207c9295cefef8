"""The first sections of a report: what came out, how variants compare, who loses to whom and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from sim.analysis.figures import decided
from sim.analysis.hazards import HAZARDS as HEADS
from sim.analysis.intervals import amount_interval
from sim.plot.style import short
from sim.report.html.parts import Section, Table, picture
from sim.report.numbers import NONE, interval, write
from sim.report.terminal import HAZARDS, kind, kinds
from sim.scenario.metrics import OPERATORS, PLAIN, find

if TYPE_CHECKING:
    import pandas as pd

    from sim.experiment.compare import Comparison
    from sim.experiment.result import Result

Named = Mapping[str, "Result"]

TIME = "simulated time"
"""What all pictures over the time of a replication are zoomed by."""

PART_MEANINGS = {
    "watch_lag": "watch lag: the news was on its way to the cache",
    "workqueue": "workqueue: the key waited for a worker",
    "own_work": "own work: deciding, encoding, generating keys",
    "token": "token: waiting for the client's rate limiter",
    "in_flight": "in flight: requests on the network and in the server",
}


def about_run(named: Named, name: str) -> str:
    """Return what a row about one of several runs begins with; nothing where there is only one."""
    return f"{name}: " if len(named) > 1 else ""


def outcome(named: Named, comparison: Comparison | None) -> Section:
    """The verdict and the expectations."""
    from sim.report.comparison import sentences
    from sim.report.terminal import verdict as said

    section = Section("verdict", "Verdict")
    for name, each in named.items():
        section.words += [
            f"INVARIANT VIOLATED in {name}, replication {one['replication']}: {one['violation']}"
            for one in each.summary["violations"][:3]
        ]
    if comparison is not None:
        section.words += sentences(comparison)
        if not comparison.same_luck:
            section.words.append("These runs did not share seed and replications, so the intervals are wider.")
    else:
        for each in named.values():
            section.words.append(said(each.summary))
            if "ending" in each.summary:
                section.words.append(each.summary["ending"]["said"])
    rows = [
        (f"{one['metric']} {one['condition']}", "met" if one["met"] else "NOT MET", _value(one["value"]), name)
        for name, each in named.items()
        for one in each.summary["expectations"]
    ]
    if rows:
        heads = ("expectation", "outcome", "value", "run")
        keep = 4 if len(named) > 1 else 3
        section.tables.append(Table("Expectations of the scenario", heads[:keep], [row[:keep] for row in rows]))
    section.tables.append(_headlines(named))
    return section


def plain(result: Result) -> bool:
    """Whether it is of plain clients, which have jobs and no objects that become Ready."""
    return result.scenario.contention is not None


def _headlines(named: Named) -> Table:
    columns = [_of_clients(each) if plain(each) else _of_objects(each) for each in named.values()]
    rows = [(label, *(column.get(label, NONE) for column in columns)) for label in columns[0]]
    heads = ("", *named) if len(named) > 1 else ("", "mean [95% interval]")
    return Table("Headline figures, per replication", heads, rows)


def _of_clients(result: Result) -> dict[str, str]:
    summary = result.summary
    rate = summary["conflicts"]["rate"]
    return {
        "jobs that committed": interval(summary["commits"]),
        "time": interval(summary["time"], "milliseconds"),
        "conflicts": interval(summary["conflicts"]["total"]),
        "share of attempts refused": interval(rate, "share") if rate else "none attempted",
        "writes sent": interval(summary["work"]),
        "tries per job": interval(summary["tries_per_job"]),
        "jobs given up": interval(summary["gave_up"]),
        "requests": write(summary["requests"]["total"]),
        "writes that overwrote unseen": interval(summary["overwritten"]["total"]),
    }


def _of_objects(result: Result) -> dict[str, str]:
    summary = result.summary
    found, times = summary["conflicts"], summary["time_to_ready_intervals"]
    return {
        f"{kinds(summary)} Ready": f"{interval(summary['ready'])} of {summary['certificates']}",
        f"conflicts per {kind(summary)}": interval(found["per_certificate"]),
        "share of attempts refused": interval(found["rate"], "share") if found["rate"] else "none attempted",
        "time to Ready, p50": interval(times["p50"], "seconds"),
        "time to Ready, p95": interval(times["p95"], "seconds"),
        "requests": write(summary["requests"]["total"]),
        "successful status writes": interval(summary["status_writes"]["total"]),
        "writes that overwrote unseen": interval(summary["overwritten"]["total"]),
        f"{kinds(summary)} not finished": interval(summary["stranded"]),
        **{find(name).label: interval(summary["metrics"][name], find(name).unit) for name in _hazards_of(result)},
    }


def _hazards_of(result: Result) -> tuple[str, ...]:
    return HAZARDS if result.scenario.family == OPERATORS else ()


def hazards(named: Named) -> Section | None:
    """What goes wrong without a 409 in operators: who loses whose updates, creates twice, or writes without end."""
    from sim import plot
    from sim.report.sentences import loops

    of_operators = {name: each for name, each in named.items() if each.summary.get("hazards")}
    if not of_operators:
        return None
    section = Section("hazards", "What goes wrong without a 409")
    section.words.append(
        "An update is lost where a write that was made from an old copy, or from none, took away or turned back what "
        "another had written since. A hot loop is a controller that writes one object again and again until the end."
    )
    for number, (name, each) in enumerate(of_operators.items(), start=1):
        about, found = about_run(named, name), each.summary["hazards"]
        section.words += [about + line for line in loops(each.summary)]
        shown = [key for key in HEADS if found.get(key)]
        who = list(dict.fromkeys(one for key in shown for one in found[key]))
        lines = [(one, *(interval(found[key].get(one)) for key in shown)) for one in who]
        table = Table(f"{about}by controller, per replication", ("", *(HEADS[key] for key in shown)), lines)
        if len(each.losses):
            pairs = Counter(
                zip(each.losses["by"].astype(str), each.losses["of"].astype(str), strict=True)
            ).most_common()
            of = ", ".join(f"{by} from {of} {write(count / len(each.measured))}" for (by, of), count in pairs[:4])
            section.words.append(f"{about}Who took from whom, per replication: {of}.")
        words = f"{about}Writes that were stored, per second, by who sent them."
        draw = partial(plot.writes_over_time, {name: each})
        section.pictures.append(picture(f"writes-{number}", draw, words, table, height=3.4, zoom=TIME))
    with_losses = {name: each for name, each in of_operators.items() if len(each.losses)}
    if with_losses:
        words = "Fields whose value was lost and not yet written again, mean of all replications."
        draw = partial(plot.lost_updates, with_losses)
        section.pictures.append(picture("lost", draw, words, height=3.2, zoom=TIME))
    return section


def differences(comparison: Comparison) -> Section:
    """Each variant against the baseline."""
    from sim import plot
    from sim.report.comparison import shown, where_files_differ

    section = Section("comparison", "Comparison")
    shown_as, base = comparison.shown, comparison.shown[comparison.baseline]
    section.words += comparison.legend
    section.words += where_files_differ(comparison)
    section.words.append(
        f"Each variant against {base}, replication by replication. A difference whose 95% interval "
        "covers 0 is undecided."
    )
    others = list(comparison.differences)
    words = f"Differences from {base} in percent of its mean, with 95% intervals. Filled marks are decided."
    height = 1.4 + 0.24 * len(comparison.metrics) * max(1.0, 0.6 * len(others))
    draw = partial(plot.differences, comparison)
    section.pictures.append(picture("differences", draw, words, height=height, grid="x"))
    same = comparison.without_effect
    for name in others:
        rows = []
        for about in shown(comparison):
            metric, found = about.name, comparison.differences[name][about.name]
            rows.append(
                (
                    about.label,
                    interval(comparison.estimates[comparison.baseline][metric].as_dict(), about.unit),
                    interval(comparison.estimates[name][metric].as_dict(), about.unit),
                    interval(found.as_dict(), about.unit, signed=True),
                    "no effect here" if name in same else decided(about, found),
                )
            )
        heads = ("", base, shown_as[name], "difference", "verdict")
        section.tables.append(Table(f"{shown_as[name]} against {base}", heads, rows))
    return section


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
            section.words.append(f"{about}no write was refused as stale.")
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
    plain = family == PLAIN  # their core time is not recorded, and what they wait for is their commit
    delayed = "delay of the commit, mean" if plain else "delay of Ready, mean"
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
            **({} if plain else {"CPU wasted": write(cpu, "seconds")}),
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


def _value(value: float | None) -> str:
    return NONE if value is None else f"{value:.6g}"


def hourly(counts: list[float], hours: list[float]) -> str:
    """Return a count per hour with its interval over replications."""
    rates = [count / hour if hour else None for count, hour in zip(counts, hours, strict=True)]
    return interval(amount_interval(rates).as_dict())
