"""Strategies and helpers for writes on one Certificate."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from sim.cluster.apiserver import ApiServer
from sim.cluster.messages import Response
from sim.cluster.objects import Object, Write
from sim.cluster.store import Store
from sim.families.certmanager.kinds import kinds

KINDS = kinds()
NAME = "c"
SPEC: dict[str, Any] = {"secretName": "tls", "issuerRef": {"name": "ca", "kind": "Issuer"}}
MANAGERS = ("alice", "bob", "carol", "dave")
TIMES = tuple(f"2026-0{month}-01T00:00:00Z" for month in (1, 2, 3))

managers = st.sampled_from(MANAGERS)


def cluster(spec: dict[str, Any] | None = None, **body: Any) -> tuple[Store, ApiServer]:
    """A store with one Certificate, created by ``kubectl``."""
    store = Store(KINDS)
    api = ApiServer(store)
    whole = {"spec": SPEC if spec is None else spec, **body}
    assert api.handle(Write("create", "Certificate", NAME, whole, "kubectl"), 1).code == 201
    return store, api


def current(store: Store) -> Object:
    item = store.get("Certificate", NAME)
    assert item is not None
    return item


def owned(item: Object, manager: str, operation: str = "Apply", subresource: str = "") -> set[str]:
    """The paths that a manager owns, as conflicts name them."""
    for entry in item.managers:
        if (entry.manager, entry.operation, entry.subresource) == (manager, operation, subresource):
            return {path.name() for path in KINDS[item.kind].paths.members(entry.fields)}
    return set()


def there(item: Object) -> set[str]:
    """All paths that the object has."""
    paths: set[str] = set()
    for labels in ("labels", "annotations"):
        if getattr(item, labels):
            paths |= {f".metadata.{labels}", *(f".metadata.{labels}.{key}" for key in getattr(item, labels))}
    for part in ("spec", "status"):
        if getattr(item, part) is not None:
            paths |= set(_paths(getattr(item, part), f".{part}"))
    return paths


def _paths(value: Any, path: str) -> list[str]:
    paths = [path]
    if isinstance(value, dict):
        for key, item in value.items():
            paths += _paths(item, f"{path}.{key}")
    elif path == ".status.conditions":
        for item in value:
            paths += _paths(item, f'{path}[type="{item["type"]}"]')
    return paths


def value_at(item: Object, path: str) -> Any:
    """The value of a leaf named as a conflict names it."""
    value: Any = {
        "metadata": {"labels": item.labels, "annotations": item.annotations},
        "spec": item.spec,
        "status": item.status,
    }
    for step in path.replace('[type="', ".").replace('"]', "").split(".")[1:]:
        value = next(one for one in value if one["type"] == step) if isinstance(value, list) else value[step]
    return value


def leaves(body: dict[str, Any]) -> dict[str, Any]:
    """The leaf fields of an applied configuration, by path."""
    return dict(_leaves(body, ""))


def _leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in _leaves(item, f"{path}.{key}")]
    if path == ".status.conditions":
        return [leaf for item in value for leaf in _leaves(item, f'{path}[type="{item["type"]}"]')]
    return [(path, value)]


@st.composite
def conditions(draw: DrawFn) -> list[dict[str, Any]]:
    types = draw(st.lists(st.sampled_from(["Ready", "Issuing"]), min_size=1, max_size=2, unique=True))
    return [
        {
            "type": type_,
            "status": draw(st.sampled_from(["True", "False"])),
            **draw(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "reason": st.sampled_from(["A", "B"]),
                        "message": st.sampled_from(["m", "n"]),
                        "lastTransitionTime": st.sampled_from(TIMES),
                        "observedGeneration": st.integers(1, 2),
                    },
                )
            ),
        }
        for type_ in types
    ]


def statuses(*, empty: bool = True) -> SearchStrategy[dict[str, Any]]:
    fields = {
        "conditions": conditions(),
        "revision": st.integers(1, 2),
        "nextPrivateKeySecretName": st.sampled_from(["k1", "k2"]),
        "notAfter": st.sampled_from(TIMES),
        "lastFailureTime": st.sampled_from(TIMES),
    }
    status = st.fixed_dictionaries({}, optional=fields)
    return status if empty else status.filter(bool)


def specs() -> SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "commonName": st.sampled_from(["x", "y"]),
            "dnsNames": st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=2, unique=True),
            "duration": st.sampled_from(["1h", "2h"]),
            "secretName": st.sampled_from(["tls", "web"]),
            "privateKey": st.fixed_dictionaries(
                {}, optional={"algorithm": st.sampled_from(["RSA", "ECDSA"]), "size": st.just(2048)}
            ).filter(bool),
        },
    )


def metadata() -> SearchStrategy[dict[str, Any]]:
    strings = st.dictionaries(st.sampled_from(["env", "team"]), st.sampled_from(["1", "2"]), min_size=1)
    return st.fixed_dictionaries({}, optional={"labels": strings, "annotations": strings})


@st.composite
def bodies(draw: DrawFn, subresource: str) -> dict[str, Any]:
    if subresource:
        return {"status": draw(statuses())}
    body: dict[str, Any] = {"spec": draw(specs())}
    found = draw(metadata())
    return {**body, "metadata": found} if found else body


@st.composite
def plans(draw: DrawFn) -> dict[str, Any]:
    """One write, not yet addressed to a version of the object."""
    verb = draw(st.sampled_from(["apply", "apply", "update", "merge-patch"]))
    subresource = draw(st.sampled_from(["", "status", "status"]))
    return {
        "verb": verb,
        "subresource": subresource,
        "manager": draw(managers),
        "force": draw(st.booleans()),
        "body": draw(bodies(subresource)),
        "stale": verb != "apply" and draw(st.integers(0, 9)) == 0,
        "wait": draw(st.integers(0, 1)),
    }


class Player:
    """Sends plans to a cluster and checks nothing."""

    def __init__(self) -> None:
        self.store, self.api = cluster()
        self.now = 1

    def write(self, plan: dict[str, Any]) -> Write:
        """The plan as a write on the object as it is now."""
        item = current(self.store)
        body = plan["body"]
        version = None
        if plan["verb"] == "update":
            version = item.resource_version - plan["stale"]
            if plan["subresource"]:
                body = {"status": {**(item.status or {}), **body["status"]}}
            else:
                metadata = {"labels": item.labels, "annotations": item.annotations}
                body = {
                    "metadata": {**metadata, **body.get("metadata", {})},
                    "spec": {**(item.spec or {}), **body["spec"]},
                }
        return Write(
            plan["verb"],
            "Certificate",
            NAME,
            body,
            plan["manager"],
            plan["subresource"],
            plan["force"] and plan["verb"] == "apply",
            version,
            item.uid if plan["verb"] == "update" else None,
        )

    def send(self, plan: dict[str, Any]) -> tuple[Write, Response]:
        self.now += plan["wait"]
        write = self.write(plan)
        return write, self.api.handle(write, self.now)
