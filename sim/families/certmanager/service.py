"""Which of the profile's service times a request has, in a cluster with cert-manager."""

from __future__ import annotations


def service_class(verb: str, kind: str, subresource: str) -> str:
    """See ``sim.cluster.server.ServiceClass``; what is no Certificate, Secret or Event is as a CertificateRequest."""
    if verb == "get":
        return "get"
    if verb == "refused":
        return "certificate_refused"
    if kind == "Certificate":
        if verb == "create":
            return "certificate_create"
        return "certificate_status" if subresource else "certificate_main"
    if kind == "Event":
        return "event"
    if kind == "Secret":
        return {"create": "secret_create", "delete": "secret_delete"}.get(verb, "secret_apply")
    return {"create": "request_create", "delete": "request_delete"}.get(verb, "request_status")
