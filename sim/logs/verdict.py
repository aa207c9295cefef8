"""The report in words: are these conflicts a problem, what is, and what to change."""

from __future__ import annotations

from collections import Counter

from sim.logs.audit import CERTIFICATES
from sim.logs.fates import ANOTHER, FAILING, OPEN, QUIET, READY, Fate, summed
from sim.logs.logreport import ALL_WRITERS, AUDIT_LOG, LogReport, span_in_words
from sim.units import counted

HARMLESS = "These conflicts are the price of optimistic locking, not a fault."
_NAMED = 3


def verdict(report: LogReport) -> str:
    """Say in words whether the conflicts are a problem."""
    return " ".join(
        [*_unread(report), *_stuck(report), *_causes(report), *_conflicts(report), *_otherwise(report), *_lost(report)]
    )


def _unread(report: LogReport) -> list[str]:
    if not report.unread_conflicts:
        return []
    many = report.unread_conflicts
    return [
        f"{counted(many, 'line')} {'speaks' if many == 1 else 'speak'} of conflicts and could not be read; "
        f"the first is {report.first_unread}. What follows does not count {'it' if many == 1 else 'them'}."
    ]


def _stuck(report: LogReport) -> list[str]:
    said = []
    if report.stuck:
        many = len(report.stuck)
        said.append(
            f"{many} of {counted(report.seen, 'Certificate')} {'is' if many == 1 else 'are'} stuck: "
            + "; ".join(f"{one.certificate} ({one.why})" for one in report.stuck[:3])
            + (f" and {many - 3} more" if many > 3 else "")
            + "."
        )
    if report.unfinished:
        said.append(
            f"{counted(report.unfinished, 'Certificate')} of {report.seen} "
            f"{'was' if report.unfinished == 1 else 'were'} not finished when the log ended."
        )
    return said


def _causes(report: LogReport) -> list[str]:
    """What stops objects comes before the conflicts, because it is what people look for."""
    said = []
    for cause in report.causes:
        if cause.stops:
            named = f" ({', '.join(cause.objects[:_NAMED])})" if cause.objects else ""
            said.append(f"{cause.says[:1].upper()}{cause.says[1:]}{named}: {cause.change}.")
    slow = [cause for cause in report.causes if not cause.stops and cause.seconds > 0]
    if slow:
        said.append(f"Time went into {slow[0].what}: {slow[0].says}; {slow[0].change}.")
    return said


def _conflicts(report: LogReport) -> list[str]:
    if not report.total:
        return _none(report)
    span = f" in {span_in_words(report.span_s)}" if report.span_s else ""
    if report.subject == ALL_WRITERS:
        said = [_of_others(report, span)]
    else:
        said = [f"{counted(report.total, 'conflict')}{span} on {counted(len(report.certificates), 'Certificate')}."]
    if report.filtered:
        said.append(_filtered(report))
    elif report.resolution is not None:
        said += _resolved(report)
    else:
        said += _fates(report)
    return said


def _of_others(report: LogReport, span: str) -> str:
    """The refusals of writers that are not cert-manager's."""
    worst = report.objects.most_common(_NAMED)
    writers = ", ".join(f"{name} {count}" for name, count in report.conflicts.most_common(_NAMED))
    where = ", ".join(key for key, _ in worst) + (" and others" if len(report.objects) > len(worst) else "")
    of = f"of {next(iter(report.conflicts))}" if len(report.conflicts) == 1 else f"({writers})"
    share = ""
    if report.source == AUDIT_LOG and report.all_writes:
        share = f" ({report.total / report.all_writes:.0%} of {counted(report.all_writes, 'write')})"
    absent = "no write" if report.source == AUDIT_LOG else "no line"
    return (
        f"{counted(report.total, 'refusal')} with 409 Conflict {of} on {where}{span}{share}; "
        f"{absent} of cert-manager in this log."
    )


def _none(report: LogReport) -> list[str]:
    span = span_in_words(report.span_s)
    others = report.others.most_common()
    if others:
        total = sum(count for _, count in others)
        named = "; ".join(f"{name}" + (f" {count} times" if count > 1 else "") for name, count in others[:_NAMED])
        more = f"; and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        said = [
            f"{counted(total, 'write')} {'was' if total == 1 else 'were'} refused as stale ({named}{more}), "
            "none of cert-manager on a Certificate."
        ]
        if report.filtered:
            said.append(_filtered(report))
        elif report.source != AUDIT_LOG:
            said += _fates(report)
        return said
    if report.logged:
        return [
            f"The controller's log tells of {counted(report.logged, 'conflict')}, and the audit log beside it of none: "
            "it does not cover the same time, or not these writes."
        ]
    if report.source == AUDIT_LOG and not report.writes:
        agents = ", ".join(report.actors[:5]) or "none"
        return [
            f"No write of cert-manager found in {span} of the audit log (user agents seen: {agents}), and no conflict."
        ]
    if report.unread_conflicts:
        return []
    if report.source == AUDIT_LOG:
        writes = counted(report.writes, "write")
        return [f"No conflict: in {span} none of cert-manager's {writes} was refused as stale."]
    return [f"No conflict in {span} of the controller's log."]


def _filtered(report: LogReport) -> str:
    if report.source == AUDIT_LOG:
        return (
            "The log holds refusals alone, not one write that succeeded: it was filtered, and whether they were "
            "resolved can't be told. Save it with the writes of code 200 too."
        )
    total = report.total or sum(report.others.values())
    if total > 1 and not report.span_s:
        return (
            "None of them has a time, so whether they were resolved can't be told: save the lines with their stamps "
            "(kubectl logs --timestamps)."
        )
    return (
        f"The log holds {'this refusal' if total == 1 else 'refusals'} alone, so whether "
        f"{'it was' if total == 1 else 'they were'} resolved can't be told. The controller tries again by itself: "
        "where the object became Ready it is harmless; save the lines after it, about the same key."
    )


def _resolved(report: LogReport) -> list[str]:
    outcome = report.resolution
    assert outcome is not None
    said = []
    if outcome.resolved:
        said.append(
            f"{outcome.resolved} ({outcome.share:.0%}) resolved themselves: the same controller wrote the "
            f"same object later, half of them within {span_in_words(outcome.p50_s or 0)} and 95% within "
            f"{span_in_words(outcome.p95_s or 0)}."
        )
    if outcome.moot:
        said.append(f"{outcome.moot} had nothing left to write: the Certificate ended Ready without them.")
    if outcome.open:
        said.append(f"{outcome.open} {'was' if outcome.open == 1 else 'were'} still open when the log ended.")
    if not report.stuck and not report.unfinished and not outcome.open and not report.unread_conflicts:
        said.append(HARMLESS)
    return said


def _fates(report: LogReport) -> list[str]:
    mine = report.subject == ALL_WRITERS or not report.total
    fates = [fate for fate in report.fates if mine or fate.resource == CERTIFICATES]
    counts = summed(fates)
    said = []
    for fate in [one for one in fates if one.what == FAILING][:_NAMED]:
        said.append(f"{_who(fate)} is still failing after {counted(fate.tries, 'try')}.")
    for fate in [one for one in fates if one.what == ANOTHER][:_NAMED]:
        said.append(f"{_who(fate)} then failed for another reason: {fate.text[:120]}.")
    ready = [fate for fate in fates if fate.what == READY]
    if ready:
        within = span_in_words(max(fate.after_s or 0.0 for fate in ready))
        said.append(f"{counts[READY]} resolved by the retry: Ready within {within} of the last refusal.")
    if counts[QUIET]:
        said.append(
            f"{counts[QUIET]} resolved by the retry, as far as this log tells: the controller was not refused there "
            "again and logged no error."
        )
    if counts[OPEN]:
        said.append(f"Of {counts[OPEN]} the log ends too soon to tell.")
    if counts and not counts[FAILING] and not counts[ANOTHER] and not counts[OPEN] and not report.unread_conflicts:
        said.append(f"Harmless: {HARMLESS[:1].lower()}{HARMLESS[1:]}")
    return said


def _who(fate: Fate) -> str:
    return f"{fate.controller or 'The controller'} on {fate.resource} {fate.key}"


def _otherwise(report: LogReport) -> list[str]:
    if not report.otherwise:
        return []
    (one, _), total = report.otherwise.most_common(1)[0], report.otherwise.total()
    return [
        f"{counted(total, 'write')} {'was' if total == 1 else 'were'} refused with 409 for another reason than a stale "
        f"copy ({'' if total == 1 else 'most often '}{one.writer} on {one.resource} {one.key}: "
        f"{one.message.rstrip('.')})."
    ]


def _lost(report: LogReport) -> list[str]:
    said = []
    if report.lost:
        worst, _ = report.lost[0]
        said.append(
            f"{counted(report.lost_writes, 'write')} without a resourceVersion took back what another had written "
            f"(most often {worst.by}, {worst.field} of {worst.of} on {worst.resource}): nobody was refused, so nobody "
            "tried again. Use server-side apply, or patches with a resourceVersion."
        )
    if report.field_losses:
        counts: Counter[tuple[str, str]] = Counter()
        for loss, count, _ in report.field_losses:
            counts[loss.loser, loss.owner] += count
        (loser, owner), count = counts.most_common(1)[0]
        many = counted(counts.total(), "apply that was not forced", "applies that were not forced")
        said.append(
            f"{many} met fields of another manager (most often {loser}, fields of {owner}: {count}): that is no stale "
            "copy, and trying again does not help."
        )
    return said
