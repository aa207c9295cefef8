"""Which objects somebody may do something to by hand: those that can be there in a run of the scenario."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sim.scenario.errors import Fault
from sim.scenario.kinds import unknown_kind
from sim.scenario.workload import HandDeed, Workload
from sim.units import quoted


def certificate_name(number: int) -> str:
    """The name of Certificate number ``number``, from 0; those that are there at the start come first."""
    return f"c{number:04d}"


def deed_faults(workload: Workload, secret: str | None, kinds: Collection[str], made: Collection[str]) -> list[Fault]:
    """Return the deeds of a workload of Certificates whose object cannot be there.

    ``secret`` is what all Certificates name in place of a Secret each, ``kinds`` are those that the run serves, and of
    those in ``made`` operators create objects, under names that only they know.
    """
    wrong = []
    for n, deed in enumerate(workload.deeds):
        for key, kind, name in _named(deed):
            found = _why_not(workload, secret, kinds, kind, name) if kind not in made else None
            if found is not None:
                wrong.append(Fault(found, (("workload", "deeds", n, key),)))
    return wrong


def _named(deed: HandDeed) -> Iterator[tuple[str, str, str]]:
    """Key, kind and name of the object that a deed is done to."""
    if deed.renew is not None:
        yield "renew", "Certificate", deed.renew
    for key in ("delete_secret", "spoil_secret"):
        name = getattr(deed, key)
        if name is not None:
            yield key, "Secret", name
    if deed.edit is not None:
        kind, _, name = deed.edit.partition("/")
        yield "edit", kind, name


def _why_not(workload: Workload, secret: str | None, kinds: Collection[str], kind: str, name: str) -> str | None:
    if kind not in kinds:
        return unknown_kind(kind, kinds)
    last = certificate_name(workload.total - 1)
    if kind == "Certificate" and not _is_certificate(name, workload.total):
        return f"there is never a Certificate {quoted(name)}; there are {certificate_name(0)} to {last}"
    if kind == "Secret" and name != secret:
        # A target is CERTIFICATE-tls, a private key CERTIFICATE-xxxxx with letters that chance draws.
        owner, hyphen, _ = name.partition("-")
        beside = any(each.kind == "Secret" for each in workload.beside)
        if not beside and not (hyphen and _is_certificate(owner, workload.total)):
            target = secret or f"{certificate_name(0)}-tls to {last}-tls"
            return f"there is never a Secret {quoted(name)}; there are {target}, and private keys such as c0000-x7k2p"
    return None


def _is_certificate(name: str, many: int) -> bool:
    digits = name[1:10]
    number = int(digits) if digits.isascii() and digits.isdigit() else many
    return number < many and name == certificate_name(number)
