"""Opens whatever a folder holds: a run, a comparison, one variant of it, or the link ``latest``."""

from __future__ import annotations

from pathlib import Path

from sim.experiment.comparison import Comparison, open_comparison
from sim.experiment.result import Result, open_results
from sim.recording import results


def open_folder(folder: str | Path) -> Result | Comparison:
    """Return the result or the comparison that a folder holds; raises ``ResultsError`` where it is neither."""
    path = Path(folder)
    if (path / results.COMPARISON).is_file():
        return open_comparison(path)
    return open_results(one_folder(path))


def one_folder(folder: str | Path) -> Path:
    """Return a folder's path, where there is anything of that name; raises ``ResultsError`` otherwise."""
    path = Path(folder)
    if not path.exists():
        raise results.ResultsError(f"{path} does not exist; requeue run makes results{near(path)}")
    if not path.is_dir():
        raise results.ResultsError(f"{path} is a file, and no results folder{near(path)}")
    return path


def near(path: Path) -> str:
    """Return names like a missing folder's, in the words of a message; nothing where there are none."""
    from difflib import get_close_matches

    if not path.parent.is_dir():
        return ""
    names = sorted(
        entry.name
        for entry in path.parent.iterdir()
        if (entry / results.MANIFEST).is_file() or (entry / results.COMPARISON).is_file()
    )
    close = get_close_matches(path.name, names, n=3, cutoff=0.4) or names[-3:]
    return f". In {path.parent} there is {', '.join(close)}" if close else ""


def one_run(folder: str | Path, replication: int = 1, variant: str | None = None) -> Result:
    """Return one replication of a run or, where the folder holds a comparison, of its variant (the baseline).

    Raises ``ResultsError`` where there is no such replication or variant.
    """
    return in_variant(open_folder(folder), folder, variant).only(replication)


def in_variant(found: Result | Comparison, folder: str | Path, variant: str | None) -> Result:
    """Return the run itself, or a comparison's variant (the baseline where none is named).

    Raises ``ResultsError`` where there is none of that name.
    """
    if isinstance(found, Result):
        if variant is not None:
            raise results.ResultsError(f"--variant {variant}: {folder} holds one run, and no comparison")
        return found
    try:
        return found[variant or found.baseline]
    except KeyError:
        raise results.ResultsError(f"--variant {variant}: the comparison has {', '.join(found.results)}") from None


def command_of(folder: str | Path) -> str:
    """Return the command that makes the results of a folder again."""
    path = Path(folder)
    holds = results.COMPARISON if (path / results.COMPARISON).is_file() else results.MANIFEST
    return str(results.read_json(path, holds).get("command", "unknown"))
