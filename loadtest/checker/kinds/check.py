"""Checks of somebody's own: each one that was answered has to have passed."""

from __future__ import annotations

import polars as pl

from loadtest.checker.kind_verdict import KindVerdict, Limit, clean
from loadtest.checker.run import Run
from loadtest.checker.words import number, sentence, where, who

OPS = ("check",)


def check(run: Run, limit: Limit) -> KindVerdict:
    """Judge whether every check passed. Nobody but its author knows what a failure means."""
    answered = run.rows.filter(op="check", outcome="ok").sort("end", "row").collect()
    failed = answered.filter(pl.col("value") == 0)
    if failed.is_empty():
        missing = [] if answered.height else ["no check was answered"]
        return clean("check", answered.height, "check", missing)
    evidence = run.operations(failed["row"][0])
    first = f"first one of {who(evidence[0])}{where(*evidence)}"
    return KindVerdict(
        kind="check",
        verdict="violated",
        why=sentence(f"{failed.height:,} of {number(answered.height, 'check')} failed, {first}"),
        evidence=evidence,
        judged=answered.height,
        wrong=failed.height,
    )
