"""Certificates that are there, and Ready, when a replication begins.

Each stands as an issuance leaves it: its Secret, the CertificateRequest of revision 1, and a status whose fields
belong to the controllers that wrote them. The controllers' process then starts as it starts on any cluster: it lists
everything, looks at each Certificate once, and finds nothing to do but to wait for its renewal.
"""

from __future__ import annotations

from typing import Any

from sim.client import writes
from sim.client.conditions import Status, with_condition
from sim.client.surroundings import Surroundings
from sim.cluster.apiserver import ApiServer
from sim.cluster.objects import Object, Write
from sim.families.certmanager import approver, issuing, pki, readiness
from sim.families.certmanager.issuers import FETCHED, sign
from sim.families.certmanager.outside import certificate_spec, common_spec
from sim.families.certmanager.request_manager import request_for
from sim.families.creator import Creator
from sim.kernel.clock import rfc3339
from sim.scenario.deeds import certificate_name
from sim.scenario.values import Strategy
from sim.units import SECOND


def put(surroundings: Surroundings) -> None:
    """Put the scenario's existing Certificates into the store."""
    scenario = surroundings.scenario
    already = scenario.workload.already()
    if already is None:
        return
    common = common_spec(scenario)
    for number, due in enumerate(already.due(scenario.certificate)):
        surroundings.listener.found(_one(surroundings, certificate_name(number), due, common))


def _one(surroundings: Surroundings, name: str, due: int, common: dict[str, Any]) -> Object:
    """Put one Certificate, its request and its Secret; its renewal is due so many ns from now."""
    scenario, api, now = surroundings.scenario, surroundings.server.api, surroundings.simulation.unix_seconds
    wanted = scenario.certificate
    before = wanted.duration // 3 if wanted.renew_before is None else wanted.renew_before
    issued = now + (due + before - wanted.duration) // SECOND
    made = _handled(
        api,
        writes.create("Certificate", name, {"spec": certificate_spec(scenario, name, common)}, manager=Creator.actor),
        issued,
    )
    assert made.spec is not None
    key = pki.Key(f"{name}-key", *pki.key_shape(made.spec))
    key_secret = f"{name}-next"  # deleted when the issuance ended
    made_by = "cert-manager-certificates-request-manager"
    request = _handled(api, request_for(made, f"{name}-1", 1, key, key_secret, made_by), issued)
    assert request.spec is not None
    signed = sign(request.spec["request"], f"{name}-serial", issued, wanted.duration)
    authority = signed if scenario.issuer.type == "selfsigned" else scenario.issuer.type
    status = with_condition(None, "Approved", "True", "cert-manager.io", approver.MESSAGE, issued)
    status = with_condition(status, "Ready", "True", "Issued", FETCHED, issued)
    status = {**status, "certificate": signed, "ca": authority}
    signer = f"cert-manager-certificaterequests-issuer-{scenario.issuer.type}"
    _handled(api, writes.replace("update", request, {"status": status}, manager=signer, subresource="status"), issued)
    data = {"tls.key": key, "tls.crt": signed, "ca.crt": authority}
    _handled(api, issuing.target_secret(made, data, f"cert-manager-{issuing.Issuing.name}"), issued)
    return _ready(surroundings, made, signed, issued)


def _ready(surroundings: Surroundings, made: Object, signed: pki.SignedCertificate, issued: int) -> Object:
    """Write the status as readiness and issuing do, each by its own strategy."""
    scenario, api = surroundings.scenario, surroundings.server.api
    renewal = pki.renewal_time(signed, scenario.certificate.renew_before)
    status = with_condition(made.status, "Ready", "True", *readiness.READY, issued, made.generation)
    status["notBefore"], status["notAfter"] = rfc3339(signed.not_before), rfc3339(signed.not_after)
    status["renewalTime"] = rfc3339(renewal)
    how = scenario.controllers.readiness.strategy or scenario.strategy
    made = _written(api, how, made, status, readiness.own(status), readiness.Readiness.name, issued)
    how = scenario.controllers.issuing.strategy or scenario.strategy
    status = {**(made.status or {}), "revision": 1}
    if how == "apply":
        status = with_condition(status, "Issuing", "False", "Issued", issuing.ISSUED, issued, made.generation)
    return _written(api, how, made, status, issuing.own(status), issuing.Issuing.name, issued)


def _written(
    api: ApiServer, how: Strategy, read: Object, status: Status, own: Status, controller: str, now: int
) -> Object:
    manager = f"cert-manager-{controller}"
    write = writes.replace(how, read, {"status": status}, own={"status": own}, manager=manager, subresource="status")
    return _handled(api, write, now)


def _handled(api: ApiServer, write: Write, now: int) -> Object:
    response = api.handle(write, now)
    assert response.object is not None
    assert response.code < 300, response.message
    return response.object
