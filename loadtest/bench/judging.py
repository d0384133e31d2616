"""How long a judgement takes, for histories from 10⁴ to 10⁷ operations."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from rich.table import Table

from loadtest import checker, history
from loadtest.bench import generator

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)

T = TypeVar("T")


def judge_at_sizes(sizes: Sequence[int] = SIZES) -> Table:
    """Histories with one lost increment in their middle, judged from the file on disk, beside
    merely reading and sorting the same file. Each measurement is a process of its own."""
    table = Table(
        "operations", "file", "read and sort", "judged", "ratio", "µs/operation", "memory", box=None
    )
    for column in table.columns:
        column.justify = "right"
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            path = Path(folder) / f"{size}.jsonl"
            alone(write, path, size)
            sort_s, _ = alone(read_and_sort, path)
            judge_s, peak = alone(read_and_judge, path)
            table.add_row(
                f"{size:,}",
                f"{path.stat().st_size / 1e6:,.0f} MB",
                f"{sort_s:.2f} s",
                f"{judge_s:.2f} s",
                f"{judge_s / sort_s:.1f}",
                f"{judge_s / size * 1e6:.1f}",
                f"{peak / 1e9:.1f} GB",
            )
            path.unlink()
    return table


def alone(work: Callable[..., T], *arguments: object) -> T:
    """The work's result, from a fresh process, whose memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def write(path: Path, size: int) -> None:
    """A history with one lost increment."""
    generator.plant(generator.generate(size, unknown=0), "lost increment").write_ndjson(path)


def read_and_sort(path: Path) -> tuple[float, int]:
    """Seconds, and bytes of memory at most."""
    begin = time.perf_counter()
    history.read(path).sort("start")
    return time.perf_counter() - begin, peak()


def read_and_judge(path: Path) -> tuple[float, int]:
    """Seconds, and bytes of memory at most."""
    begin = time.perf_counter()
    verdict = checker.judge(
        history.read(path), workers=generator.WORKERS, threads=generator.THREADS
    )
    seconds = time.perf_counter() - begin
    assert verdict.lost == 1, verdict.why
    return seconds, peak()


def peak() -> int:
    """Bytes of memory that this process ever had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    from loadtest.report.terminal import console

    console().print(judge_at_sizes())
