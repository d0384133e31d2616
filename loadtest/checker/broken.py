"""Find the moment since which every request failed: a store that breaks for good."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from loadtest.checker.verdict import Verdict
from loadtest.kinds import CREATE, OPERATIONS

ENOUGH = 20
"""Failures in a row; fewer may be a bad moment at the end of a load."""
LONGER = 3
"""The last failures in a row are for good if they are so many times more than any before them."""
WRITES = [name for name, each in OPERATIONS.items() if each.writes and each is not CREATE]


def amend(verdict: Verdict, history: pl.DataFrame) -> Verdict:
    """Return the verdict, led by the moment since which every request, or write, failed."""
    load = history.filter(phase="load").filter(pl.col("op") != CREATE.name).sort("start")
    what, requests = "request", load
    since = broken_since(requests)
    if since is None:
        what, requests = "write", load.filter(pl.col("op").is_in(WRITES))
        since = broken_since(requests)
    if since is None:
        return verdict
    began = int(load["start"][0])
    after = requests.filter(pl.col("start") >= since)
    seconds = (since - began) / 1e9
    sentence = f"Broken since {seconds:.1f} s: each of {after.height:,} {what}s after that failed."
    why = sentence if verdict.inconclusive else f"{sentence} {verdict.why}"
    return replace(verdict, verdict="violated", why=why, missing=(), broken_since=seconds)


def broken_since(requests: pl.DataFrame) -> int | None:
    """Return the start of the first request after which none was answered; None if there is none.

    A refusal on purpose (4xx) is an answer.
    """
    answered = requests.filter(pl.col("outcome") != "unknown")
    last = answered["end"].max()
    failed = requests if last is None else requests.filter(pl.col("start") > last)
    # as long as clients waited for it, nobody knows
    if failed.height < ENOUGH or failed["end"].null_count() == failed.height:
        return None
    answers = requests.select(pl.col("outcome") != "unknown").to_series()
    runs = answers.rle().struct.unnest().filter(~pl.col("value"))["len"].to_list()
    longest_before = max(runs[:-1], default=0)
    return int(failed["start"][0]) if failed.height > LONGER * longest_before else None
