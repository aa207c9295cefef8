"""The man page, written from what ``--help`` says: ``python -m sim.cli.manual > requeue.1``; ``man ./requeue.1``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib.metadata import version

import typer

from sim.cli.app import COMMANDS, app


def manual() -> str:
    """Return the page of ``requeue(1)`` in roff's man macros."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    what, _, rest = inspect.cleandoc(group.help or "").partition("\n\n")
    yield f'.TH REQUEUE 1 "" "requeue {version("requeue")}" "User Commands"'
    yield ".SH NAME"
    yield f"requeue \\- {_escaped(_one_line(COMMANDS['run'].summary)).rstrip('.').lower()}"
    yield ".SH SYNOPSIS"
    yield ".B requeue\n.I COMMAND\n[\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]"
    yield ".SH DESCRIPTION"
    yield _escaped(_one_line(what))
    yield from _text(rest)
    with group.make_context("requeue", ["schema"]) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            arguments = [each.metavar for each in command.params if isinstance(each, typer.core.TyperArgument)]
            words = " ".join(f"\\fI{_escaped(each or '')}\\fR" for each in arguments)
            yield f'.SH "REQUEUE {_escaped(name.upper())}"'
            yield f".B requeue {_escaped(name)}\n[\\fIOPTIONS\\fR] {words}\n.PP"
            yield from _text(inspect.cleandoc(command.help or ""))
            for each in command.params:
                if isinstance(each, typer.core.TyperOption) and each.name != "help":
                    metavar = f" \\fI{_escaped(each.metavar)}\\fR" if each.metavar else ""
                    yield f".TP\n\\fB{_escaped(', '.join(each.opts))}\\fR{metavar}\n{_escaped(each.help or '')}"
    yield ".SH SEE ALSO\n.BR kubectl (1),\n.BR jq (1)"


def _text(text: str) -> Iterator[str]:
    """Yield paragraphs; what follows a form feed, or is indented, keeps its lines."""
    for paragraph in re.split(r"\n\s*\n", text):
        if paragraph.startswith(("\b", " ")):
            yield f".PP\n.nf\n{_escaped(paragraph.lstrip(chr(8)).strip(chr(10)))}\n.fi"
        else:
            yield f".PP\n{_escaped(_one_line(paragraph))}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _escaped(text: str) -> str:
    """Return text that roff takes as it is: no control lines, and hyphens that can be copied into a shell."""
    found = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", found, flags=re.MULTILINE)


if __name__ == "__main__":
    print(manual(), end="")
