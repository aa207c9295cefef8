"""What ``requeue explore`` says: how far it is, what it found, what each perturbation is worth, how likely it is."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from typing import TYPE_CHECKING, Any

from sim.analysis.budget import none_lost
from sim.analysis.intervals import Estimate, share_interval
from sim.analysis.plain import rows
from sim.experiment.perturbed import Change, changes_of
from sim.report.numbers import write
from sim.report.text import Rendered, Unwrapped, bold, footer, render
from sim.scenario.faults import PlannedFault
from sim.scenario.properties import Perturbation
from sim.units import SECOND, counted, spelled

REASONS = 6
"""So many different reasons are told of a property that is counted."""
ON_ITS_WAY = 0.005
"""Seconds from which on a request's way to the server is told."""
THESE = {
    "api-server": "the API server", "etcd": "etcd", "leader": "the leader", "issuer": "the issuer",
    "watch-cache": "the watch cache of a second API server", "controllers": "the controllers' process",
    "watch": "the watch's events", "answers": "answers", "requests": "requests",
}  # fmt: skip
"""What a fault befalls, as people say it; other names are processes."""
MANY = ("watch", "answers", "requests")

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure
    from rich.console import RenderableType

    from sim.experiment.explore import Finding
    from sim.experiment.result import Result
    from sim.scenario.model import Scenario


def described(one: Change) -> str:
    """Return what a change does, in words."""
    if not isinstance(one, Perturbation):
        return _failure(one)
    late = spelled(one.delay or 0)
    nth = "each" if one.number is None else f"{_ordinal(one.number)}"
    if one.tie is not None:
        return f"the {_ordinal(one.tie)} call takes the {one.turn} place among those of its instant"
    if one.request is not None:
        about = f" about {one.of}" if one.of else ""
        return (
            f"{'the ' * (one.number is not None)}{nth} request of {one.request}{about} reaches the server {late} late"
        )
    stream = one.draw or ""
    process, _, rest = stream.rpartition("watch/")
    if process.endswith("/") or stream.startswith("watch/"):
        of = f" of {process.rstrip('/')}" if process else ""
        return f"{'the ' * (one.number is not None)}{nth} event of the {rest} watch{of} comes {late} late"
    return f"{'the ' * (one.number is not None)}{nth} {stream} takes {late} longer"


def _failure(one: PlannedFault) -> str:
    """Return what a fault is, in words."""
    after = one.after
    when = ""
    if after is not None:
        wait = f"{spelled(after.wait)} " if after.wait else ""
        when = f"{wait}after the {_ordinal(after.write)} write of {after.controller}: "
    lasts = f" for {spelled(one.lasts)}" if one.lasts else ""
    who = THESE.get(str(one.target), str(one.target))
    be = "are" if one.target in MANY else "is"
    what = {
        "kill": f"{who} {be} killed and {be} back after {spelled(one.lasts or 0)}",
        "cut": f"the connections of {who} break{lasts}",
        "stop": f"{who} stand{'' if one.target in MANY else 's'} still{lasts}",
        "drop": f"{who} {be} lost{lasts}",
    }.get(one.verb, f"{one.verb} {who}{lasts}")
    more = ", at a second API server" * one.to_other + ", and it lists anew" * one.gone
    of = f" (of {one.of.controller})" if one.of.controller else ""
    return f"{when}{what}{of}{more}"


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number % 100 not in (11, 12, 13) else 0, "th")
    return f"{number}{ending}"


def as_dict(finding: Finding) -> dict[str, Any]:
    """Return a finding as plain data: what ``explore.json`` holds of it."""
    scenario = finding.scenario
    return {
        "property": finding.name,
        "object": finding.broken.object,
        "broken_s": finding.broken.time_ns / 1e9,
        "why": finding.broken.why,
        "run": finding.run,
        "tries": finding.tries,
        "seed": scenario.seed,
        "objects": scenario.workload.total,
        "kind": scenario.workload.kind,
        "controllers": sum(len(each.controllers) for each in scenario.operators),
        "digest": finding.digest,
        "changes": [
            {**one.model_dump(mode="json", exclude_defaults=True), "said": described(one), "without": without}
            for one, without in finding.without
        ],
        "plain": {**finding.plain.as_dict(), "n": finding.plain.n} if finding.plain is not None else None,
    }


def finding_lines(found: Mapping[str, Any], strategy: str = "", file: str = "") -> list[str]:
    """Return what is said of one finding (``as_dict``); ``file`` is the scenario that replays it, if it was written."""
    about = f" ({found['object']})" if found["object"] else ""
    parts = [counted(len(found["changes"]), "change"), counted(found["objects"], found["kind"])]
    parts += [counted(found["controllers"], "described controller")] if found["controllers"] else []
    how = f" ({strategy})" if strategy else ""
    lines = [
        f"BROKEN: {found['property']}{about}: {found['why']}",
        f"  found in run {found['run']}{how}, shrunk in {counted(found['tries'], 'run')} to "
        f"{', '.join(parts)}, seed {found['seed']}",
    ]
    for number, one in enumerate(found["changes"], start=1):
        lines += [
            f"  {number}. {one['said']}",
            f"     without it: {one['without'] or 'broken all the same, with these object numbers and this seed'}",
        ]
    if not found["changes"]:
        lines.append("  It needs no change: this seed breaks it by itself.")
    plain = found["plain"]
    if plain is not None and None not in (plain["mean"], plain["low"], plain["high"]):
        share = Estimate(plain["mean"], plain["low"], plain["high"], plain["n"])
        lines.append(f"  without any change {odds_of(share)}")
    return [*lines, *([f"  digest {found['digest']}; replay it: requeue run {quote(str(file))}"] if file else [])]


def odds_of(share: Estimate) -> str:
    """Return how many of so many seeds break a property, and what that says of all of them."""
    assert share.mean is not None
    assert share.low is not None
    assert share.high is not None
    if not share.mean:
        most = write(none_lost(share.n), "share")
        return f"none of {counted(share.n, 'seed')} breaks it: fewer than {most} do, with 95% certainty"
    hit = round(share.mean * share.n)
    return (
        f"{hit:,} of {counted(share.n, 'seed')} {'breaks' if hit == 1 else 'break'} it: {write(share.mean, 'share')} "
        f"(95% interval {write(share.low, 'share')} to {write(share.high, 'share')})"
    )


def counted_lines(document: Mapping[str, Any]) -> list[str]:
    """Return what is said where runs of other seeds were counted: each property, and how many broke it."""
    lines = []
    for each in document["counted"]:
        lines.append(f"{each['property']}: {odds_of(share_interval(each['broken'], document['runs']))}")
        if each["broken"]:
            about = f" ({each['object']})" if each["object"] else ""
            lines.append(f"  seed {each['seed']}{about}: {each['why']}")
            whys = each["whys"] if len(each["whys"]) > 1 else {}
            lines += [f"  {counted(many, 'run')}: {why}" for why, many in [*whys.items()][:REASONS]]
    return lines


def explore_report(document: Mapping[str, Any], *, folder: Path | None, command: str, terminal: bool) -> Rendered:
    """Return what is said at the end of a search."""
    runs, states = document["runs"], document["states"]
    parts: list[RenderableType] = [
        f"{counted(runs, 'run')} of {document['scenario']} ({document['strategy']}, seed {document['seed']}), "
        f"{counted(states, 'abstract state')}, {counted(document['threads'], 'thread')}",
        *([document["bound"]] if document.get("bound") else []),
        "",
    ]
    for number, found in enumerate(document["findings"], start=1):
        broken, *rest = finding_lines(found, document["strategy"], f"{folder or '.'}/finding-{number}.yaml")
        parts += [bold(broken), *(Unwrapped(line) for line in rest), ""]
    checked = document.get("fix_check")
    if checked:
        for name, count in checked["still_broken"].items():
            said = f"still broken in {count} of {checked['tries']} tries" if count else "it vanishes"
            parts.append(f"In {checked['scenario']}: {name}: {said}")
        parts.append("")
    if document.get("counted"):
        lines = counted_lines(document)
        parts += [*(line if line.startswith(" ") else bold(line) for line in lines), ""]
    elif not document["findings"]:
        parts += [
            bold("No property was broken."),
            f"Where {write(none_lost(runs), 'share')} of all schedules break one, these runs meet it with 95% "
            "certainty.",
            "",
        ]
    return render(parts + footer(folder, command), terminal)


def story_of(finding: Finding) -> str:
    """Return the story of a finding: what was bent, every request about its object, who was refused and why."""
    from sim.analysis.lives import whose
    from sim.analysis.story import counts, story
    from sim.report.explain import explanation

    result, named = finding.result.only(1), finding.broken.object or first_of(finding.scenario)
    lines = [f"{finding.name}: {finding.broken.why} ({named})", ""]
    name = whose(result.requests, named)
    lines += [f"- {described(one)}" for one in changes_of(finding.scenario)]
    lines += ["", *chronicle(result.requests, name)]
    if name in counts(result):
        told = story(result, name)
        lines += ["", *explanation(told, title=finding.scenario.name, chosen="", conflict=None, width=110)]
    return "\n".join(lines) + "\n"


def chronicle(requests: pd.DataFrame, name: str) -> list[str]:
    """Return one line for each request about an object: when it was decided, who sent it, from which copy."""
    about = requests[(requests["certificate"] == name) & (requests["resource"] != "events")].sort_values("decided_at")
    start = requests["decided_at"].min()
    lines = [f"{'decided at':>12}  who and what (made from version, met version -> stored version)"]
    for made in rows(about):
        when = (made["decided_at"] - start).total_seconds()
        held = (made["received_at"] - made["sent_at"]).total_seconds()
        read = f"{made['read_version']}, " if made["read_version"] else ""
        stored = f" -> {made['written_version']}" if made["written_version"] else " -> nothing"
        slow = f"; {spelled(held * SECOND)} on its way" if held >= ON_ITS_WAY else ""
        path = made["resource"] + (f"/{made['subresource']}" if made["subresource"] else "")
        code = f" {made['code']} {made['reason']}" if made["code"] >= 400 else ""
        stale = " STALE" if 0 < made["read_version"] < made["base_version"] and made["object"] == name else ""
        lines.append(
            f"{when:10.3f} s  {made['actor']}: {made['verb']} {path} {made['object']} "
            f"({read}{made['base_version']}{stored}){code}{stale}{slow}"
        )
    return lines


def first_of(scenario: Scenario) -> str:
    """Return the first object, which a finding's story and picture are about where it names none."""
    kind = scenario.workload.kind
    return f"{'c' if kind == 'Certificate' else kind[0].lower()}0000"


def figure(result: Result, about: Mapping[str, Any]) -> Figure:
    """Return the picture for ``explore.png``: the life of a finding's object, and when the property broke.

    There is a lane for each controller. ``about`` is the finding in ``explore.json``.
    """
    import pandas as pd
    from matplotlib.figure import Figure

    from sim.analysis.lives import whose
    from sim.plot import timeline
    from sim.plot.style import VERMILION
    from sim.recording.frames import began

    drawn, named = Figure(figsize=(10, 5)), about["object"] or first_of(result.scenario)
    ax, name = drawn.subplots(), whose(result.requests, named)
    timeline(result, name, ax)
    own = result.certificates
    broken = pd.Timedelta(seconds=about["broken_s"]) - began(own[own["certificate"] == name].iloc[0])
    ax.axvline(broken.total_seconds(), color=VERMILION, linestyle=":", linewidth=1.6)
    ax.set_title(f"{about['property']}: {named}\n(dotted: broken)", wrap=True)
    return drawn
