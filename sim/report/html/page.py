"""One self-contained HTML page about a run or a comparison: nothing in it is fetched from anywhere.

One script, ``report.js``, lets people point at values, zoom in time, open an object's lanes and hide controllers;
without it everything can be read all the same. The page's content security policy allows its own style, that script by
its hash, and nothing else. Everything that comes from a scenario is escaped by the template.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from sim.analysis.lives import in_order
from sim.experiment.comparison import Comparison
from sim.extras import require
from sim.plot.style import short
from sim.report.html import blame, course, findings, lanes, study
from sim.report.html import origin as last
from sim.report.sentences import replicated
from sim.report.terminal import what_runs
from sim.scenario.metrics import CERT_MANAGER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from sim.experiment.result import Result
    from sim.report.html.parts import Section


def page(subject: Result | Comparison, *, replication: int = 1) -> str:
    """Return the report on a result or a comparison as HTML.

    ``replication`` is the one whose queues, tokens and objects are shown. Raises ``ValueError`` where a result
    has no such replication.
    """
    require("jinja2", "matplotlib")
    comparison = subject if isinstance(subject, Comparison) else None
    named = (
        {subject.shown[name]: each for name, each in subject.results.items()}
        if isinstance(subject, Comparison)
        else {subject.scenario.name: subject}
    )
    for name, each in named.items():
        if not 1 <= replication <= len(each.measured):
            raise ValueError(f"{name} has replications 1 to {len(each.measured)}, and no {replication}")
    sections = _sections(named, comparison, replication)
    first = next(iter(named.values()))
    title = first.scenario.name if comparison is None else " against ".join(comparison.results)
    if comparison is not None and len(title) > 80:
        title = f"{len(named)} variants of {first.scenario.name}"
    return written(
        title, first.scenario.description, _conditions(named, comparison), sections, _writers(named, replication)
    )


def study_page(folder: Path, kind: str) -> str:
    """Return the report on a folder with a study of a kind, such as a sweep, as HTML. Raises ``ResultsError``."""
    require("jinja2", "matplotlib")
    title, conditions, sections = study.sections(folder, kind)
    return written(title, "", conditions, sections)


def written(
    title: str,
    description: str,
    conditions: str,
    sections: Sequence[Section],
    writers: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """Return a page of sections as HTML; ``writers`` are those that can be hidden in it, with their other names."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    here = files("sim.report.html")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["svg"] = Markup
    script = here.joinpath("report.js").read_text("utf-8")
    digest = b64encode(sha256(script.encode()).digest()).decode()
    writers = writers or {}
    names = {name: writer for writer, others in writers.items() for name in (*others, writer)}

    def owner(row: Sequence[str]) -> str:
        """Whose row of a table it is."""
        return next((names[part] for cell in row for part in (cell, cell.partition(": ")[2]) if part in names), "")

    template = environment.from_string(here.joinpath("report.html.jinja").read_text("utf-8"))
    return template.render(
        title=title,
        description=description,
        conditions=conditions,
        sections=sections,
        writers=writers,
        owner=owner,
        script=Markup(script),
        hash=f"sha256-{digest}",
        style=Markup(here.joinpath("report.css").read_text("utf-8")),
    )


def _sections(named: findings.Named, comparison: Comparison | None, replication: int) -> list[Section]:
    sections = [findings.outcome(named, comparison)]
    if comparison is not None:
        sections.append(findings.differences(comparison))
    sections += [blame.conflicts(named), blame.losers(named), blame.staleness(named)]
    sections += [
        each for each in (blame.elsewhere(named), blame.unseen(named), findings.hazards(named)) if each is not None
    ]
    if all(findings.plain(each) for each in named.values()):  # nothing becomes Ready there, and nobody writes a log
        sections += [course.levels(named, replication), lanes.lives(named, replication)]
        return [*sections, last.origin(named, comparison)]
    sections += [each for each in (course.renewals(named),) if each is not None]
    sections += [course.ready(named, replication), course.levels(named, replication), lanes.lives(named, replication)]
    first = next(iter(named.values()))
    command = last.manifest_of(first)["command"]
    if first.scenario.family == CERT_MANAGER:
        sections.append(last.log_lines(named, command))
    return [*sections, last.origin(named, comparison)]


def _writers(named: findings.Named, replication: int) -> dict[str, list[str]]:
    """Return the controllers and who else writes, of plain clients the groups, with their other names in a page."""
    found = dict.fromkeys(who for each in named.values() for who in each.summary["conflicts"]["by_controller"])
    found.update(
        dict.fromkeys(
            str(who)
            for each in named.values()
            for who in each.rows("reconciles", ["controller"])["controller"].unique()
        )
    )
    if not all(map(findings.plain, named.values())):
        found.update(dict.fromkeys(in_order(named.values(), replication)))
    others = {writer: [short(writer)] for writer in found}
    for each in filter(findings.plain, named.values()):
        key = ["replication", "reconcile"]
        sent, passes = each.rows("requests", [*key, "actor"]), each.rows("reconciles", [*key, "controller"])
        first = sent.drop_duplicates("actor").merge(passes)
        for actor, group in zip(first["actor"], first["controller"], strict=True):
            others[str(group)].append(str(actor))
    return others


def _conditions(named: findings.Named, comparison: Comparison | None) -> str:
    first = next(iter(named.values()))
    seed = first.scenario.seed
    kind = what_runs(first.scenario)
    each = replicated(first.summary)
    if comparison is None:
        return f"{kind}, {first.scenario.strategy}, {each}, seed {seed}"
    luck = "on the same random numbers" if comparison.same_luck else "on different random numbers"
    return f"{kind}, {each} each {luck}, seed {seed}"
