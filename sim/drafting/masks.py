"""Takes the names out of what is known of a cluster, so that a draft can be shared: the same name, the same mask."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from sim.drafting.facts import Facts, IssuerName
from sim.units import counted

KINDS = {"Issuer", "ClusterIssuer"}


class _Masks:
    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    def of(self, what: str, name: str) -> str:
        """Return the mask of a name: ``issuer-1`` for the first issuer, and so on."""
        if not name:
            return name
        if (what, name) not in self._known:
            self._counts[what] = self._counts.get(what, 0) + 1
            self._known[what, name] = f"{what}-{self._counts[what]}"
        return self._known[what, name]


def anonymised(facts: Facts) -> Facts:
    """Return the same facts without names of Certificates, namespaces, issuers, their groups, writers and files."""
    masks = _Masks()

    def issuer(name: IssuerName) -> IssuerName:
        kind = name.kind if name.kind in KINDS else masks.of("kind", name.kind)
        mine = masks.of("issuer", f"{name.kind}/{name.namespace}/{name.name}")
        return IssuerName(kind, masks.of("namespace", name.namespace), mine, masks.of("group", name.group))

    process = facts.process
    if process is not None:
        options = {key: value for key, value in process.options.items() if key in SHOWN}
        process = replace(process, where="the Deployment", options=options)
    return replace(
        facts,
        certificates=[
            each._replace(
                namespace=masks.of("namespace", each.namespace),
                name=masks.of("certificate", f"{each.namespace}/{each.name}"),
                issuer=issuer(each.issuer),
            )
            for each in facts.certificates
        ],
        issuers={issuer(name): type_ for name, type_ in facts.issuers.items()},
        process=process,
        writers=[each._replace(name=masks.of("writer", each.name)) for each in facts.writers],
        left_out=Counter({"objects of other kinds": facts.left_out.total()}) if facts.left_out else Counter(),
        sources=[counted(len(facts.sources), "file")] if facts.sources else [],
    )


SHOWN = frozenset({"concurrent-workers", "kube-api-qps", "kube-api-burst", "feature-gates"})
"""The options that a draft is made of; others may name what is private."""
