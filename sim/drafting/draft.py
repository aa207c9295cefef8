"""From what is known of a cluster to the text of a scenario: each value says where it comes from.

What nothing was found for is a documented default or an assumption; its line is marked ``guessed``, with how to find
out. The draft is for a person to read, edit and keep; it loads as it stands.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeVar, get_args

from sim.drafting.facts import Facts, FoundCertificate, FoundWriter, IssuerName, Process
from sim.drafting.text import DEPLOYMENT, FIND_OUT, GUESSED, LOG, OBJECTS, Draft, DraftText, long_list, rate_text
from sim.scenario.certificate import CertificateSpec
from sim.scenario.machinery import ClientOptions, Controllers, Cpu, is_own
from sim.scenario.model import Release, Scenario
from sim.units import DAY, HOUR, MINUTE, MS, SECOND, counted, format_duration

SCHEDULED = 300
"""So many creations are drafted one by one; of more, their rate."""
LISTED = 12
"""So many Certificates that are not Ready are named in a comment."""
WINDOW_RENEWALS = 50
"""The draft simulates until so many renewals were due, but for ``LONGEST`` at most: an answer in seconds."""
LONGEST = 7 * DAY
_T = TypeVar("_T")


def draft(facts: Facts, name: str, now_ns: int) -> Draft:
    """Return the scenario of a cluster; ``now_ns`` is when its objects were read, in nanoseconds since 1970."""
    text = DraftText()
    when = datetime.fromtimestamp(now_ns // SECOND, UTC)
    sources = f"from {', '.join(facts.sources)}" if facts.sources else "from nothing: edit it"
    text.comment(f"A scenario for requeue, drafted {sources}; {when:%Y-%m-%d %H:%M} UTC.")
    text.comment(
        f'Each value says where it comes from. What is marked "{GUESSED}" is an assumption, with how to find out. '
        "All keys: docs/scenarios.md, or requeue schema."
    )
    for what, count in sorted(facts.left_out.items()):
        text.comment(f"Left out: {what}{f', {count} times' if count > 1 else ''}.")
    head = len(text.lines)
    text.blank()
    text.known(f"name: {json.dumps(name)}")
    text.known(f"description: {json.dumps(_description(facts))}")
    text.known("replications: 5")
    text.blank()
    asked = facts.answers.release if facts.answers is not None else ""
    _release(text, Process("your answer says that the cluster", asked) if asked else facts.process)
    _workload(text, facts, now_ns, name)
    _certificate(text, facts.certificates)
    _issuer(text, facts)
    _settings(text, facts.process)
    _writers(text, facts)
    _until(text, facts, now_ns)
    body = "\n".join(text.lines[head:])
    ways = [f"#   {key}: {way}" for key, way in FIND_OUT.items() if f"; {key} tells" in body]
    if ways:
        ways = [
            "# To guess less, get these and draft again: requeue init objects.json cert-manager.json audit.log",
            *ways,
        ]
    return Draft("\n".join([*text.lines[:head], *ways, body]) + "\n", text.guessed)


def _description(facts: Facts) -> str:
    count = len(facts.certificates)
    if not count:
        return "Drafted by requeue init"
    waiting = sum(not each.issued for each in facts.certificates)
    return f"{count} Certificates of a cluster" + (f", {waiting} of them without a certificate" if waiting else "")


def _release(text: DraftText, process: Process | None) -> None:
    presets: tuple[str, ...] = get_args(Release)
    default = Scenario.model_fields["preset"].default
    if process is None or process.version is None:
        what = "no release is known" if process is None else "the image names no release"
        text.guess(f"preset: {default}", "release", what, DEPLOYMENT)
    else:
        wanted = _numbers(process.version)
        earlier = [each for each in presets if _numbers(each) <= wanted] or [min(presets, key=_numbers)]
        preset = max(earlier, key=_numbers)
        if _numbers(preset)[:2] == wanted[:2]:
            text.known(f"preset: {preset}", f"{process.where} runs {process.version}")
        else:
            text.guess(
                f"preset: {preset}",
                "release",
                f"{process.where} runs {process.version}; the nearest simulated release",
                "read what changed since in cert-manager's release notes",
            )
    gates = dict(
        part.partition("=")[::2] for part in (process.options.get("feature-gates", "") if process else "").split(",")
    )
    gate = gates.get("ServerSideApply", "").strip().lower()
    if process is None:
        text.guess(
            "strategy: update", "strategy", "cert-manager's default, its gate ServerSideApply is off", DEPLOYMENT
        )
    elif gate == "true":
        text.known("strategy: apply", "--feature-gates has ServerSideApply=true")
    else:
        text.known("strategy: update", "the gate ServerSideApply is off")
    text.blank()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"\d+", text))


def _workload(text: DraftText, facts: Facts, now_ns: int, name: str) -> None:
    issued = [each for each in facts.certificates if each.issued]
    waiting = [each for each in facts.certificates if not each.issued]
    text.known("workload:")
    if not facts.certificates:
        if facts.answers is not None:
            text.known(f"  certificates: {facts.answers.created}", "created one after the other, as answered")
            text.known(f"  existing: {facts.answers.existing}", "Ready already, renewals spread evenly, as answered")
        elif facts.created_ns:
            _arrival(text, sorted(facts.created_ns))
        else:
            text.guess("  certificates: 50", "Certificates", "how many are created", OBJECTS)
            text.guess(
                "  arrival: one-after-the-other",
                "arrival",
                "how they come: at-once, {rate: 5/s} or {schedule: [0s, 1s, 5s]}",
                LOG,
            )
            text.comment("existing: 3000   # so many that are Ready already, renewed when they are due", "  ")
        text.blank()
        return
    failing = [each for each in facts.certificates if not each.ready]
    if failing:
        named = ", ".join(f"{each.namespace}/{each.name} ({each.reason or 'no reason'})" for each in failing[:LISTED])
        more = f" and {len(failing) - LISTED} more" if len(failing) > LISTED else ""
        text.comment(f"Not Ready: {named}{more}.", "  ")
    text.known(
        f"  certificates: {len(waiting)}",
        "never issued: they are issued when the simulation starts" if waiting else "all have been issued before",
    )
    if waiting:
        text.known("  arrival: at-once")
    if issued:
        unknown = sum(each.renewal_ns is None for each in issued)
        said = counted(unknown, "of them says no time and counts as due", "of them say no time and count as due")
        why = f"; {said}" if unknown else ""
        text.comment(
            f"{counted(len(issued), 'that has', 'that have')} a certificate: from now to the renewal of each{why}.",
            "  ",
        )
        text.known("  existing:")
        due = sorted(_due(each, now_ns) for each in issued)
        text.lines += ["    renewals:", *long_list(", ".join(map(_short, due)))]
        text.comment("A herd instead, all renewed within an hour:", "  ")
        herd = f"{{certificates: {len(issued)}, within: 1h}}"
        text.lines.append(f"  #   requeue run {name}.yaml --set 'workload.existing={herd}' --set until.at_least=2h")
    text.blank()


def _arrival(text: DraftText, times: list[int]) -> None:
    """Write creations as an audit log has them: each at its time where they are few."""
    text.known(f"  certificates: {len(times)}", "created while the audit log was written")
    if len(times) <= SCHEDULED:
        listed = ", ".join(format_duration((time - times[0]) // MS * MS) for time in times)
        text.known("  arrival:")
        text.lines += ["    schedule:", *long_list(listed)]
        return
    rate = rate_text((len(times) - 1) / max((times[-1] - times[0]) / SECOND, 1.0))
    text.known(f"  arrival: {{rate: {rate}, poisson: true}}", "on average; in bursts there are more conflicts")


def _due(certificate: FoundCertificate, now_ns: int) -> int:
    """Nanoseconds from now to a renewal, in whole minutes; 0 where it is overdue or unknown."""
    if certificate.renewal_ns is None:
        return 0
    return min(max(certificate.renewal_ns - now_ns, 0) // MINUTE * MINUTE, 3650 * DAY)


def _short(ns: int) -> str:
    parts = [(ns // DAY, "d"), (ns % DAY // HOUR, "h"), (ns % HOUR // MINUTE, "m")]
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


def _certificate(text: DraftText, found: Sequence[FoundCertificate]) -> None:
    defaults = CertificateSpec()
    text.known("certificate:")
    if not found:
        text.guess(f"  duration: {format_duration(defaults.duration)}", "lifetime", "cert-manager's default", OBJECTS)
        text.guess("  private_key: {algorithm: RSA, size: 2048}", "key", "cert-manager's default", OBJECTS)
        text.blank()
        return
    duration = _most(each.duration or defaults.duration for each in found)
    _mixed(text, "duration", [_short(each.duration or defaults.duration) for each in found])
    text.known(f"  duration: {format_duration(duration)}")
    of_it = [each.renew_before for each in found if (each.duration or defaults.duration) == duration]
    before = _most(of_it)
    if before is not None and before < duration:
        _mixed(text, "renewBefore", [_short(each.renew_before) if each.renew_before else "default" for each in found])
        text.known(f"  renew_before: {format_duration(before)}")
    keys = [(each.algorithm, each.size, each.rotation) for each in found]
    _mixed(text, "privateKey", [f"{algorithm} {size or ''}".strip() for algorithm, size, _ in keys])
    algorithm, size, rotation = _most(keys)
    allowed = {"RSA": range(2048, 8193, 1024), "ECDSA": (256, 384, 521)}.get(algorithm, ())
    key = [f"algorithm: {algorithm}"]
    key += [f"size: {size}"] if size in allowed else []
    key += [f"rotation_policy: {rotation}"] if rotation in {"Never", "Always"} else []
    text.known(f"  private_key: {{{', '.join(key)}}}")
    text.blank()


def _mixed(text: DraftText, what: str, values: list[str]) -> None:
    """Say where not all are alike: a scenario has one kind of Certificate."""
    counted = Counter(values).most_common()
    if len(counted) > 1:
        listed = ", ".join(f"{value} ({count})" for value, count in counted[:6])
        text.comment(f"{what}: {listed}; the draft has the most frequent.", "  ")


def _most(values: Iterable[_T]) -> _T:
    return Counter(values).most_common(1)[0][0]


def _issuer(text: DraftText, facts: Facts) -> None:
    text.known("issuer:")
    used = Counter(each.issuer for each in facts.certificates)
    if facts.answers is not None:
        text.known(f"  type: {facts.answers.issuer}", "as answered")
        text.blank()
        return
    if not used:
        text.guess("  type: selfsigned", "issuer", "who signs: selfsigned, ca, or external, such as ACME", OBJECTS)
        text.blank()
        return
    types = Counter[str]()
    for issuer, count in used.most_common():
        type_ = _type_of(issuer, facts)
        types[type_] += count
        if len(used) > 1 and count >= used.most_common(6)[-1][1]:
            text.comment(f"{issuer.kind} {issuer.name}: {type_}, {count} Certificate{'s' if count > 1 else ''}", "  ")
    type_ = types.most_common(1)[0][0]
    if type_ in {"ca", "selfSigned"}:
        text.known(f"  type: {type_.lower()}", f"{types[type_]} of {types.total()} Certificates")
        text.blank()
        return
    if type_ == "unknown":
        text.guess("  type: external", "issuer", "their issuers are not in the export", OBJECTS)
    else:
        text.known(
            "  type: external", f"{type_}, {types[type_]} of {types.total()} Certificates: it answers after a while"
        )
    times = sorted(each for each in facts.signing_s if each > 0)
    if len(times) >= 5:
        p50 = times[len(times) // 2]
        p90 = max(times[min(len(times) * 9 // 10, len(times) - 1)], p50 * 1.2)
        seconds = [format_duration(round(each * 1000) * MS) for each in (p50, p90)]
        text.known(
            f"  latency: {{p50: {seconds[0]}, p90: {seconds[1]}}}",
            f"of {len(times)} CertificateRequests, from creation to Issued, in whole seconds",
        )
    else:
        text.guess(
            "  latency: {p50: 20s, p90: 60s}" if type_ == "acme" else "  latency: {p50: 2s, p90: 5s}",
            "the issuer's latency",
            "from approval to signature",
            OBJECTS,
        )
    text.blank()


def _type_of(issuer: IssuerName, facts: Facts) -> str:
    if issuer.group:
        return f"external ({issuer.group})"
    return facts.issuers.get(issuer, "unknown")


def _settings(text: DraftText, process: Process | None) -> None:
    client = ClientOptions()
    _option(text, process, "controllers", "workers", "concurrent-workers", Controllers().workers)
    text.known("client:")
    for key, option, default in (("qps", "kube-api-qps", client.qps), ("burst", "kube-api-burst", client.burst)):
        _option(text, process, "", key, option, default)
    text.blank()
    limit = f"; the container's CPU limit is {process.cpu}" if process is not None and process.cpu is not None else ""
    text.known("cpu:")
    text.guess(
        f"  cores: {Cpu().cores}",
        "cores",
        f"of the machine that the controllers share with the API server{limit}",
        "kubectl describe node tells",
    )
    text.blank()


def _option(text: DraftText, process: Process | None, part: str, key: str, option: str, default: float) -> None:
    """Write a setting that an argument of the process may have."""
    if part:
        text.known(f"{part}:")
    plain = f"{default:g}"
    if process is None:
        text.guess(f"  {key}: {plain}", f"--{option}", f"cert-manager's default for --{option}", DEPLOYMENT)
        return
    given = process.options.get(option)
    if given is None:
        text.known(f"  {key}: {plain}", f"the default; no --{option} is given")
        return
    whole = key != "qps"
    good = re.fullmatch(r"\d{1,6}" if whole else r"\d{1,6}(?:\.\d{1,6})?", given)
    if good is None or float(given) <= 0:
        text.guess(
            f"  {key}: {plain}", f"--{option}", f"--{option}={given} is no number above 0; the default", DEPLOYMENT
        )
        return
    # In YAML a leading zero would make it another number.
    text.known(f"  {key}: {float(given):g}", f"--{option} of {process.where}")


def _writers(text: DraftText, facts: Facts) -> None:
    if facts.span_s and not facts.writers:
        text.known("writers: []", "nobody else wrote Certificates while the audit log was written")
        text.blank()
        return
    if not facts.span_s:
        text.guess(
            "writers: []",
            "other writers",
            "nobody else, such as a GitOps tool, writes the Certificates",
            LOG,
        )
        text.comment("writers: [{name: gitops, rate: 1/m, action: apply, target: annotation}]")
        text.blank()
        return
    text.known("writers:")
    for writer in facts.writers:
        text.known(f"  - name: {json.dumps(_own_name(writer))}", f"{writer.writes} writes in {facts.span_s:.0f} s")
        text.known(f"    rate: {rate_text(writer.rate)}", "spread evenly; real ones come in bursts")
        text.known(f"    action: {writer.action}")
        if writer.target_seen:
            text.known(f"    target: {writer.target}", "by what it sent")
        else:
            text.guess(
                f"    target: {writer.target}",
                f"what {writer.name} writes",
                "the log has no bodies; annotation, dnsNames or readyCondition",
                "an audit policy with level Request for certificates tells",
            )
    text.blank()


def _own_name(writer: FoundWriter) -> str:
    name = writer.name.strip() or "unnamed"
    return f"other-{name}" if is_own(name) else name


def _until(text: DraftText, facts: Facts, now_ns: int) -> None:
    issued = [each for each in facts.certificates if each.issued]
    if not issued and facts.answers is not None and facts.answers.existing:
        text.comment("A day from now on; raise at_least for more renewals, such as 90d.")
        text.known("until: {at_least: 24h, at_most: 25h}")
        return
    if not issued:
        text.comment("A replication ends once all have settled.")
        text.known("until: {at_most: 30m}")
        return
    due = sorted(_due(each, now_ns) for each in issued)
    enough = due[min(WINDOW_RENEWALS, len(due)) - 1] + 5 * MINUTE
    span = min(max(-(-enough // HOUR) * HOUR, HOUR), LONGEST)
    by_then = counted(sum(each <= span for each in due), "renewal is", "renewals are")
    text.comment(
        f"Simulated from now on for {_short(span)}: {by_then} due by then. Raise at_least for more, such as 90d."
    )
    text.known(f"until: {{at_least: {format_duration(span)}, at_most: {format_duration(span + HOUR)}}}")
