"""The entry point of ``requeue``."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Run the command line and exit with its status: see ``sim.cli.app``."""
    # A start makes thousands of classes and functions that stay: looking for garbage among them is a tenth of it.
    gc.set_threshold(100_000)
    # Nor does anybody need what is left at the end, though Python would look through it: a fifth of a short run.
    atexit.register(gc.freeze)
    # Pydantic's plugins are looked for among all that is installed, and nothing here has one.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Nothing here multiplies matrices, and OpenBLAS's threads wait for work by spinning.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    _outputs()
    from sim.cli.app import app

    _listen()
    app()


def _outputs() -> None:
    """Let nothing be written to where an output was closed (``>&-``): a file opened later would get its number."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 -- it is open to the end


def _listen() -> None:
    """Let SIGTERM and Ctrl-C end what runs with an exception, so that a half-written results folder is removed."""
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else the shell wants it ignored
        signal.signal(signal.SIGINT, _stop)


def _stop(number: int, frame: FrameType | None) -> None:
    # While an object is finalized Python swallows an exception: then the same a moment later.
    while frame is not None and hasattr(signal, "setitimer"):
        if frame.f_code.co_name == "__del__":
            signal.signal(signal.SIGALRM, lambda _, then: _stop(number, then))
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            return
        frame = frame.f_back
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
