"""The entry point of ``requeue``."""

from __future__ import annotations

import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command line and exit with its status: see ``sim.cli.app``."""
    from sim.cli.app import app

    signal.signal(signal.SIGTERM, _terminated)
    app()


def _terminated(number: int, frame: FrameType | None) -> None:
    # An exception, and not the default's sudden death, so that a half-written results folder is removed.
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
