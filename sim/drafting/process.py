"""How cert-manager's controller is started: its release from the image, its settings from the arguments.

Sources of the options: cert-manager's cmd/controller/app/options (``--concurrent-workers``, ``--kube-api-qps``,
``--kube-api-burst``, ``--feature-gates``, ``--v``, ``--max-concurrent-challenges``).
"""

from __future__ import annotations

import re
from typing import Any

from sim.drafting.facts import Process
from sim.guarded import one_line

_IMAGE = re.compile(r"cert-manager-controller(?![\w-])(?::v?(\d+\.\d+(?:\.\d+)?)[\w.+-]*)?")
_MARKS = frozenset({"cluster-resource-namespace", "acme-http01-solver-image", "max-concurrent-challenges"})
"""Options of the controller alone; images are often mirrored under other names."""
_VERSION_LABELS = ("app.kubernetes.io/version", "helm.sh/chart")
_FLAG = re.compile(r"--?([a-zA-Z][\w-]*)(?:=(.*))?", re.DOTALL)
_VERSION = re.compile(r"v?(\d+\.\d+(?:\.\d+)?)")


def process_of(obj: dict[str, Any]) -> Process | None:
    """Return how a Deployment or a Pod starts cert-manager's controller; None where it starts something else."""
    meta = _map(obj, "metadata")
    spec = _map(obj, "spec")
    pod = _map(_map(spec, "template"), "spec") if obj.get("kind") == "Deployment" else spec
    containers = pod.get("containers")
    for container in containers if isinstance(containers, list) else ():
        if not isinstance(container, dict):
            continue
        image = container.get("image")
        named = _IMAGE.search(image) if isinstance(image, str) else None
        options = _options(container)
        if named is None and not _MARKS & set(options):
            continue
        where = f"{obj.get('kind')} {meta.get('namespace', 'default')}/{meta.get('name', '?')}"
        limits = _map(_map(container, "resources"), "limits")
        cpu = limits.get("cpu")
        version = (named.group(1) if named is not None else None) or _version_of(meta, image)
        return Process(one_line(where)[:200], version, options, one_line(str(cpu))[:20] if cpu is not None else None)
    return None


def _options(container: dict[str, Any]) -> dict[str, str]:
    """The options of a container: ``--name=value``, ``--name value``, or ``--name`` alone, which is true."""
    words: list[str] = []
    for key in ("command", "args"):
        given = container.get(key)
        words += [word for word in given if isinstance(word, str)] if isinstance(given, list) else []
    found: dict[str, str] = {}
    for number, word in enumerate(words):
        flag = _FLAG.fullmatch(word)
        if flag is None:
            continue
        following = words[number + 1] if number + 1 < len(words) else ""
        value = flag.group(2)
        if value is None:
            value = following if following and not following.startswith("-") else "true"
        found[flag.group(1)] = one_line(value)[:1000]
    return found


def _version_of(meta: dict[str, Any], image: object) -> str | None:
    """The version of an image under another name: its tag, else what a label says."""
    tag = str(image).rsplit("/", 1)[-1].partition(":")[2]
    texts = [tag, *(str(_map(meta, "labels").get(label, "")) for label in _VERSION_LABELS)]
    for text in texts:
        match = _VERSION.match(text.removeprefix("cert-manager-"))
        if match is not None:
            return match.group(1)
    return None


def _map(obj: dict[str, Any], key: str) -> dict[str, Any]:
    found = obj.get(key)
    return found if isinstance(found, dict) else {}
