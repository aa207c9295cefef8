"""``requeue report``: results as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.output import STANDARD_OUTPUT, BadInput, check_writable, emit, emit_csv, emit_json

if TYPE_CHECKING:
    from sim.experiment.comparison import Comparison
    from sim.experiment.result import Result


def report(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="Folders of runs, or one comparison's.")],
    *,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="The page to write; - is standard output.")
    ] = Path("report.html"),
    replication: Annotated[
        int, typer.Option(metavar="N", min=1, help="The one whose queues, tokens and objects are shown.")
    ] = 1,
    opened: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a summary to paste into a pull request, and write no page.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as one JSON object, and write no page.")
    ] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print the figures as CSV: name, value and the interval's ends; no page.")
    ] = False,
) -> None:
    """Write one HTML page about what a folder holds, with everything that there is to see.

    Of a run or a comparison, and of what sweep, tune, budget, advise, explore and validate --out left. The page needs
    no network; it can be mailed, read on a phone, and printed. Several runs are compared, the first is
    the baseline.

    \b
    Examples:
      requeue report results/latest
      requeue report results/tutorial-compared-20261123-174009 -o compared.html
      requeue report results/before results/after -o both.html
      requeue report results/latest --replication 3
      requeue report results/tutorial-tune-20261123-180230 --open
      requeue report results/latest --open
      requeue report results/latest --markdown
      requeue report results/latest --json | jq .conflicts.per_certificate
      requeue report results/latest --csv > figures.csv
    """
    if as_json or as_csv:
        from sim.report.forms import FIGURES, figures

        document = _document(results)
        emit_json(document) if as_json else emit_csv(FIGURES, figures(document))
        return
    if markdown:
        from sim.experiment.opening import command_of
        from sim.report import forms

        commands = " && ".join(dict.fromkeys(map(command_of, results)))
        emit(forms.markdown(_opened(results), commands))
        return
    printed = out == STANDARD_OUTPUT
    if printed and opened:
        raise BadInput("--open opens a file, and -o - is standard output; choose one")
    if not printed:
        check_writable("-o", out)
    from sim.recording.folders import write_file
    from sim.report.html.page import page, study_page
    from sim.report.html.study import kind_of

    study = kind_of(results[0]) if len(results) == 1 else None
    try:
        text = study_page(results[0], study) if study else page(_opened(results), replication=replication)
    except ValueError as error:
        raise BadInput(str(error)) from None
    if not printed:
        write_file(out, text)
    if printed:
        emit(text)
        return
    emit(f"{out}: {len(text) / 1024:.0f} kB, opens in any browser\n")
    if opened:
        import webbrowser

        if not webbrowser.open(out.resolve().as_uri()):
            raise BadInput(f"no browser was found; open {out} in one")


def _document(folders: Sequence[Path]) -> Any:
    """What the command that filled a folder printed with ``--json``; of several runs their comparison."""
    from sim.experiment.result import Result
    from sim.recording.results import read_json
    from sim.report.html.study import kind_of

    study = kind_of(folders[0]) if len(folders) == 1 else None
    if study:
        return read_json(folders[0], f"{study}.json")
    subject = _opened(folders)
    return subject.summary if isinstance(subject, Result) else subject.as_dict()


def _opened(folders: Sequence[Path]) -> Result | Comparison:
    from sim.experiment.comparison import side_by_side
    from sim.experiment.opening import open_folder
    from sim.experiment.result import Result

    found = [open_folder(folder) for folder in folders]
    if len(found) == 1:
        return found[0]
    runs = [each for each in found if isinstance(each, Result)]
    if len(runs) < len(found):
        whole = next(folder for folder, each in zip(folders, found, strict=True) if not isinstance(each, Result))
        raise BadInput(f"{whole} holds a comparison: give it alone, or its variants' folders beside the other runs")
    return side_by_side(dict(zip(_names(folders, runs), runs, strict=True)))


def _names(folders: Sequence[Path], found: Sequence[Result]) -> list[str]:
    """Return names that tell the runs apart: of the scenarios, else the folders, else their paths."""
    for names in (
        [each.scenario.name for each in found],
        [folder.resolve().name for folder in folders],
        [str(folder) for folder in folders],
    ):
        if len(set(names)) == len(names):
            return names
    raise BadInput("a folder is given twice")
