"""What a stranger's data allow: how far predictions are off with less and with more of what a cluster can tell.

Every two of the given cases are calibrated on with some of their files, on the base of a shipped profile, and the
others are predicted. The errors are those that somebody meets whose cluster nobody has measured before.

``python -m sim.validation.stranger CASE... --profile PROFILE --update DOCUMENT`` writes the table into a document and
the errors into the profile's provenance (``elsewhere``), where ``requeue run`` and ``requeue calibrate`` find them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from math import log, sqrt
from pathlib import Path
from typing import Any, NamedTuple

from sim.analysis.distributions import student_quantile
from sim.calibration.calibrate import CalibrationError, calibrate
from sim.calibration.trace import Trace, read_trace
from sim.experiment.executor import Executor, choose
from sim.logs.sources import AUDIT, LOG, METRICS, find_recordings
from sim.scenario.model import Scenario
from sim.scenario.profile import Profile
from sim.validation.cases import Case, find_cases
from sim.validation.validate import CaseResult, validate

FIGURES = {"conflicts": ("conflicts",), "time_to_ready": ("time_to_ready.p50", "time_to_ready.p95")}
"""What is judged, and which predictions count for it."""
RUNGS: tuple[tuple[str, ...], ...] = ((LOG,), (LOG, METRICS), (AUDIT,), (AUDIT, LOG), (AUDIT, LOG, METRICS))
"""Which files are calibrated on, after nothing."""
_SETTINGS = ("preset", "client", "controllers")
"""What of a scenario kubectl tells: the release and the flags."""


class FilesRung(NamedTuple):
    """What was at hand, and the relative errors of each prediction by figure of ``FIGURES``."""

    files: str
    errors: dict[str, list[float]]

    def within(self, figure: str, cases: int) -> float:
        """The bound that the error of one more case stays below with 95%, were errors normal around 0."""
        errors = self.errors[figure]
        return student_quantile(cases, 0.975) * sqrt(sum(error**2 for error in errors) / len(errors))


def named(files: Iterable[str]) -> str:
    """Return files in words, in the order of ``RUNGS``: what a profile's ``elsewhere`` has its errors under."""
    return ", ".join(sorted(files))


def with_files(trace: Trace, files: Sequence[str]) -> Trace:
    """Return a recording as it is known from some kinds of files."""
    audit, log_, metrics = (kind in files for kind in (AUDIT, LOG, METRICS))
    return Trace(
        trace.name,
        trace.events if audit else [],
        trace.lines if log_ else [],
        trace.asked,
        trace.passes if metrics else {},
        trace.notes,
        trace.cores if metrics else None,
    )


class Ladder:
    """Cases of one machine, and the predictions of each under each profile, made once."""

    def __init__(self, cases: list[Case], base: Profile, base_name: str, executor: Executor, replications: int) -> None:
        self.cases = cases
        self.base = base
        self._base_name = base_name
        self._executor = executor
        self._replications = replications
        found = find_recordings(sorted({run.folder for case in cases for run in case.runs}))
        traces = [read_trace(one, Counter()) for one in found]
        self._traces = {case.name: [trace for trace in traces if _of(trace, case)] for case in cases}
        self._known: dict[tuple[str, str, str], dict[str, list[float]]] = {}

    def rungs(self) -> Iterator[FilesRung]:
        """Yield the rungs, from nothing on."""
        yield FilesRung("nothing but its load", self._errors(self.base, [_by_default(case) for case in self.cases]))
        yield FilesRung("its release and flags", self._errors(self.base, self.cases))
        for files in RUNGS:
            errors: dict[str, list[float]] = {figure: [] for figure in FIGURES}
            for pair in combinations(self.cases, 2):
                others = [case for case in self.cases if case not in pair]
                for figure, found in self._errors(self.calibrated(pair, files), others).items():
                    errors[figure] += found
            yield FilesRung(named(files), errors)

    def calibrated(self, cases: Sequence[Case], files: Sequence[str]) -> Profile:
        """Return the profile that these cases' files show; the base where they show nothing."""
        return self._profile_of([with_files(trace, files) for case in cases for trace in self._traces[case.name]])

    def _profile_of(self, traces: list[Trace]) -> Profile:
        try:
            return calibrate(traces, None, None, self.base, self._base_name).profile
        except CalibrationError:
            return self.base

    def speed(self) -> float:
        """How differently fast than the base's this machine was: the root mean square of logarithms, by recording."""
        before = self.base.server.times.event.p50
        traces = [trace for found in self._traces.values() for trace in found]
        found = [log(self._profile_of([trace]).server.times.event.p50 / before) for trace in traces]
        return sqrt(sum(each**2 for each in found) / len(found))

    def _errors(self, profile: Profile, cases: Sequence[Case]) -> dict[str, list[float]]:
        errors: dict[str, list[float]] = {figure: [] for figure in FIGURES}
        for case in cases:
            for figure, found in self._of(profile, case).items():
                errors[figure] += found
        return errors

    def _of(self, profile: Profile, case: Case) -> dict[str, list[float]]:
        key = (profile.model_dump_json(), case.name, case.asked.scenario.to_yaml())
        if key not in self._known:
            (made,) = validate([case], profile, executor=self._executor, replications=self._replications)
            self._known[key] = _errors_of(made)
        return self._known[key]


def _errors_of(result: CaseResult) -> dict[str, list[float]]:
    return {
        figure: [error for name in names if (error := result[name].error) is not None]
        for figure, names in FIGURES.items()
    }


def _of(trace: Trace, case: Case) -> bool:
    return trace.name.rsplit("/", 1)[0] == case.name


def _by_default(case: Case) -> Case:
    """The case as somebody asks for it who knows neither the release nor a flag."""
    scenario, default = case.asked.scenario, Scenario(name="default")
    known = scenario.model_copy(update={key: getattr(default, key) for key in _SETTINGS})
    return case._replace(asked=case.asked._replace(scenario=known))


def as_provenance(rungs: Sequence[FilesRung], cases: int, speed: float) -> dict[str, Any]:
    """Return what a profile says of clusters that nothing was measured of."""

    def errors(rung: FilesRung) -> dict[str, float]:
        return {figure: round(rung.within(figure, cases), 2) for figure in FIGURES}

    return {
        "cases": cases,
        "speed": round(speed, 2),
        **errors(rungs[1]),
        "with": {rung.files: errors(rung) for rung in rungs[2:]},
    }


def table(rungs: Sequence[FilesRung], cases: int) -> list[str]:
    """Return the ladder as lines of Markdown."""
    from statistics import median

    lines = ["| known of the cluster | conflicts off, median | largest | expect within | times to Ready off, median | "
             "largest | expect within |", "|---|---|---|---|---|---|---|"]  # fmt: skip
    for rung in rungs:
        cells = []
        for figure in FIGURES:
            sizes = [abs(error) for error in rung.errors[figure]]
            cells += [f"{median(sizes):.0%}", f"{max(sizes):.0%}", f"{rung.within(figure, cases):.0%}"]
        lines.append(f"| {rung.files} | {' | '.join(cells)} |")
    return lines


def with_elsewhere(text: str, found: Mapping[str, Any]) -> str:
    """Return a profile's file with this under ``provenance: elsewhere:``, in place of what was there."""
    import yaml

    written = yaml.safe_dump(dict(found), sort_keys=False, default_flow_style=True, width=1 << 20).strip()
    text = re.sub(r"(?m)^  elsewhere: .*\n", "", text)
    return f"{text.rstrip(chr(10))}\n  elsewhere: {written}\n"


def main(arguments: list[str] | None = None) -> int:
    """Measure the ladder on the cases of a machine, and write it."""
    from argparse import ArgumentParser

    from sim.report.validation_markdown import BEGIN, END, replaced
    from sim.scenario.reading.profile_file import load_profile, resolve_profile

    parser = ArgumentParser(prog="python -m sim.validation.stranger", description=main.__doc__)
    parser.add_argument("cases", type=Path, nargs="+", help="cases of another machine than the profile's")
    parser.add_argument("--profile", default="recorded-2-cores")
    parser.add_argument("--update", type=Path, help="the document to write the table into")
    parser.add_argument("--replications", type=int, default=10)
    options = parser.parse_args(arguments)
    file = resolve_profile(options.profile)
    cases = find_cases(options.cases)
    if len(cases) < 3:
        parser.error("it takes three cases: two to calibrate on, and one to predict")
    ladder = Ladder(cases, load_profile(file), file.stem, choose(None), options.replications)
    rungs = list(ladder.rungs())
    lines = table(rungs, len(cases))
    print("\n".join(lines))
    found = as_provenance(rungs, len(cases), ladder.speed())
    file.write_text(with_elsewhere(file.read_text("utf-8"), found), "utf-8")
    if options.update is not None:
        said = f"{len(cases)} cases of another machine ({', '.join(case.name for case in cases)}), profile {file.stem}:"
        made = "\n".join([BEGIN.format(command="make rungs"), "", said, "", *lines, "", END])
        options.update.write_text(replaced(options.update.read_text("utf-8"), made), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
