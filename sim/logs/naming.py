"""Who wrote a line of a controller's log, and which object it is about, as each logging library says it."""

from __future__ import annotations

import re
from typing import Any

from sim.logs.conflicts import CLUSTER_SCOPED
from sim.logs.entries import KLOG, Entry
from sim.logs.writers import actor_of
from sim.units import plural

CONTROLLER = re.compile(r'^"?cert-manager/(?:controller/)?([A-Za-z0-9-]+)(?=[/:\s"])')
"""cert-manager's controllers at the beginning of a message."""
_NAMED_PARTS = re.compile(r'"([Nn]ame|[Nn]amespace)": ?"([^"]*)"')
_CAMEL = {
    "CertificateIssuing": "certificates-issuing",
    "CertificateKeyManager": "certificates-key-manager",
    "CertificateMetrics": "certificates-metrics",
    "CertificateReadiness": "certificates-readiness",
    "CertificateRequestManager": "certificates-request-manager",
    "CertificateTrigger": "certificates-trigger",
}
"""Names of 0.15 to 1.2, as 1.3 and later call the same controllers."""
_NOT_CONTROLLERS = frozenset(
    {"controller", "build-context", "leader-election", "events", "healthz", "start", "controller-runtime", ""}
)
_NOT_LOGGERS = frozenset({"UnhandledError", "controller-runtime", "setup", "events"})
_ERRORS = ("error", "err", "exception", "stack_trace", "stackTrace", "errorCauses")
_LIKE_ERRORS = re.compile(r"err|exc|thrown|cause", re.I)
_RESOURCES = (
    ("certificates-", "certificates"), ("certificaterequests", "certificaterequests"), ("challenges", "challenges"),
    ("orders", "orders"), ("clusterissuers", "clusterissuers"), ("issuers", "issuers"),
)  # fmt: skip


def error_of(values: dict[str, Any], level: str) -> str:
    """The error of a structured line: under its usual name, else of a line of an error in what sounds like one."""
    for name in _ERRORS:
        value = values.get(name)
        if value:
            return value if isinstance(value, str) else str(value)
    if level == "I":
        return ""
    like = (value for name, value in values.items() if _LIKE_ERRORS.search(name))
    return " ".join(value if isinstance(value, str) else str(value) for value in like if isinstance(value, str | dict))


def writer_of(entry: Entry, values: dict[str, Any]) -> tuple[str, bool]:
    """Who wrote the line, and whether that is cert-manager."""
    message = entry.message
    named = CONTROLLER.match(message)
    logger = entry.logger or (values.get("logger") if isinstance(values.get("logger"), str) else "") or ""
    value = values.get("controller") or values.get("knative.dev/controller")
    if named:
        of_runtime = named[1] == "controller-runtime" and isinstance(value, str)
        return (str(value) if of_runtime else known(named[1])), True
    if "controller-runtime." in logger and ".controller." in logger:
        return logger.rpartition(".controller.")[2], logger.startswith("cert-manager")
    for prefix in ("cert-manager.", "cert-manager/controller/", "cert-manager/"):
        if logger.startswith(prefix):
            return known(re.split(r"[./]", logger[len(prefix) :], maxsplit=1)[0]), True
    ours = (
        logger == "cert-manager"
        or message.startswith("cert-manager/")
        or "certificate_controller.go" in entry.source
        or entry.source.rpartition("/")[2].split(":")[0] in {"trigger_controller.go", "conditions.go"}
        or "re-queuing item due to" in message.replace("  ", " ")
    )
    if isinstance(value, str) and value:
        value = value.removesuffix(".Reconciler").rpartition(".")[2] if value.endswith(".Reconciler") else value
        return value.removeprefix("controller/"), ours and value in _CAMEL.values()
    if entry.form == KLOG:
        old = re.match(r'([\w./-]+) "msg"=', message)
        if old:
            logger = old[1]
    for prefix in ("controller.", "controllers.", "controller/", "controllers/"):
        if logger.startswith(prefix):
            return re.split(r"[./]", logger[len(prefix) :])[0], ours
    if logger and not ours and logger not in _NOT_LOGGERS:
        return logger.rsplit(".", 1)[-1] if re.search(r"\.[A-Z]\w+$", logger) else logger, False
    return "", ours


def known(name: str) -> str:
    """A controller by the name that later releases give it; "" for what is none."""
    return _CAMEL.get(name, "" if name in _NOT_CONTROLLERS else name)


def from_source(entry: Entry) -> str:
    """The controller that a file of kube-controller-manager belongs to: ``deployment_controller.go``."""
    stem = re.split(r"[./]go:|\.go:", entry.source.rsplit("/", 1)[-1])[0]
    others = {"replica_set", "stateful_set", "horizontal", "garbagecollector"}
    ours = {"trigger_controller", "issuing_controller", "readiness_controller"}
    if stem in ours or not (stem.endswith("_controller") or stem in others):
        return ""
    return stem.removesuffix("_controller").replace("_", "") + "-controller"


def key_of(values: dict[str, Any]) -> str:
    """The object that a line is about: ``namespace/name`` where it has both."""
    for name in ("key", "request", "object", "item", "knative.dev/key"):
        value = values.get(name)
        if isinstance(value, dict) and isinstance(value.get("name"), str):
            return joined(value.get("namespace") or value.get("Namespace"), value["name"])
        if isinstance(value, str) and value.startswith("{"):
            return _parts(value)
        if isinstance(value, str) and value:
            return value.strip("/")[:600]
    for of, where in (("name", "namespace"), ("resource_name", "resource_namespace"), ("Name", "Namespace")):
        value = values.get(of)
        if isinstance(value, str) and value and (of == "resource_name" or values.get(where) or "controller" in values):
            return joined(values.get(where), value)
    for name, value in values.items():  # Widget={"name": .., "namespace": ..} or deployment="default/web"
        if isinstance(value, dict) and isinstance(value.get("name"), str) and set(value) <= {"name", "namespace"}:
            return joined(value.get("namespace"), value["name"])
        if isinstance(value, str) and value.startswith('{"name"'):
            return _parts(value)
        if (
            name[:1].islower()
            and isinstance(value, str)
            and name.isalpha()
            and re.fullmatch(r"[a-z0-9-]+/[a-z0-9.-]+", value)
        ):
            return value
    return ""


def _parts(text: str) -> str:
    parts = {name.lower(): value for name, value in _NAMED_PARTS.findall(text)}
    return joined(parts.get("namespace"), parts.get("name", ""))


def joined(namespace: object, name: str) -> str:
    """``namespace/name``, or the name alone."""
    return f"{namespace}/{name}" if isinstance(namespace, str) and namespace else name


def about(key: str, values: dict[str, Any], resource: str, name: str, text: str) -> str:
    """The refused object's key: its name, in the namespace that the line has."""
    if resource in CLUSTER_SCOPED:
        return name
    if key.rsplit("/", 1)[-1] == name and "/" in key:
        return key
    namespace = key.rsplit("/", 1)[0] if "/" in key else values.get("namespace")
    if not namespace:
        escaped = re.escape(name)
        named = (
            re.search(rf"namespaces/([a-z0-9-]+)/[a-z]+/{escaped}\b", text)
            or re.search(rf"(?<![\w/.-])([a-z0-9][a-z0-9-]*)/{escaped}(?![\w/.-])", text)
            or re.search(rf"name\W{{1,4}}{escaped}\W{{1,5}}namespace\W{{1,4}}(?:Some\W{{1,4}})?([a-z0-9-]+)", text)
        )
        namespace = named[1] if named else ""
    return joined(namespace, name)


def reconciled(controller: str, values: dict[str, Any]) -> str:
    """The resource that a controller is for, where its line has no other: cert-manager's by name, others' by kind."""
    found = next((resource for prefix, resource in _RESOURCES if controller.startswith(prefix)), "")
    kind = values.get("controllerKind")
    return found or (plural(kind.lower()) if isinstance(kind, str) and kind else "")


def asked_by(values: dict[str, Any]) -> tuple[str, bool]:
    """Who sent a request, of a line that has its user agent."""
    agent = values.get("userAgent")
    return actor_of(agent) if isinstance(agent, str) and agent else ("", False)
