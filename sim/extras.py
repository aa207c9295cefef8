"""Packages that only some of the work needs: an install without them is small, and says what to add.

The extras are those of pyproject.toml. Whoever imports such a package calls ``require`` first, so that somebody
without it reads what to install and not where an import failed.
"""

from __future__ import annotations

from importlib.util import find_spec

from sim.guarded import Unusable

EXTRAS = {
    "pandas": ("pandas", "tables"),
    "pyarrow": ("PyArrow", "tables"),
    "matplotlib": ("Matplotlib", "plot"),
    "jinja2": ("Jinja", "plot"),
    "scipy": ("SciPy", "statistics"),
    "optuna": ("Optuna", "tune"),
    "SALib": ("SALib", "tune"),
    "perfetto": ("perfetto", "trace"),
    "distributed": ("Dask", "dask"),
    "ipywidgets": ("ipywidgets", "notebook"),
}
"""Package, as it is imported, to its name and the extra that brings it."""

BRINGS = {
    "plot": ("tables",),
    "statistics": ("plot", "tables"),
    "tune": ("statistics", "plot", "tables"),
    "trace": ("tables",),
    "notebook": ("plot", "tables"),
}
"""What an extra brings along of the others."""


class MissingExtra(Unusable, ImportError):  # noqa: N818 -- says what it is
    """A package that this needs is not installed; the message says how to install it."""


def installed(package: str) -> bool:
    """Return whether a package can be imported, without importing it."""
    return find_spec(package) is not None


def require(*packages: str) -> None:
    """Raise ``MissingExtra`` where one of ``EXTRAS`` is not installed."""
    missing = [package for package in packages if not installed(package)]
    if missing:
        raise MissingExtra(how_to_install(*missing), name=missing[0])


def how_to_install(*packages: str) -> str:
    """Return, in one sentence, that packages of ``EXTRAS`` are missing and what to do."""
    names = [EXTRAS[package][0] for package in packages]
    wanted = {EXTRAS[package][1] for package in packages}
    extras = ",".join(sorted(wanted - {less for extra in wanted for less in BRINGS.get(extra, ())}))
    words = f"{names[0]}, which is" if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}, which are"
    return f"this needs {words} not installed: pip install 'requeue[{extras}]' (or 'requeue[all]' for everything)"
