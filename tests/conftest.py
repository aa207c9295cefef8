from __future__ import annotations

import os

import pytest
from hypothesis import settings

# A busy machine makes examples slow, not wrong. The same examples each time: a run of the tests is a function of the
# code alone. New ones are sought on purpose: pytest --hypothesis-profile explore.
settings.register_profile("requeue", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("requeue")

# The cores are taken: by the workers of pytest-xdist. Commands that would spread their work start no more processes.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let work be spread all the same, by this process and by those that it starts."""
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
