"""python -m loadtest gallery: what people really write, under the servers that tell it apart."""

import sys

import click

from loadtest.commands.cells import AT_ONCE, run_all
from loadtest.commands.check import progress, what_ran
from loadtest.commands.results import RESULTS, make_latest, new_folder
from loadtest.gallery import BARE, LOAD, trials
from loadtest.report import gallery as table
from loadtest.report import kind_tables, terminal
from loadtest.report.page import document
from variants.gallery import GALLERY


@click.command()
@click.argument("idioms", nargs=-1)
@click.option("--every", is_flag=True, help="Also what goes wrong just as it does at 4×1.")
@click.option("--readme", is_flag=True, help="Write the table of variants/gallery/README.md anew.")
def gallery(idioms: tuple[str, ...], every: bool, readme: bool) -> None:
    """Judge IDIOMS (all of the gallery if none is named) under the servers that tell them apart.

    Exit status as of check: 0 if every cell came out as expected, 1 if any did not, 2 if one was
    inconclusive or could not be run.
    """
    if unknown := [idiom for idiom in idioms if idiom not in GALLERY]:
        raise ValueError(f"unknown idiom {unknown[0]!r}; idioms: {', '.join(GALLERY)}")
    asked = trials(idioms or GALLERY, every=every or readme)
    left_out = len(trials(idioms or GALLERY, every=True)) - len(asked)
    # the table compares each idiom's cost with the bare route's in the same run
    asked += [] if idioms else [BARE]
    folder = new_folder()
    with progress(len(asked)) as tell:
        cells = run_all(asked, folder, tell, at_once=AT_ONCE, tries=3)
        tell("writing the report")
        document.write(cells, folder / "report.html", what_ran(LOAD))
    make_latest(folder)
    if readme:
        table.README.write_text(table.readme(cells), encoding="utf-8")
    out = terminal.console()
    out.print(terminal.matrix(cells))
    out.print(kind_tables.matrices(cells))
    if left_out:
        out.print(
            f"Not run: {left_out} cells that by the rule go wrong just as they do at 4×1; "
            "EVERY=1, or --every, runs them, too.",
            style="dim",
        )
    out.print(f"Pictures and all requests: make report, or {RESULTS}/latest", style="dim")
    out.print(terminal.conclusion(cells))
    if any(each.inconclusive for each in cells):
        sys.exit(2)
    sys.exit(0 if all(each.as_expected for each in cells) else 1)
