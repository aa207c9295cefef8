"""Who sent a request: the controller, from its user agent, its service account or its field manager.

cert-manager names its parts differently by release (cmd/controller/app, pkg/util/useragent.go):

- 0.11: ``jetstack-cert-manager/v0.11.0``;
- 0.12 to 1.1: ``controller/v0.0.0 (linux/amd64) kubernetes/$Format/jetstack-cert-manager/v1.1.0``;
- 1.2 to 1.7: the same with ``cert-manager/v1.5.4``;
- since 1.8 each controller its own: ``cert-manager-certificates-trigger/v1.12.9 (linux/amd64) cert-manager/<commit>``.

Only the last tells its controllers apart. Where a proxy or a collector took the user agent away, the service account
tells at least that it was cert-manager.
"""

from __future__ import annotations

import re
from functools import lru_cache

TOGETHER = "controllers (not told apart)"
"""cert-manager's controllers, where the log has one name for all of them."""
NOBODY = "no user agent"
_ACCOUNT = "system:serviceaccount:"
_OURS = re.compile(r"[/ ](?:jetstack-)?cert-manager/|^(?:jetstack-)?cert-manager/")
_PARTS = {"cert-manager-cainjector": "cainjector", "cert-manager-webhook": "webhook",
          "cert-manager-startupapicheck": "startupapicheck"}  # fmt: skip
_GENERIC = frozenset(
    {"manager", "operator", "controller", "main", "go-http-client", "okhttp", "python-requests", "python-urllib",
     "openapi-generator", "fabric8-kubernetes-client", "kubernetes-client", "kubernetes-java-client", "java",
     "rest-client", "___go_build_main", "controller-manager", "client-go", "kubeclient", "axios", "node-fetch"}
)  # fmt: skip
"""First words of user agents that many programs share: then the service account says more."""


@lru_cache(maxsize=4096)
def actor_of(user_agent: str, username: str = "") -> tuple[str, bool]:
    """Return who sent a request and whether that is a part of cert-manager."""
    first = user_agent.split("/", 1)[0].strip()
    if first.startswith("cert-manager-"):
        return first.removeprefix("cert-manager-"), True
    account = _account(username)
    if _OURS.search(user_agent) or first in {"cert-manager", "jetstack-cert-manager"}:
        return (TOGETHER if first in {"controller", "cert-manager", "jetstack-cert-manager"} else first), True
    if account is not None:
        if account in _PARTS:
            return _PARTS[account], True
        if account == "cert-manager" or account.endswith("-cert-manager"):
            return TOGETHER, True
    # kube-controller-manager puts the account of each of its controllers at the end.
    tail = user_agent.rsplit("/", 1)[-1]
    if tail.startswith(_ACCOUNT):
        return tail.rsplit(":", 1)[-1][:60], False
    if account is not None and (not first or first.lower() in _GENERIC or first == "kube-controller-manager"):
        return account[:60], False
    if not first:
        return (username[:60] if username and not username.startswith("system:") else NOBODY), False
    return first[:60], False


def _account(username: str) -> str | None:
    """The name of a service account; None for another user."""
    if not username.startswith(_ACCOUNT):
        return None
    parts = username.split(":")
    return parts[3] if len(parts) == 4 and parts[3] not in {"", "default"} else parts[2] if len(parts) == 4 else None
