"""Writes a calibrated profile as YAML that people read: values first, then where each comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sim.calibration.calibrate import Calibration
from sim.calibration.estimate import MeasuredValue
from sim.calibration.onto import parameters, plain_value, written

_WIDTH = 110


def to_yaml(calibration: Calibration, made_by: Sequence[str] = (), how_far: Mapping[str, Any] | None = None) -> str:
    """Return the file's text; ``made_by`` are lines of its header, without the comment's sign.

    ``how_far`` is what provenance says besides of how far predictions are off: ``here`` or ``elsewhere``.
    """
    import yaml

    header = [
        *made_by,
        "How long things take on one machine; provenance says what was measured, and from what.",
    ]
    body = calibration.profile.model_dump(mode="json")
    values = yaml.safe_dump(body, sort_keys=False, default_flow_style=None, width=_WIDTH)
    grounds = provenance(calibration)
    grounds |= how_far or {}
    observed = yaml.safe_dump(
        {"observed": grounds.pop("observed")}, sort_keys=False, default_flow_style=None, width=_WIDTH - 2
    )
    lines = [f"# {line}" for line in header]
    lines += [*values.splitlines(), "provenance:", *(f"  {line}" for line in observed.splitlines())]
    # One line a parameter, however long: a person scans down, not across.
    for path, entry in grounds.items():
        written = yaml.safe_dump(entry, sort_keys=False, default_flow_style=True, width=1 << 20)
        lines.append(f"  {path}: {written.removesuffix('...' + chr(10)).strip()}")
    return "\n".join(lines) + "\n"


def provenance(calibration: Calibration) -> dict[str, Any]:
    """Return for each parameter its source, samples, interval and fit, or whose value it keeps."""
    entries: dict[str, Any] = {}
    for path in parameters(calibration.profile):
        found = calibration.measured.get(path)
        if found is not None:
            entries[path] = _entry(path, found)
        elif path in calibration.rejected:
            entries[path] = f"{calibration.kept(path)}: {calibration.rejected[path]}"
        else:
            entries[path] = calibration.kept(path)
    return {**entries, "observed": calibration.observed}


def _entry(path: str, found: MeasuredValue) -> dict[str, Any]:
    entry: dict[str, Any] = {"source": found.source, "samples": found.samples}
    if found.interval is not None:
        entry["interval"] = [written(path, plain_value(path, float(end))) for end in found.interval]
    if found.ks is not None:
        entry["ks"] = round(found.ks, 3)
    return entry
