"""From audit logs: who writes Certificates beside cert-manager, or who writes the objects of an operator's kind."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from shlex import quote

from sim.drafting.facts import Facts, FoundWriter
from sim.drafting.seen import Resource, SeenOperator
from sim.drafting.watcher import Watcher, busiest, in_order
from sim.guarded import Unusable, load_json
from sim.logs.audit import CERTIFICATES, AuditEvent
from sim.logs.reader import LogReader, read_events

CERT_MANAGER = frozenset({"cert-manager.io", "acme.cert-manager.io", "certmanager.k8s.io"})
_ACTIONS = {"update": "update", "patch": "patch", "apply": "apply"}


class _Writer:
    def __init__(self) -> None:
        self.actions: Counter[str] = Counter()
        self.targets: Counter[str] = Counter()


def read_operator(paths: list[Path], known: set[Resource]) -> SeenOperator | None:
    """Return what logs say of the writers of the known kinds that is written most, or of any custom kind.

    None where there is no write of one, or where it is Certificates and nothing else was asked for. Raises
    ``Unusable`` where the known kinds are not in the logs.
    """
    resource = busiest(read_events(paths), known)
    if resource is None:
        if known:
            named = " or ".join(f"{each.plural}.{each.group}" for each in sorted(known))
            raise Unusable(
                f"{paths[0]}: no write of {named} in it; requeue log {quote(str(paths[0]))} says what it holds"
            )
        return None
    if resource.group in CERT_MANAGER:
        return None
    watcher = Watcher(resource)
    for event in in_order(read_events(paths, bodies=True)):
        watcher.add(event)
    return watcher.seen


def read_audit(paths: list[Path], facts: Facts) -> None:
    """Add the other writers of the logs to ``facts``. Raises ``Unusable`` where they hold no audit event."""
    reader = LogReader(Counter(), bodies=True)
    writers: dict[str, _Writer] = {}
    first, last = 0, 0
    for path in paths:
        for event in reader.read(path):
            if not isinstance(event, AuditEvent):
                continue
            first = min(first or event.received_ns, event.received_ns)
            last = max(last, event.answered_ns)
            if event.resource != CERTIFICATES or event.ours:
                continue
            if event.verb == "create" and event.succeeded:
                facts.created_ns.append(event.received_ns)
            elif event.verb in _ACTIONS and (event.succeeded or event.code == 409):
                writer = writers.setdefault(event.actor, _Writer())
                writer.actions[_ACTIONS[event.verb]] += 1
                writer.targets[_target(event)] += 1
    if not first:
        raise Unusable(
            f"{paths[0]}: no audit event that could be used; requeue log {quote(str(paths[0]))} says what it holds"
        )
    facts.span_s += (last - first) / 1e9
    for name, writer in sorted(writers.items()):
        count = writer.actions.total()
        seen = Counter({target: number for target, number in writer.targets.items() if target})
        target = seen.most_common(1)[0][0] if seen else "annotation"
        action = writer.actions.most_common(1)[0][0]
        rate = count / max(facts.span_s, 1.0)
        facts.writers.append(FoundWriter(name, rate, count, action, target, bool(seen)))


def _target(event: AuditEvent) -> str:
    """What a write changes, as a scenario names it; empty where the log does not say."""
    if event.subresource == "status":
        return "readyCondition"
    if event.verb == "update" or not event.sent_json:
        return ""  # an update sends everything
    try:
        body = load_json(event.sent_json)
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    return "dnsNames" if body.get("spec") and event.verb == "patch" else "annotation"
