"""A directive that writes the reference of the command line from the commands' own help."""

from __future__ import annotations

import os
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective


class Commands(SphinxDirective):
    """``{commands}``: a section for each command of ``requeue``, with what its ``--help`` prints."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        from typer.testing import CliRunner

        from sim.cli.app import COMMANDS, app

        found: list[nodes.Node] = []
        for name in COMMANDS:
            os.environ["COLUMNS"] = "100"
            text = CliRunner().invoke(app, [name, "--help"], prog_name="requeue").output
            section = nodes.section(ids=[f"requeue-{name}"], names=[f"requeue {name}"])
            section += nodes.title(text=f"requeue {name}")
            section += nodes.literal_block(text.strip(), text.strip(), language="text")
            found.append(section)
        return found


def setup(app: Any) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
