"""Reads what ``kubectl get ... -o json`` (or ``-o yaml``) prints: objects of several kinds, in lists or one by one.

Of Secrets nothing is read but that they are there: an export of all kinds may hold them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from sim.drafting.facts import Facts, FoundCertificate, IssuerName
from sim.drafting.process import process_of
from sim.guarded import Unusable, load_json, one_line
from sim.logs.times import parse_rfc3339
from sim.scenario.certificate import CertificateSpec

LARGEST = 256 * 1024 * 1024
"""The largest export that is read, in bytes: 50,000 Certificates or so."""

_GROUPS = frozenset({"cert-manager.io", "certmanager.k8s.io"})
_ISSUER_TYPES = ("acme", "ca", "selfSigned", "vault", "venafi")
_GO_PARTS = re.compile(r"(\d+(?:\.\d+)?)(h|m(?!s)|s|ms|us|µs|ns)")
_GO_UNITS = {"h": 3600e9, "m": 60e9, "s": 1e9, "ms": 1e6, "us": 1e3, "µs": 1e3, "ns": 1.0}
_BETWEEN = re.compile(r"(?<=\})\s*\n\s*(?=\{)")
_BESIDE = re.compile(r"(?:(?:Warning: |[IWE]\d{4} \d\d:\d\d:).*\n)+")
"""What kubectl says beside its output, where both went to one file."""


def read_objects(data: bytes, name: str, facts: Facts) -> None:
    """Add what an export says to ``facts``; ``name`` is what messages call it. Raises ``Unusable`` where it is none."""
    before = _known(facts)
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for obj in _objects(data, name):
        meta = _map(obj, "metadata")
        about = obj["kind"], str(obj.get("apiVersion")), _text(meta, "namespace"), _text(meta, "name")
        found[about if about[-1] else (str(len(found)),)] = obj  # a watch tells of an object again and again
    for obj in found.values():
        _take(obj, facts)
    if not found:
        raise Unusable(f"{name}: there is no object in it; kubectl get certificates,issuers -A -o json writes some")
    if _known(facts) == before:
        kinds = ", ".join(kind for kind, _ in facts.left_out.most_common(4))
        raise Unusable(
            f"{name}: nothing in it that a scenario is made of, only {kinds}; "
            "wanted are Certificate, Issuer, ClusterIssuer, CertificateRequest, or cert-manager's Deployment"
        )


def go_duration(text: object) -> int | None:
    """Return a duration as Go writes it (``2160h0m0s``) in nanoseconds; None where it is none."""
    parts = _GO_PARTS.findall(text) if isinstance(text, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return round(sum(float(number) * _GO_UNITS[unit] for number, unit in parts))


def _known(facts: Facts) -> tuple[int, ...]:
    return len(facts.certificates), len(facts.issuers), len(facts.signing_s), int(facts.process is not None)


def _objects(data: bytes, name: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of an export, those of lists one by one."""
    for document in _documents(data, name):
        items = document.get("items") if isinstance(document, dict) else document
        if not isinstance(items, list):
            items = [document]
        for item in items:
            if not isinstance(item, dict) or not isinstance(item.get("kind"), str):
                raise Unusable(f"{name}: this is no Kubernetes object: it has no kind")
            yield item


def _documents(data: bytes, name: str) -> Iterator[Any]:
    text = data.decode("utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig", "replace").strip()
    if beside := _BESIDE.match(text):
        text = text[beside.end() :]
    if text[:1] in {"{", "["}:
        for part in _BETWEEN.split(text):  # one export after the other in one file, or one object a line
            try:
                yield load_json(part)
            except ValueError as error:
                raise Unusable(f"{name}: {error}") from None
        return
    import yaml

    try:
        # Every scalar is text then, times among them; objects of no other kind are ever built.
        yield from (each for each in yaml.load_all(text, Loader=yaml.BaseLoader) if each)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""
        reason = getattr(error, "problem", None) or "it cannot be read"
        raise Unusable(f"{name}{where}: neither JSON nor YAML: {one_line(str(reason))}") from None


def _take(obj: dict[str, Any], facts: Facts) -> None:
    kind, group = obj["kind"], str(obj.get("apiVersion", "")).partition("/")[0]
    taker = _TAKERS.get(kind)
    if taker is None or (kind not in {"Deployment", "Pod"} and group not in _GROUPS):
        facts.left_out["Secret (their contents are not read)" if kind == "Secret" else one_line(kind)[:60]] += 1
        return
    taker(obj, facts)


def _certificate(obj: dict[str, Any], facts: Facts) -> None:
    meta, spec, status = _map(obj, "metadata"), _map(obj, "spec"), _map(obj, "status")
    namespace = _text(meta, "namespace") or "default"
    key = _map(spec, "privateKey")
    ready = _condition(status, "Ready")
    issued = bool(status.get("notAfter"))
    duration = go_duration(spec.get("duration"))
    renewal = parse_rfc3339(status.get("renewalTime")) or parse_rfc3339(status.get("notAfter"))
    facts.certificates.append(
        FoundCertificate(
            namespace=namespace,
            name=_text(meta, "name") or "?",
            ready=_text(ready, "status") == "True",
            issued=issued,
            renewal_ns=renewal,
            duration=duration,
            renew_before=go_duration(spec.get("renewBefore")) or _share(spec.get("renewBeforePercentage"), duration),
            # Before v1 they stood beside the others: spec.keyAlgorithm: rsa.
            algorithm=_ALGORITHMS.get((_text(key, "algorithm") or _text(spec, "keyAlgorithm")).lower(), "RSA"),
            size=_whole(key.get("size", spec.get("keySize"))),
            rotation=_text(key, "rotationPolicy") or None,
            issuer=_issuer_name(_map(spec, "issuerRef"), namespace),
            reason=_text(ready, "reason") if ready else "no Ready condition",
        )
    )


_ALGORITHMS = {"rsa": "RSA", "ecdsa": "ECDSA", "ed25519": "Ed25519"}


def _issuer(obj: dict[str, Any], facts: Facts) -> None:
    meta, spec = _map(obj, "metadata"), _map(obj, "spec")
    namespace = "" if obj["kind"] == "ClusterIssuer" else _text(meta, "namespace") or "default"
    type_ = next((each for each in _ISSUER_TYPES if each in spec), "unknown")
    facts.issuers[IssuerName(obj["kind"], namespace, _text(meta, "name"))] = type_


def _request(obj: dict[str, Any], facts: Facts) -> None:
    """How long a signature took: from the request's creation to the transition of its Ready condition."""
    ready = _condition(_map(obj, "status"), "Ready")
    begun = parse_rfc3339(_map(obj, "metadata").get("creationTimestamp"))
    ended = parse_rfc3339(ready.get("lastTransitionTime"))
    if _text(ready, "reason") == "Issued" and begun is not None and ended is not None and ended >= begun:
        facts.signing_s.append((ended - begun) / 1e9)
    else:
        facts.left_out["CertificateRequest that is not issued"] += 1


def _deployment(obj: dict[str, Any], facts: Facts) -> None:
    found = process_of(obj)
    if found is None:
        facts.left_out[f"{obj['kind']} that is not cert-manager's controller"] += 1
    elif facts.process is None or len(found.options) > len(facts.process.options):
        facts.process = found


_TAKERS: dict[str, Callable[[dict[str, Any], Facts], None]] = {
    "Certificate": _certificate,
    "Issuer": _issuer,
    "ClusterIssuer": _issuer,
    "CertificateRequest": _request,
    "Deployment": _deployment,
    "Pod": _deployment,
}


def _issuer_name(ref: dict[str, Any], namespace: str) -> IssuerName:
    kind, group = _text(ref, "kind") or "Issuer", _text(ref, "group")
    group = "" if group in _GROUPS else group
    return IssuerName(kind, "" if kind == "ClusterIssuer" else namespace, _text(ref, "name"), group)


def _condition(status: dict[str, Any], type_: str) -> dict[str, Any]:
    conditions = status.get("conditions")
    for each in conditions if isinstance(conditions, list) else ():
        if isinstance(each, dict) and each.get("type") == type_:
            return each
    return {}


def _map(obj: dict[str, Any], key: str) -> dict[str, Any]:
    found = obj.get(key)
    return found if isinstance(found, dict) else {}


def _text(obj: dict[str, Any], key: str) -> str:
    found = obj.get(key)
    return one_line(found)[:253] if isinstance(found, str) else ""


def _share(percentage: object, duration: int | None) -> int | None:
    """``renewBeforePercentage``, since 1.16, of the lifetime (of cert-manager's own where none is asked for)."""
    share = _whole(percentage)
    return None if share is None else (duration or CertificateSpec().duration) * min(share, 99) // 100


def _whole(value: object) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"\d{1,6}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
