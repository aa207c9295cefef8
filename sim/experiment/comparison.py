"""What a comparison of variants came to, and comparisons of results that there are already."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.analysis import figures
from sim.experiment import naming
from sim.experiment.result import Result, open_results
from sim.experiment.variants import same_kind
from sim.extras import require
from sim.families.without_effect import reason_without_effect
from sim.recording import results
from sim.scenario.metrics import FAMILIES, comparable, find, metrics_of

if TYPE_CHECKING:
    import pandas as pd

    from sim.analysis.intervals import Estimate
    from sim.analysis.measured import Measured


class Comparison:
    """What a comparison came to. ``results`` has the result of every variant by name, the baseline first.

    Names are those of ``sim.experiment.naming``; ``shown`` has what stands for each where room is short, ``settings``
    what was changed in each.

    ``estimates`` and ``differences`` (from the baseline; without the baseline itself) are by variant and
    metric.
    """

    def __init__(
        self,
        vary: Mapping[str, Sequence[str]],
        metric: str,
        found: Mapping[str, Result],
        folder: Path | None = None,
        settings: Mapping[str, naming.Changes] | None = None,
        looked: Mapping[str, Any] | None = None,
    ) -> None:
        self.looked = dict(looked or {})
        self.settings = {name: dict((settings or {}).get(name, {})) for name in found}
        self.shown = naming.letters(found)
        self.vary = {key: list(values) for key, values in vary.items()}
        self.metric = metric = find(metric).name
        self.results = dict(found)
        self.folder = folder
        self.baseline = next(iter(self.results))
        base = self.results[self.baseline]
        self.metrics = figures.listed(metrics_of(base.scenario.family), metric)
        self.estimates = {name: figures.estimates(each.measured, self.metrics) for name, each in self.results.items()}
        self.differences = {
            name: _differences(each.measured, base.measured, self.metrics)
            for name, each in self.results.items()
            if name != self.baseline
        }
        self.ranked = figures.ranking(self.estimates, metric)
        self.ranks = figures.ranks(self.ranked, self.estimates, metric, self._apart)

    def _apart(self, name: str, other: str) -> Estimate:
        """Return the difference by which two variants are told apart, over the replications that both have."""
        one, against = self.results[name].measured, self.results[other].measured
        return _differences(one, against, [self.metric])[self.metric]

    @property
    def same_luck(self) -> bool:
        """Whether all ran on the same random numbers; else differences are as valid, and their intervals wider."""
        return len({each.summary["seed"] for each in self.results.values()}) == 1

    @cached_property
    def without_effect(self) -> dict[str, str]:
        """Why a variant is the same as the baseline, by its name, for those that are.

        Because no key in which they differ has an effect in the scenario; else because every replication came out the
        same, request by request and figure by figure.
        """
        first, found = self.results[self.baseline], {}
        for name, each in self.results.items():
            if name == self.baseline:
                continue
            reason = reason_without_effect(first.scenario, each.scenario)
            if reason is None and _same_replications(first.measured, each.measured):
                reason = "no effect here: every replication came out the same"
            if reason is not None:
                found[name] = reason
        return found

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(self.results)} by {self.metric}>"

    def _repr_html_(self) -> str:
        # Jupyter asks the value itself how it looks; what comparisons look like is the report's business.
        from sim.report.html.cell import comparison_cell

        return comparison_cell(self)

    def __getitem__(self, variant: str) -> Result:
        return self.results[self.named(variant)]

    def __iter__(self) -> Iterator[str]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def items(self) -> ItemsView[str, Result]:
        """The variants' names and results, the baseline first."""
        return self.results.items()

    def named(self, text: str) -> str:
        """Return the variant that is meant: its name, letter or setting. Raises ``KeyError`` where not one is."""
        found = naming.meant(text, self.settings)
        if len(found) != 1:
            raise KeyError(text)
        return found[0]

    @property
    def legend(self) -> list[str]:
        """What each letter stands for; nothing where names stand for themselves."""
        return [f"{letter}  {name}" for name, letter in self.shown.items() if letter != name]

    @property
    def stopped(self) -> str | None:
        """Why there are fewer replications than asked for; None where there are not."""
        return next(iter(self.results.values())).stopped

    @property
    def ok(self) -> bool:
        """Whether no invariant was violated in any variant."""
        return not any(each.summary["violations"] for each in self.results.values())

    @property
    def frame(self) -> pd.DataFrame:
        """One row per variant (ranked) and metric: its unit, mean, low, high, difference from the baseline, verdict."""
        require("pandas")
        import pandas as pd

        rows = []
        for name in self.ranked:
            for metric, mean in self.estimates[name].items():
                row = {"variant": name, "metric": metric, "unit": find(metric).unit, **mean.as_dict()}
                if name != self.baseline:
                    difference = self.differences[name][metric]
                    row |= {f"difference_{key}": value for key, value in difference.as_dict().items()}
                    row["verdict"] = figures.decided(metric, difference)
                rows.append(row)
        return pd.DataFrame(rows)

    @property
    def attribution(self) -> pd.DataFrame:
        """One row per conflict of every variant: ``variant``, and the columns of a result's attribution."""
        return self._stacked([each.attribution for each in self.results.values()])

    @property
    def blame(self) -> pd.DataFrame:
        """Conflicts by variant and loser (rows) and winner (columns)."""
        import pandas as pd

        parts = {name: each.blame for name, each in self.results.items()}
        made: pd.DataFrame = pd.concat(parts, names=["variant"]).fillna(0).astype("int64")
        return made

    @property
    def staleness(self) -> pd.DataFrame:
        """Where the age of refused copies came from, by variant and part."""
        import pandas as pd

        made: pd.DataFrame = pd.concat({name: each.staleness for name, each in self.results.items()}, names=["variant"])
        return made

    def _stacked(self, parts: list[pd.DataFrame]) -> pd.DataFrame:
        import pandas as pd

        from sim.analysis.frames import stacked

        made = stacked(parts)
        names = [name for name, part in zip(self.results, parts, strict=True) for _ in range(len(part))]
        made.insert(0, "variant", pd.Series(pd.Categorical(names, list(self.results))))
        return made

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as plain data: the object that ``requeue compare --json`` prints."""
        first = self.results[self.baseline]
        return {
            "scenario": first.scenario.name,
            "vary": self.vary,
            "metric": self.metric,
            "baseline": self.baseline,
            "replications": first.summary["replications"],
            "seed": first.summary["seed"],
            **self.looked,
            "variants": [self._variant(self.ranks[name], name) for name in self.ranked],
        }

    def _variant(self, rank: int, name: str) -> dict[str, Any]:
        summary = self.results[name].summary
        against = None
        if name != self.baseline:
            against = {metric: figures.compared(metric, value) for metric, value in self.differences[name].items()}
        return {
            "rank": rank,
            "variant": name,
            "settings": self.settings[name],
            "digest": summary["digest"],
            "strategy": summary["strategy"],
            "certificates": summary["certificates"],
            "ready": summary["ready"],
            "conflicts": summary["conflicts"],
            "time_to_ready": summary["time_to_ready"],
            "violations": summary["violations"],
            "ending": summary["ending"],
            "metrics": {metric: value.as_dict() for metric, value in self.estimates[name].items()},
            "difference": against,
            "without_effect": self.without_effect.get(name),
        }


def _same_replications(one: Sequence[Measured], other: Sequence[Measured]) -> bool:
    """Whether each replication is the same in both, by digest and figures."""
    return len(one) == len(other) and all(
        (mine.digest, mine.metrics) == (theirs.digest, theirs.metrics) for mine, theirs in zip(one, other, strict=True)
    )


def side_by_side(found: Mapping[str, Result] | Comparison, *, metric: str | None = None) -> Comparison:
    """Compare results that there are already, the first of which is the baseline.

    Replication i of each is set against replication i of the baseline, as many as both have. On the same seed
    that is a paired comparison on the same random numbers, as ``compare`` makes it; on different ones the
    intervals are valid too, and wider. Raises ``ValueError`` where there are fewer than two results, they are of
    different kinds, or the metric is unknown.
    """
    if len(found) < 2:
        raise ValueError("a comparison needs two results or more")
    found = dict(found.items())
    same_kind(each.scenario for each in found.values())
    family = next(iter(found.values())).scenario.family
    return Comparison({}, comparable(metric or FAMILIES[family].ranked, family), found)


def open_comparison(folder: str | Path) -> Comparison:
    """Return the comparison that a folder holds; raises ``ResultsError`` where it is none."""
    path = Path(folder)
    if not (path / results.COMPARISON).is_file():
        raise results.ResultsError(f"{path} is no comparison: it has no {results.COMPARISON}")
    saved = results.read_json(path, results.COMPARISON)
    file = path / results.COMPARISON
    results.check_like(file, saved, {"vary": {}, "metric": "conflicts", "folders": {}})
    places = saved["folders"]
    if len(places) < 2 or not all(isinstance(place, str) and place == Path(place).name for place in places.values()):
        raise results.ResultsError(f"{file}: folders does not name a folder for each variant: it is damaged")
    found = {name: open_results(path / place) for name, place in places.items()}
    try:
        comparable(str(saved["metric"]))
    except ValueError:
        message = f"{file}: metric is none of a comparison's: another version wrote it; run it again"
        raise results.ResultsError(message) from None
    settings = saved.get("settings")
    looked = {key: saved[key] for key in ("precision", "selection") if isinstance(saved.get(key), dict)}
    known = settings if isinstance(settings, dict) else None
    return Comparison(saved["vary"], saved["metric"], found, path, known, looked)


def _differences(measured: Sequence[Measured], base: Sequence[Measured], metrics: Sequence[str]) -> figures.ByName:
    many = min(len(measured), len(base))
    return figures.differences(measured[:many], base[:many], metrics)
