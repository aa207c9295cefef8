"""What pyproject.toml cannot say: the folder ``scenarios/`` goes into the wheel as ``sim/scenarios``.

In a checkout it stays where people look for it; an installed package has no checkout beside it.
``make wheel`` also writes the man page, which is then installed under ``share/man``.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
MAN_PAGE = Path("build/man/requeue.1")
SHIPPED = {".yaml", ".json"}


class BuildWithScenarios(build_py):
    """Copies the scenarios, the profiles and the recorded figures beside the package's modules."""

    def run(self) -> None:
        """Build the package; an editable install finds the folder in the checkout."""
        super().run()
        if self.editable_mode:
            return
        for file in sorted((HERE / "scenarios").rglob("*")):
            if file.suffix in SHIPPED:
                target = Path(self.build_lib) / "sim" / file.relative_to(HERE)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)


setup(
    cmdclass={"build_py": BuildWithScenarios},
    data_files=[("share/man/man1", [str(MAN_PAGE)])] if (HERE / MAN_PAGE).is_file() else [],
)
