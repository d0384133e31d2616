"""Which cells a check shakes, and what it prints of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click
from rich.text import Text

from loadtest.cell import Cell
from loadtest.commands.cells import stores
from loadtest.report.shaken import not_shaken, sentence
from loadtest.shaken import ShakenCell, can_be_shaken, clean, shake

OPTIONS = (
    click.option(
        "--shake",
        "shake_choice",
        envvar="SHAKE",
        type=click.Choice(["", "0", "1", "strict"]),
        default="",
        help="Shake clean cells: 1 all, 0 none; strict fails where only a later Python may switch. "
        "Left out: those of an app of your own.",
    ),
    click.option(
        "--shake-also",
        envvar="SHAKE_ALSO",
        default="",
        help="Packages whose code is shaken, too: shoplib,shopdb.",
    ),
    click.option("--seed", envvar="SEED", type=int, default=1, help="The seed of a shaken run."),
)


@dataclass(frozen=True)
class Shaking:
    """The shaken runs that a person asks for."""

    choice: Literal["", "0", "1", "strict"] = "0"
    also: tuple[str, ...] = ()
    seed: int = 1

    def wants(self, cell: Cell) -> bool:
        """Return True for a clean cell that is to be shaken."""
        asked = self.choice in ("1", "strict") or (self.choice == "" and cell.trial.own is not None)
        return asked and clean(cell) and can_be_shaken(cell.trial)

    def fails(self, shaken: ShakenCell) -> bool:
        """Return True if what was found is a failed check."""
        strict = self.choice == "strict" and shaken.finding and not shaken.may_fail
        return bool(strict) or not shaken.as_expected


NOT_SHAKING = Shaking()


def shaking_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a shaken run; a command gets them as `shaking`."""

    def gathered(shake_choice: Any, shake_also: str, seed: int, **given: Any) -> Any:
        also = tuple(each.strip() for each in shake_also.split(",") if each.strip())
        return command(shaking=Shaking(shake_choice, also, seed), **given)

    gathered.__doc__ = command.__doc__
    gathered.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in reversed(OPTIONS):
        gathered = option(gathered)
    return gathered


def shake_all(
    cells: Sequence[Cell],
    folder: Path,
    shaking: Shaking,
    progress: Callable[[str], None],
) -> list[ShakenCell]:
    """Shake these cells, one after the other."""
    over = threading.Event()
    try:
        with stores([cell.trial for cell in cells], folder) as urls_of:
            return [one(cell, folder, shaking, progress, urls_of, over) for cell in cells]
    finally:
        # Ctrl-C leaves nothing running for long
        over.set()


def one(
    cell: Cell,
    folder: Path,
    shaking: Shaking,
    progress: Callable[[str], None],
    urls_of: Any,
    over: threading.Event,
) -> ShakenCell:
    with urls_of(cell.trial) as urls:
        return shake(
            cell,
            folder / "shaken",
            seed=shaking.seed,
            also=shaking.also,
            progress=progress,
            over=over,
            **urls,
        )


def lines(cells: Sequence[Cell], shaken: Sequence[ShakenCell], shaking: Shaking) -> Iterator[Text]:
    """Yield what shaken runs showed, and a warning on what was not shaken."""
    for each in shaken:
        if shaking.fails(each):
            yield Text.assemble(("NOT AS EXPECTED: ", "bold red"), (sentence(each), "red"))
        elif each.finding and not each.may_fail:
            yield Text.assemble(("WARNING: ", "bold yellow"), (sentence(each), "yellow"))
        else:
            yield Text(sentence(each))
    if warning := not_shaken(cells, shaken):
        yield Text(warning)
