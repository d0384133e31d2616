"""Checks of the kinds of state that need no order, one file each, named as the kind.

Each file has `check(run, limit)`, which returns a KindVerdict, and OPS, the operations that it
judges; nothing else lists them. The counter and the list are judged together, by
`checker.anomalies`.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

import polars as pl

from loadtest.checker.kind_verdict import KindVerdict, Limit
from loadtest.checker.run import Run

MODULES = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]


def check(run: Run, limit: Limit) -> tuple[KindVerdict, ...]:
    """Judge each of these kinds that a run has operations of."""
    present = set(run.rows.select(pl.col("op").unique()).collect()["op"])
    return tuple(module.check(run, limit) for module in MODULES if present & set(module.OPS))
