"""What a refusal with 409 was for: a stale copy, or something else. The one rule, for audit logs and logs alike.

The API server answers 409 to more than stale copies, and other services answer it too. Its own words tell them apart:

- a stale copy: "the object has been modified" (registry/generic/registry/store.go, ``OptimisticLockErrorMsg``), or a
  resourceVersion that was asked for (storage/interfaces.go, ``Preconditions.Check``);
- the fields of another manager: "Apply failed with" (managedfields/internal/conflict.go);
- all else: a UID that was asked for and is another object's, a namespace that is going, a pod that has its node
  (registry/core/pod/storage, ``assignPod``), a token of an object that was made anew, a name that exists.

A client of Kubernetes logs these words, or the URL that it asked; without either a 409 is another service's.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

MODIFIED = "the object has been modified"
QUOTE = r'(?:\\*(?:["“”\']|&quot;|&#34;)){1,2}'
_BEGUN = len("the object has been")
ANONYMOUS = "(not named)"
CLUSTER_SCOPED = frozenset(
    {"apiservices", "certificatesigningrequests", "clusterissuers", "clusterrolebindings", "clusterroles",
     "csidrivers", "csinodes", "customresourcedefinitions", "flowschemas", "gatewayclasses", "ingressclasses",
     "mutatingwebhookconfigurations", "namespaces", "nodes", "persistentvolumes", "priorityclasses",
     "prioritylevelconfigurations", "runtimeclasses", "storageclasses", "validatingadmissionpolicies",
     "validatingadmissionpolicybindings", "validatingwebhookconfigurations", "volumeattachments"}
)  # fmt: skip
"""Resources without a namespace: that of the object whose controller was refused is not theirs."""

_REFUSED = re.compile(rf"Operation cannot be fulfilled on ([a-zA-Z0-9./-]+)\s+{QUOTE}([^\"\\“”'&]{{1,300}}){QUOTE}: ?")
_REPORTED = re.compile(r"the server reported a conflict \((?:put|patch|delete) ([a-z0-9.-]+) ([a-z0-9.-]+)\)")
_APPLY = re.compile(r"Apply failed with \d+ conflicts?: ?")
_OWNERS = re.compile(rf"conflicts? with {QUOTE}([^\"\\]{{1,200}}){QUOTE}")
_FIELD = re.compile(r"(?:: ?|\\n- |^- )(\.[^\s\\\"]+)", re.MULTILINE)
_EXISTS = re.compile(rf"([a-z][a-z0-9-]*)(?:\.[a-z0-9.-]+)?\s+{QUOTE}([^\"\\“”']{{1,300}}){QUOTE} already exists")
_URL = re.compile(
    r"(?:/apis/[a-z0-9.-]+/v[0-9][a-z0-9]*/(?:namespaces/([^/\s?\"]+)/)?([a-z]+)"
    r"|/api/v1/(?:namespaces/([^/\s?\"]+)/)?([a-z]+))"
    r"(?:/([^/\s?\"]*[^/\s?\".,:;]))?(?:/[a-z]+)?(?=[/\s?\".,:;)]|$)"
)
_VERB = re.compile(r"\b(POST|PUT|PATCH|DELETE)\b")
_REFUSED_REQUEST = re.compile(
    r"(?:status|resp|code|status_?code)[\"']?\s?[=:]\s?[\"']?409\b|\b409 Conflict\b|\(409\)", re.I
)
_SAID = re.compile(
    r"(?<!merge )(?<!git )conflict\w* (?:while|when|on|in|during|error)?\W{0,2}(?:the )?(?:updat|patch|writ|sav)"
    r"|(?:updat|patch|writ|sav)\w*(?: \w+){0,4} conflict",
    re.I,
)
_AGAIN = re.compile(r"re-?queu|retry|again", re.I)
_ANOTHER_409 = ("StorageError", "Precondition failed", "already exists")
_SPEAKS = re.compile(
    r"object has been modified|optimistic lock|Operation cannot be fulfilled|"
    r"\b409\b.{0,80}?[Cc]onflict|[Cc]onflict.{0,80}?\b409\b",
    re.DOTALL,
)
_OF_KUBERNETES = re.compile(rf"{MODIFIED}|ptimistic lock|cannot be fulfilled|ubernetes|ApiException|apiserver", re.I)


class RefusedObject(NamedTuple):
    """An object that the API server names in its refusal."""

    resource: str
    name: str
    why: str  # the server's words; "" where the text ends before them

    @property
    def stale(self) -> bool:
        """Whether it was for a stale copy."""
        return bool(self.why) and is_stale(self.why)


class AskedFor(NamedTuple):
    """A request to the API server, as its URL tells."""

    verb: str  # of HTTP; "" where the text has none
    resource: str
    namespace: str
    name: str  # "" of a collection


def is_stale(words: str) -> bool:
    """Whether the server's words for a 409 Conflict tell of a stale copy; so they do where there are none."""
    why = words.strip(" .\"'\\")
    begun = MODIFIED.startswith(why[:_BEGUN])  # however they go on: cut off, or with a word in two
    return begun or "modified" in why or "ResourceVersion in precondition" in why


def refused(text: str) -> list[RefusedObject]:
    """Return the objects that a text says to have been refused, each once: an error may hold several refusals."""
    if "cannot be fulfilled" not in text:
        named = _REPORTED.search(text) if "reported a conflict" in text else None
        return [RefusedObject(named[1].split(".", 1)[0], named[2], MODIFIED)] if named else []
    found: dict[tuple[str, str], RefusedObject] = {}
    matches = list(_REFUSED.finditer(text))
    for number, match in enumerate(matches, 1):
        until = matches[number].start() if number < len(matches) else len(text)
        resource = match[1].replace("/", ".").partition(".")[0]
        one = RefusedObject(resource, match[2], text[match.end() : min(until, match.end() + 400)])
        if not (known := found.get((resource, match[2]))) or not known.stale:
            found[resource, match[2]] = one
    return list(found.values())


@lru_cache(maxsize=4096)
def why_refused(verb: str, reason: str, words: str) -> tuple[str, RefusedObject | None]:
    """Return why a write was answered with 409, and of what a copy was stale, where the server names it.

    The reason is the server's, but for Conflict: that is it for stale copies alone, FieldConflict for an apply that
    met the fields of another, and OtherConflict for all else.
    """
    if words.startswith("Apply failed with"):
        return "FieldConflict", None
    named = refused(words)
    if not reason:
        exists = "already exists" in words or (verb == "create" and not named)
        reason = "AlreadyExists" if exists else "Conflict"
    if reason != "Conflict":
        return reason, None
    if not is_stale(named[0].why if named else words):
        return "OtherConflict", None
    return reason, named[0] if named else None


def field_owners(text: str) -> tuple[str, str] | None:
    """Return the managers that an apply met and the first of the fields; None where a text tells of no such."""
    applied = _APPLY.search(text) if "Apply failed" in text else None
    if applied is None:
        return None
    said = text[applied.end() : applied.end() + 600]
    field = _FIELD.search(said)
    return ", ".join(dict.fromkeys(_OWNERS.findall(said))) or ANONYMOUS, field[1][:100] if field else ""


def existing(text: str) -> tuple[str, str, str] | None:
    """Return resource and name of an object that a creation met, and the server's words."""
    found = _EXISTS.search(text) if "already exists" in text else None
    return (found[1], found[2], found[0]) if found else None


def request_of(text: str) -> AskedFor | None:
    """Return the request of the API server that a text has the URL of."""
    url = _URL.search(text)
    if url is None:
        return None
    verb = _VERB.search(text)
    namespace, resource, name = url[1] or url[3] or "", url[2] or url[4], url[5] or ""
    if namespace and resource in {"status", "finalize"} and not name:
        namespace, resource, name = "", "namespaces", namespace
    return AskedFor(verb[1] if verb else "", resource, namespace, name)


def refused_request(text: str) -> AskedFor | None:
    """Return the request that was answered with 409, of a line that has its URL."""
    if "409" not in text or _REFUSED_REQUEST.search(text) is None or _another(text):
        return None
    return request_of(text)


def says_so(message: str) -> bool:
    """Whether a controller says in its own words that its write met another and that it tries again."""
    return "onflict" in message and _SAID.search(message) is not None and _AGAIN.search(message) is not None


def may_speak(text: str) -> bool:
    """Whether a text has any of the words with which a refusal is told, so that a look at it is worth it."""
    return "modified" in text or "ptimistic lock" in text or "409" in text or "fulfilled" in text


def refuses(text: str) -> bool:
    """Whether a text is the API server's refusal, of a stale copy or of another's fields."""
    return "object has been modified" in text or "cannot be fulfilled" in text or "Apply failed with" in text


def speaks_of_conflict(text: str) -> bool:
    """Whether a text's words are those of a refusal for a stale copy, whether or not it was understood."""
    if not may_speak(text) or _SPEAKS.search(text) is None or _another(text):
        return False
    named = refused(text)
    return not named or any(one.stale or not one.why for one in named)


def of_another_service(error: str) -> bool:
    """Whether an error of a Go program tells of a 409 that is not the API server's: that one's words would be there."""
    return "409" in error and _OF_KUBERNETES.search(error) is None and request_of(error) is None


def _another(text: str) -> bool:
    return (
        any(words in text for words in _ANOTHER_409) and MODIFIED not in text and "ResourceVersion in pre" not in text
    )
