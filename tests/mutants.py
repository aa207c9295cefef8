"""Mutation testing of a sample: ``python -m tests.mutants``, by hand alone (``make mutants``).

cosmic-ray changes one operator, number or keyword of a room's code at a time, in a copy of the project. Those of the
room's tests that know the changed module by name run first, which takes seconds, and all of them where these notice
nothing; a change that no test notices is a survivor, told with its line. The sample is drawn with a seed, and a time
limit ends it: what was not reached is said.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

PROJECT = Path(__file__).parent.parent
ROOMS = {
    "cluster": ("tests/cluster",),
    "client": ("tests/client", "tests/families/certmanager"),
    "families": ("tests/families",),
    "analysis": ("tests/analysis",),
}
"""The rooms whose code is changed, and the tests that ought to notice."""

_CONFIG = """[cosmic-ray]
module-path = ["sim/{room}"]
timeout = {timeout}
excluded-modules = []
test-command = "{python} -m pytest -q -x -m 'not slow' -p no:cacheprovider -p no:xdist {tests}"
[cosmic-ray.distributor]
name = "local"
"""


def copied(target: Path) -> None:
    """Copy what git follows and what is new of the project."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if (PROJECT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, target / name)


def tests_of(module: Path, room: str) -> list[str]:
    """Return the room's test files that are called after a module (``sim/ROOM/.../NAME.py``) or import it."""
    dotted = ".".join(module.with_suffix("").parts)
    parent, _, name = dotted.rpartition(".")
    imports = re.compile(rf"^(from|import) {re.escape(dotted)}\b|^from {re.escape(parent)} import .*\b{name}\b", re.M)
    files = [file for place in ROOMS[room] for file in sorted((PROJECT / place).rglob("test_*.py"))]
    found = [file for file in files if file.stem.startswith(f"test_{name}") or imports.search(file.read_text("utf-8"))]
    return [str(file.relative_to(PROJECT)) for file in found] or list(ROOMS[room])


def tried(room: str, count: int, seed: int, until: float) -> tuple[int, int, list[str]]:
    """Return how many changes of a room were killed, how many were tried, and the survivors in words."""
    from cosmic_ray.work_db import WorkDB, use_db
    from cosmic_ray.work_item import TestOutcome

    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        at = Path(folder)
        copied(at)
        settings = at / "mutants.toml"
        values = {"room": room, "timeout": 300.0, "python": sys.executable}
        settings.write_text(_CONFIG.format(**values, tests=""))
        ray = [sys.executable, "-m", "cosmic_ray.cli"]
        environment = {**os.environ, "PYTHONPATH": folder, "PYTHONDONTWRITEBYTECODE": "1"}
        words = {"cwd": at, "env": environment, "capture_output": True, "text": True}
        subprocess.run([*ray, "init", "mutants.toml", "all.sqlite"], check=True, **words)  # type: ignore[call-overload]
        with use_db(str(at / "all.sqlite"), WorkDB.Mode.open) as everything:
            items = sorted(everything.work_items, key=lambda item: str(item.mutations))
        killed, survivors, done = 0, [], 0
        for number, item in enumerate(random.Random(seed).sample(items, min(count, len(items)))):
            if time.monotonic() > until:
                break
            (change,) = item.mutations
            survived = True
            for step, tests in enumerate((tests_of(Path(change.module_path), room), ROOMS[room])):
                settings.write_text(_CONFIG.format(**values, tests=" ".join(tests)))
                one = at / f"{number}-{step}.sqlite"
                with use_db(str(one), WorkDB.Mode.create) as session:
                    session.add_work_items([item])
                left = max(until - time.monotonic(), 1)
                try:
                    subprocess.run([*ray, "exec", "mutants.toml", one.name], check=True, timeout=left, **words)  # type: ignore[call-overload]
                except subprocess.TimeoutExpired:
                    return killed, done, survivors
                with use_db(str(one), WorkDB.Mode.open) as session:
                    ((_, result),) = session.completed_work_items
                survived = result.test_outcome == TestOutcome.SURVIVED
                if not survived:
                    break
            done += 1
            killed += not survived
            if survived:
                where = f"{change.module_path}:{change.start_pos[0]}"
                survivors.append(f"{where}: {change.operator_name} #{change.occurrence}")
        return killed, done, survivors


def main() -> None:
    """Print the survivors and the share killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=15, help="changes tried of each room")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("rooms", nargs="*", default=list(ROOMS))
    asked = parser.parse_args()
    until = time.monotonic() + 60 * asked.minutes
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda room: tried(room, asked.each, asked.seed, until), asked.rooms))
    for room, (killed, done, survivors) in zip(asked.rooms, found, strict=True):
        print(f"{room}: {killed} of {done} killed, {asked.each - done} not reached")
        for line in survivors:
            print(f"  survived: {line}")
    killed, done = (sum(each[place] for each in found) for place in (0, 1))
    print(f"{killed} of {done} changes were noticed by a test" + (f": {killed / done:.0%}" if done else ""))


if __name__ == "__main__":
    main()
