"""The generated part of docs/validation.md: tables over all recordings, as ``requeue validate`` found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sim.report import validation_operators
from sim.report.numbers import NONE, write
from sim.report.validation import (
    ABLATED,
    BACK,
    DECIDED,
    HEADS,
    SIDES,
    Document,
    ablated,
    back_rows,
    back_words,
    decision_rows,
    decision_words,
    notes,
    row,
    verdict,
)
from sim.report.validation_cells import Part, grid, inside, named, pair, summaries, unfinished
from sim.report.validation_pictures import ABLATIONS, ALT, CASES

BEGIN = "<!-- generated: {command} -->"
END = "<!-- end of what is generated -->"
_MARK = BEGIN.split("{", maxsplit=1)[0]


class SectionError(ValueError):
    """A document has no place for what is generated."""


def beside(picture: str, stem: str) -> str:
    """What a picture is called beside the document of this name: several documents may stand in one folder."""
    return picture.replace("validation", stem, 1)


def markdown(document: Document, stem: str = "validation") -> str:
    """Return the generated part, between its marks; ``stem`` is the name of the document that it is for."""
    runs = document["runs"]
    lines = [BEGIN.format(command=document["command"]), "", *verdict(document), ""]
    operators = (
        validation_operators.markdown(document["operators"], set(document["calibrated_on"]))
        if "operators" in document
        else []
    )
    of_cert_manager = (
        ("All recordings", [*_picture(CASES), *_recordings(document)]),
        ("Summary", summaries(document, _SUMMARY)),
        ("Conflicts by controller and by phase", _splits(runs)),
        ("Conflicts on other kinds", _elsewhere(runs)),
        ("Spread of single runs", _spreads(runs)),
        ("Requests, passes and writes", _others(runs)),
        ("After a fault", _back(document)),
        ("Stranded Certificates", _stranded(runs)),
        ("What each mechanism is worth", _ablations(document)),
    )
    for title, part in (
        ("Decisions", _decisions(document["decisions"])),
        ("The validation ladder", _ladder(document["ladder"])),
        *(of_cert_manager if runs else ()),
        *operators,
        ("Notes", [f"- {note}" for note in notes(document)]),
    ):
        if part:
            lines += [f"## {title}", "", *part, ""]
    text = "\n".join([*lines, END]) + "\n"
    for picture in (CASES, ABLATIONS):
        text = text.replace(f"]({picture})", f"]({beside(picture, stem)})")
    return text


def replaced(text: str, generated: str) -> str:
    """Return ``text`` with the generated part in place of the one before.

    Raises ``SectionError`` where it has no such part.
    """
    start = text.find(_MARK)
    end = text.find(END, max(start, 0))
    if start < 0 or end < 0:
        raise SectionError(f"it has no part between '{_MARK}... -->' and '{END}'")
    return text[:start] + generated.rstrip("\n") + text[end + len(END) :]


def _decisions(decided: Mapping[str, Any]) -> list[str]:
    if not decided["pairs"]:
        return []
    return [*decision_words(decided["summary"]), "", *grid(DECIDED, decision_rows(decided["pairs"]))]


def _ladder(rungs: Sequence[Part]) -> list[str]:
    lines = grid(("rung", "figure"), [[rung["rung"], rung["figure"]] for rung in rungs])
    checks = [
        [check["name"], f"{check['expected']:.4g}", f"{check['found']:.4g}", f"{check['error']:.2g}"]
        for rung in rungs
        for check in rung.get("checks", ())
    ]
    return [*lines, "", *grid(("closed form", "expected", "found", "standard error"), checks)]


def _back(document: Document) -> list[str]:
    rows = back_rows(document["runs"])
    return [back_words(document["summary"]), "", *grid(BACK, rows)] if rows else []


def _recordings(document: Document) -> list[str]:
    runs = document["runs"]
    used = set(document["calibrated_on"])
    lines = [
        f"Profile `{document['profile']}`, {document['replications']} simulated runs of each case. "
        "In brackets the 95% prediction interval for the mean of the recorded runs; ! where that is outside. "
        "*Unfinished* is the share of Certificates left so at the end, recorded / predicted.",
        "",
        *grid(("case", *HEADS), [[named(run, used), *row(run)] for run in runs]),
    ]
    if used & {run["name"] for run in runs}:
        lines += ["", "(c): the profile was measured on this case; all others are predictions."]
    return lines


_SUMMARY = (
    ("cases", "cases", "count"),
    ("cases_with_enough_conflicts", "of them updates with at least 30 recorded conflicts", "count"),
    ("median_abs_rel_error_conflicts", "conflicts: median absolute relative error", "share"),
    ("max_abs_rel_error_conflicts", "conflicts: largest", "share"),
    ("coverage", "conflicts by controller inside their interval", "share"),
    ("median_interval_width", "median width of those intervals, over the recorded mean", "count"),
    ("median_interval_score", "median interval score, over the recorded mean", "count"),
    ("median_recorded_spread", "recorded spread of conflicts by controller, over the mean", "share"),
    ("median_predicted_spread", "predicted spread of the same", "share"),
    ("median_abs_rel_error_time_to_ready", "median time to Ready, updates: median error", "share"),
    ("median_abs_rel_error_time_to_ready_apply", "median time to Ready, applies: median error", "share"),
    ("median_abs_rel_error_requests", "requests: median error", "share"),
    ("max_abs_rel_error_requests", "requests: largest", "share"),
    ("median_abs_rel_error_status_writes_apply", "status writes under apply: median error", "share"),
    ("rank_agreement_conflicts", "order of cases by conflicts per Certificate: Kendall's tau-b", "count"),
    ("rank_agreement_time_to_ready", "order of cases by median time to Ready: Kendall's tau-b", "count"),
)


def _splits(runs: Sequence[Part]) -> list[str]:
    updates = [run for run in runs if run["conflicts"]["recorded"]]
    controllers = list(dict.fromkeys(name for run in updates for name in run["by_controller"]))
    phases = list(dict.fromkeys(name for run in updates for name in run["by_phase"]))
    rows = [
        [
            run["name"],
            *(pair(run["by_controller"].get(name)) for name in controllers),
            *(pair(run["by_phase"].get(name)) for name in phases),
        ]
        for run in updates
    ]
    heads = ("case", *(name.removeprefix("certificates-") for name in controllers), *phases)
    return ["Recorded, predicted [95% prediction interval].", "", *grid(heads, rows)] if rows else []


def _elsewhere(runs: Sequence[Part]) -> list[str]:
    """Conflicts on CertificateRequests, Orders and Challenges, where recordings count them."""
    names = sorted({name for run in runs for name in run["elsewhere"]})
    rows = [[run["name"], *(pair(run["elsewhere"].get(name)) for name in names)] for run in runs if run["elsewhere"]]
    heads = ("case", *(name.replace(".", ", by ") for name in names))
    return ["Recorded, predicted [95% prediction interval].", "", *grid(heads, rows)] if rows else []


_SPREADS = (
    ("conflicts", "conflicts", "count"),
    ("requests", "requests", "count"),
    ("time_to_ready.p50", "Ready p50", "seconds"),
)


def _spreads(runs: Sequence[Part]) -> list[str]:
    rows = []
    for run in runs:
        cells = [run["name"]]
        for key, _, kind in _SPREADS:
            both = run["spread"][key]
            cells.append(f"{write(both['recorded'], kind)} / {write(both['predicted'], kind)}")
        rows.append([*cells, write(run["time_to_ready_wasserstein_s"], "seconds")])
    heads = ("case", *(label for _, label, _ in _SPREADS), "Wasserstein distance of times to Ready")
    return ["Standard deviation of single runs, recorded / predicted.", "", *grid(heads, rows)]


def _others(runs: Sequence[Part]) -> list[str]:
    rows = []
    for run in runs:
        kinds = [each for each in run["requests_by_kind"].values() if each["recorded"] is not None]
        passes = list(run["reconciles"].values())
        rows.append(
            [
                run["name"],
                pair(run["requests"]),
                f"{sum(map(inside, kinds))} of {len(kinds)}",
                pair(run["status_writes"]),
                _total_off(passes),
                f"{sum(map(inside, passes))} of {len(passes)}",
                pair(run["time_to_ready_p95"], "seconds"),
            ]
        )
    heads = (
        "case",
        "requests",
        "kinds of request inside",
        "status writes",
        "passes off",
        "controllers' passes inside",
        "Ready p95",
    )
    return grid(heads, rows)


def _total_off(parts: Sequence[Part]) -> str:
    recorded = sum(each["recorded"] for each in parts)
    predicted = sum(each["predicted"] for each in parts)
    return write(predicted / recorded - 1, "share", signed=True) if recorded else NONE


def _picture(name: str) -> list[str]:
    return [f"![{ALT[name]}]({name})", ""]


def _stranded(runs: Sequence[Part]) -> list[str]:
    """Where Certificates are left unfinished, recorded or predicted, and the cases of the same kind that leave none."""
    rows = [
        [
            run["name"],
            str(run["repetitions"]),
            *(write(run["unfinished"][f"{side}_{what}"], "share") for what in ("share", "runs") for side in SIDES),
        ]
        for run in filter(unfinished, runs)
    ]
    if not rows:
        return ["No Certificate was left unfinished, recorded or predicted."]
    heads = ("case", "runs", "Certificates, recorded", "predicted", "runs with any, recorded", "predicted")
    lines = [
        "Certificates not Ready, still Issuing or with a next private key when all were listed for the last time, as "
        "shares of all Certificates and of the runs. In all other cases none was, recorded or predicted.",
        "",
        *grid(heads, rows),
    ]
    return lines


def _ablations(document: Document) -> list[str]:
    outcomes: Sequence[Mapping[str, Any]] = document.get("ablations", ())
    if not outcomes:
        return []
    cases = len(outcomes[0]["conflicts"])
    return [
        f"Over the {cases} update cases with at least 30 recorded conflicts, "
        f"{document['ablation_replications']} simulated runs of each.",
        "",
        *_picture(ABLATIONS),
        *grid(("without", *ABLATED), [[outcome["without"], *ablated(outcome)] for outcome in outcomes]),
    ]
