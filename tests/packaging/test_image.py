"""The container image, where there is a Docker daemon that can get the base image."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
TAG = "requeue-test"

pytestmark = pytest.mark.slow


def docker(*words: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, timeout=900)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout if done.returncode == 0 else ""


@pytest.fixture(scope="module")
def image() -> str:
    try:
        if not docker("info", check=False):
            pytest.skip("no Docker daemon answers")
    except FileNotFoundError:
        pytest.skip("Docker is not installed")
    base = "python:3.11-slim"
    if not docker("image", "inspect", base, check=False) and not docker("pull", base, check=False):
        pytest.skip(f"{base} cannot be had here")
    docker("build", "-t", TAG, str(PROJECT))
    return TAG


def test_the_image_runs_a_scenario_and_not_as_root(image: str, tmp_path: Path):
    assert docker("run", "--rm", "--network", "none", image, "--version").startswith("requeue ")
    ran = docker("run", "--rm", "--network", "none", image, "run", "tutorial", "--replications", "2")
    assert "20 of 20 Certificates" in ran
    assert docker("run", "--rm", "--entrypoint", "id", image, "-u").strip() not in {"0", ""}


def test_the_image_is_small(image: str):
    assert int(docker("image", "inspect", "--format", "{{.Size}}", image)) < 400e6
