"""The commands, each imported when it is used: ``requeue --help`` imports none of them.

A new command is one entry in ``COMMANDS`` and a function with Typer's annotations. Exit status: 0; 1 where an
expectation is not met or an invariant is violated; 2 bad input; 130 interrupted.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from sim.cli.output import bad_input, complain
from sim.guarded import printable


class Command(NamedTuple):
    """Where a command's function is, and the line that ``requeue --help`` says about it."""

    module: str
    function: str
    summary: str


COMMANDS = {
    "run": Command("sim.cli.run", "run", "Simulate a scenario and say who conflicted with whom."),
    "compare": Command("sim.cli.compare", "compare", "Compare strategies or settings on the same random numbers."),
    "advise": Command("sim.cli.advise", "advise", "Say what each way of writing costs an operator, and loses."),
    "attribution": Command(
        "sim.cli.attribution", "attribution", "Say why conflicts happened: who lost to whom, and why."
    ),
    "report": Command("sim.cli.report", "report", "Write one HTML page about what a folder of results holds."),
    "explain": Command("sim.cli.explain", "explain", "Tell one object's story: who lost what to whom, and why."),
    "top": Command("sim.cli.top", "top", "Play a replication back: queues, tokens, conflicts, who holds what."),
    "diff": Command("sim.cli.diff", "diff", "Say where two runs first differ, and which figures differ beyond noise."),
    "trace": Command("sim.cli.trace", "trace", "Write one replication as a trace for ui.perfetto.dev."),
    "metrics": Command("sim.cli.metrics", "metrics", "Print a replication's metrics under real clusters' names."),
    "sweep": Command("sim.cli.sweep", "sweep", "Run every combination of settings, and rank them."),
    "tune": Command("sim.cli.tune", "tune", "Search a better retry budget, and say how sure that is."),
    "explore": Command("sim.cli.explore", "explore", "Search schedules for one that breaks a property, and shrink it."),
    "budget": Command("sim.cli.budget", "budget", "Say how many tries a write takes, and how many are enough."),
    "init": Command("sim.cli.init", "init", "Draft a scenario from a cluster's objects and logs, or from nothing."),
    "scenarios": Command("sim.cli.scenarios", "scenarios", "List the scenarios that come with the project."),
    "schema": Command("sim.cli.scenarios", "schema", "Print the JSON Schema of scenario files, for editors."),
    "log": Command("sim.cli.log", "log", "Say what a real cluster's log tells about conflicts."),
    "calibrate": Command("sim.cli.calibrate", "calibrate", "Measure a profile from recordings of a real cluster."),
    "validate": Command("sim.cli.validate", "validate", "Predict recorded clusters, and say how far off."),
    "conformance": Command(
        "sim.cli.conformance", "conformance", "Check the simulated API server against recorded answers."
    ),
    "explain-write": Command(
        "sim.cli.conformance", "explain_write", "Show what the API server answers to a write, and why."
    ),
}

_ROWS = ("pandas", "pyarrow")
_PICTURES = (*_ROWS, "matplotlib")
NEEDS = {
    **dict.fromkeys(("attribution", "explain", "top", "diff", "metrics"), _ROWS),
    **dict.fromkeys(("sweep", "budget", "advise", "explore"), _PICTURES),
    "tune": (*_PICTURES, "scipy", "optuna", "SALib"),
    "report": (*_PICTURES, "jinja2"),
    "trace": (*_ROWS, "perfetto"),
    **dict.fromkeys(("calibrate", "validate"), ("scipy",)),
}
"""Packages of ``sim.extras.EXTRAS`` without which a command can do nothing; it says so before its work."""

UsageError: Any = typer.BadParameter.__base__
"""What is wrong with a command line: of Typer's own click in its newer releases, of click in older ones."""
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class LazyGroup(TyperGroup):
    """A group whose commands are imported when they are called or asked for help."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        # Names for suggestions on a typo; get_command makes the real ones.
        self.commands = {name: TyperCommand(name, help=each.summary) for name, each in COMMANDS.items()}

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command, made from its function; ``None`` where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        single = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=CONTEXT)
        single.command(cmd_name)(getattr(import_module(module), function))
        command = typer.main.get_command(single)
        if cmd_name in NEEDS and command.callback is not None:
            command.callback = _with_what_it_needs(cmd_name, command.callback)
        return command

    def invoke(self, ctx: Any) -> Any:
        """Run the command; whatever it cannot use, read or write is one message and exit status 2."""
        with bad_input():
            try:
                return super().invoke(ctx)
            except UsageError as error:
                # What was typed is shown, and never obeyed.
                raise UsageError(printable(error.format_message()), error.ctx) from None
            except KeyboardInterrupt:
                complain("interrupted")
                raise typer.Exit(130) from None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.summary) for name, each in COMMANDS.items()])


def _with_what_it_needs(name: str, callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def checked(*words: Any, **options: Any) -> Any:
        from sim.extras import require

        require(*NEEDS[name])
        return callback(*words, **options)

    return checked


app = typer.Typer(
    cls=LazyGroup,
    rich_markup_mode=None,  # rich takes longer to import than everything else together
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"requeue {version('requeue')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def requeue(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Simulate cert-manager's controllers on a Kubernetes API server: who conflicts with whom when they write
    the same Certificates, what it costs, and what would help.

    \b
    First steps:
      requeue scenarios                       what there is to run
      requeue run tutorial                    run one, and read the verdict
      requeue run tutorial --set workload.certificates=200
      requeue compare tutorial --vary strategy=update,apply
      requeue explain results/latest          why the writes of one object were refused
      requeue budget tutorial                 how many tries are enough
      requeue tune tutorial                   search a better retry budget

    A scenario is a YAML file or the name of one in scenarios/; any of its keys can be set on the command
    line. Durations are written 250ms, 30s, 1h. Each run fills a folder under results/; results/latest is
    the last.

    \b
    Exit status:
      0    done
      1    an expectation written in the scenario is not met, or an invariant of the simulator was violated
      2    bad input: the message says what and where
      130  interrupted; nothing half-finished is left in results/, but advise, sweep, tune and budget
           keep the replications that are done: the same command goes on from them

    requeue COMMAND --help has examples for each command.
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
