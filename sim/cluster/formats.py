"""Formats of strings that a custom resource's schema may name (kube-openapi ``pkg/validation/strfmt``).

Others are ignored, as the API server ignores them (apiextensions-apiserver ``pkg/apiserver/validation/formats.go``).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import date
from ipaddress import IPv4Address, IPv6Address, ip_network
from urllib.parse import urlsplit


def _matches(pattern: str, flags: re.RegexFlag | int = 0) -> Callable[[str], bool]:
    """Whether a whole text matches a pattern, which is compiled when it is first asked: most runs ask none."""
    return lambda text: re.fullmatch(pattern, text, flags) is not None


_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)  # every run asks for times
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(.\d+)?(z|[+-]\d\d:\d\d)", re.ASCII)
_is_go_duration = _matches(r"[-+]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_LOOSE_DURATION = r"(\d+)\s*([A-Za-zµ]+)"
_UNITS = (
    ("ns", "nano"), ("us", "µs", "micro"), ("ms", "milli"), ("s", "sec"),
    ("m", "min"), ("h", "hr", "hour"), ("d", "day"), ("w", "wk", "week"),
)  # fmt: skip
_is_mac = _matches(
    r"([0-9a-f]{2}([:-])([0-9a-f]{2}\2){4}[0-9a-f]{2}(\2[0-9a-f]{2}\2[0-9a-f]{2}|(\2[0-9a-f]{2}){14})?)"
    r"|([0-9a-f]{4}\.){2,3}[0-9a-f]{4}|([0-9a-f]{4}\.){9}[0-9a-f]{4}",
    re.IGNORECASE,
)
_LABEL = r"[^\W_]([^\W_]|-)*"
_is_labels = _matches(rf"{_LABEL}(\.{_LABEL})*")
_is_email = _matches(r"(.*<)?[^\s@<>,;:\\\"()\[\]]+@[^\s@<>,;:\\\"()\[\]]+>?")
_is_base64 = _matches(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})")


def is_date(text: str) -> bool:
    """Whether ``text`` is a day, such as 2026-01-31."""
    return _DAY.fullmatch(text) is not None and is_date_time(f"{text}T00:00:00Z")


def is_date_time(text: str) -> bool:
    """Whether ``text`` is a time of RFC 3339 (``strfmt/time.go``, ``IsDateTime``)."""
    day, *rest = text.lower().split("t")
    if not rest or not _DAY.fullmatch(day) or not _TIME_OF_DAY.fullmatch(rest[0]):
        return False
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def _is_duration(text: str) -> bool:
    if _is_go_duration(text):
        return True
    for _, unit in re.findall(_LOOSE_DURATION, text):
        for variants in _UNITS:
            if unit.lower() in variants or unit.lower().startswith(variants[-1]):
                return True
    return False


def _is_address(kind: type[IPv4Address] | type[IPv6Address]) -> Callable[[str], bool]:
    def valid(text: str) -> bool:
        try:
            kind(text)
        except ValueError:
            return False
        return "%" not in text

    return valid


def _is_cidr(text: str) -> bool:
    if "/" not in text:
        return False
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return text.rpartition("/")[2].isdigit()


def _is_uri(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(text) and (text.startswith("/") or bool(parts.scheme)) and not any(sign <= " " for sign in text)


def _is_hostname(text: str) -> bool:
    labels = text.split(".")
    if len(text) > 255 or not _is_labels(text) or any(not 0 < len(label) < 64 for label in labels):
        return False
    if any(label.endswith("-") for label in labels):
        return False
    return len(labels) == 1 or (len(labels[-1]) >= 2 and labels[-1].isalpha())


def _is_byte(text: str) -> bool:
    if not _is_base64(text):
        return False
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        return False
    return True


def _digits(text: str) -> str:
    return re.sub(r"[\s-]+", "", text)


def _is_isbn10(text: str) -> bool:
    text = _digits(text)
    if not re.fullmatch(r"[0-9]{9}X|[0-9]{10}", text):
        return False
    return sum((i + 1) * (10 if sign == "X" else int(sign)) for i, sign in enumerate(text)) % 11 == 0


def _is_isbn13(text: str) -> bool:
    text = _digits(text)
    return (
        bool(re.fullmatch(r"[0-9]{13}", text))
        and sum(int(sign) * (3 if i % 2 else 1) for i, sign in enumerate(text)) % 10 == 0
    )


_is_card_number = _matches(
    r"4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}"
    r"|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11}"
)


def _is_card(text: str) -> bool:
    digits = re.sub(r"[^0-9]+", "", text)
    if not _is_card_number(digits):
        return False
    doubled = [int(sign) * (1 + i % 2) for i, sign in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


_UUID = r"[0-9a-f]{8}-?[0-9a-f]{4}-?%s-?%s-?[0-9a-f]{12}"
_HEX4 = "[0-9a-f]{4}"
_BELOW_256 = r"\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*"
_SHORT = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"

FORMATS: dict[str, Callable[[str], bool]] = {
    "bsonobjectid": _matches(r"[0-9a-fA-F]{24}", re.ASCII),
    "uri": _is_uri,
    "email": _is_email,
    "hostname": _is_hostname,
    "ipv4": _is_address(IPv4Address),
    "ipv6": _is_address(IPv6Address),
    "cidr": _is_cidr,
    "mac": _is_mac,
    "uuid": _matches(_UUID % (_HEX4, _HEX4), re.IGNORECASE | re.ASCII),
    "uuid3": _matches(_UUID % ("3[0-9a-f]{3}", _HEX4), re.IGNORECASE | re.ASCII),
    "uuid4": _matches(_UUID % ("4[0-9a-f]{3}", "[89ab][0-9a-f]{3}"), re.IGNORECASE | re.ASCII),
    "uuid5": _matches(_UUID % ("5[0-9a-f]{3}", "[89ab][0-9a-f]{3}"), re.IGNORECASE | re.ASCII),
    "isbn": lambda text: _is_isbn10(text) or _is_isbn13(text),
    "isbn10": _is_isbn10,
    "isbn13": _is_isbn13,
    "creditcard": _is_card,
    "ssn": _matches(r"\d{3}[- ]?\d{2}[- ]?\d{4}", re.ASCII),
    "hexcolor": _matches(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", re.ASCII),
    "rgbcolor": _matches(rf"rgb\({_BELOW_256},{_BELOW_256},{_BELOW_256}\)", re.ASCII),
    "byte": _is_byte,
    "password": lambda text: True,
    "date": is_date,
    "duration": _is_duration,
    "datetime": is_date_time,
    "k8sshortname": lambda text: len(text) <= 63 and re.fullmatch(_SHORT, text) is not None,
    "k8slongname": lambda text: len(text) <= 253 and re.fullmatch(rf"{_SHORT}(\.{_SHORT})*", text) is not None,
}
"""Whether a string has a format, by its name without hyphens."""


def check_of(name: str) -> Callable[[str], bool] | None:
    """The check of a format, ``None`` where the API server ignores it."""
    return FORMATS.get(name.replace("-", ""))
