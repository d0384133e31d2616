"""Lay out cells on a page: rows and columns, twins together, filters."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from loadtest.cell import Cell
from loadtest.expected import refusal
from variants.facts import Facts, facts, source

WIDEST = 6
FEW = 6
STORES = {
    "DATABASE_URL": "PostgreSQL",
    "REDIS_URL": "Redis",
    "SQLITE_PATH": "SQLite",
    "STATE_PATH": "a file or folder",
}
"""The store that a variant uses, by the variable it reads."""


class Grid:
    """A row a variant and a column a server with its fault; `turned` where that is too wide.

    In place of a cell that was left out stands the reason, or "" if nobody asked for the cell.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        at = {(cell.trial.variant, column(cell)): cell for cell in cells}
        variants, columns = (list(dict.fromkeys(names)) for names in zip(*at, strict=True))
        self.turned = len(columns) > max(WIDEST, len(variants))
        self.heads = variants if self.turned else columns
        like = {column(cell): cell for cell in cells}

        def square(variant: str, column: str) -> Cell | str:
            return at.get((variant, column)) or left_out(variant, like[column])

        self.rows = [
            (
                name,
                [square(head, name) if self.turned else square(name, head) for head in self.heads],
            )
            for name in (columns if self.turned else variants)
        ]


def left_out(variant: str, like: Cell) -> str:
    """Return why a variant has no cell like this one; "" if it could have one."""
    with suppress(ValueError):
        return refusal(replace(like.trial, variant=variant, own=None)) or ""
    return ""


def column(cell: Cell) -> str:
    """Return a cell's name without its variant: "4×8", "1×8 under recycle"."""
    return cell.name.removeprefix(f"{cell.trial.variant} at ")


def beside_twins(cells: Sequence[Cell]) -> list[Cell]:
    """The cells in their order, but each variant right before the one to be used instead."""
    names = list(dict.fromkeys(cell.trial.variant for cell in cells))

    def instead(name: str) -> str:
        said = about(name)
        other = said.instead() if said else None
        return other if other in names else name

    ranks = {name: (names.index(instead(name)), instead(name) == name) for name in names}
    return sorted(cells, key=lambda cell: ranks[cell.trial.variant])


def about(variant: str) -> Facts | None:
    """Return the facts of a variant; None for anything else."""
    with suppress(ValueError):
        return facts(variant)
    return None


def store(variant: str) -> str:
    """Return the store of a variant."""
    said = about(variant)
    if said is None:
        return "not said"
    words = (node.value for node in ast.walk(source(variant)) if isinstance(node, ast.Constant))
    stores = (STORES[word] for word in words if isinstance(word, str) and word in STORES)
    return next(stores, "the client" if said.lives_in == "client" else "memory")


def filters(cells: Sequence[Cell]) -> dict[str, dict[str, list[str]]]:
    """Return the filters of a page: words, and the variants to which each applies."""
    faults: dict[str, set[str]] = {}
    for cell in cells:
        named = cell.verdict.failures or ({"unclear"} if cell.verdict.violated else set())
        faults.setdefault(cell.trial.variant, set()).update(named)
    if len(faults) < FEW:
        return {}
    said = {
        "kept in": {variant: {store(variant)} for variant in faults},
        "what goes wrong": {variant: found or {"nothing"} for variant, found in faults.items()},
    }
    return {
        title: {
            word: [variant for variant in whose if word in whose[variant]]
            for word in sorted(set().union(*whose.values()))
        }
        for title, whose in said.items()
    }
