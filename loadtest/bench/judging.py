"""Time judgements of histories from 10⁴ to 10⁷ operations, and of adverse shapes."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TypeVar

from rich.table import Table

from loadtest import checker, history
from loadtest.bench import generator
from loadtest.bench.shapes import SHAPES

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
SMALL = 1_000
ROUNDS = 5

T = TypeVar("T")


def judge_at_sizes(sizes: Sequence[int] = SIZES) -> Table:
    """Histories with one lost increment in their middle, judged from the file on disk, beside
    merely reading and sorting the same file, and reading it from Parquet. Each measurement is a
    process of its own."""
    names = ["operations", "JSON lines", "read and sort", "judged", "ratio", "bytes/operation"]
    table = numbers(*names, "Parquet", "read and sort", "of JSON lines")
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            lines, parquet = (Path(folder) / f"{size}.{kind}" for kind in ("jsonl", "parquet"))
            alone(write, size, lines, parquet)
            sort_s, _ = alone(read_and_sort, lines)
            judge_s, more = alone(read_and_judge, lines)
            parquet_s, _ = alone(read_and_sort, parquet)
            table.add_row(
                f"{size:,}",
                f"{lines.stat().st_size / 1e6:,.0f} MB",
                f"{sort_s:.2f} s",
                f"{judge_s:.2f} s",
                f"{judge_s / sort_s:.1f}",
                f"{more / size:,.0f}",
                f"{parquet.stat().st_size / 1e6:,.0f} MB",
                f"{parquet_s:.2f} s",
                f"{parquet_s / sort_s:.2f}",
            )
            lines.unlink()
            parquet.unlink()
    return table


def start_up() -> Table:
    """Time the judgement of a small file from command to end, and the imports alone."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "history.jsonl")
        generator.generate(SMALL).write_ndjson(path)
        ways = {
            f"python -m loadtest judge ({SMALL:,} operations)": ["-m", "loadtest", "judge", path],
            "importing what it needs": ["-c", "import loadtest.commands.judge"],
            "importing polars": ["-c", "import polars"],
        }
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, command in ways.items():
                begin = time.perf_counter()
                subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=True)
                taken[way].append(time.perf_counter() - begin)
    table = numbers("start-up", "seconds", "share")
    whole = median(next(iter(taken.values())))
    for way, seconds in taken.items():
        table.add_row(way, f"{median(seconds):.2f}", f"{median(seconds) / whole:.0%}")
    return table


def shapes(sizes: Sequence[int] = SIZES[:3]) -> Table:
    """Histories of shapes that could cost more than their share, beside the clean one: seconds, and
    how these and the memory grow where the size grows tenfold."""
    table = numbers("shape", *(f"{size:,}" for size in sizes), "time ×", "memory ×")
    with tempfile.TemporaryDirectory() as folder:
        for name in SHAPES:
            measured = []
            for size in sizes:
                path = Path(folder) / "history.jsonl"
                alone(write_shape, name, size, path)
                measured.append(alone(read_and_judge, path))
            (one_s, one), (other_s, other) = measured[-2:]
            table.add_row(
                name,
                *(f"{seconds:.2f} s" for seconds, _ in measured),
                f"{other_s / one_s:.0f}",
                f"{other / max(one, 1):.0f}",
            )
    return table


def numbers(first: str, *others: str) -> Table:
    """A table of numbers; the first column says of what."""
    table = Table(first, box=None)
    for other in others:
        table.add_column(other, justify="right")
    return table


def alone(work: Callable[..., T], *arguments: object) -> T:
    """The work's result, from a fresh process, whose memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def write(size: int, lines: Path, parquet: Path) -> None:
    """A history with one lost increment, twice."""
    planted = generator.plant(generator.generate(size, unknown=0), "lost increment")
    history.save(planted, lines)
    history.save(planted, parquet)


def write_shape(name: str, size: int, path: Path) -> None:
    history.save(SHAPES[name](size), path)


def read_and_sort(path: Path) -> tuple[float, int]:
    """Seconds, and bytes of memory more than before."""
    before, begin = peak(), time.perf_counter()
    history.read(path).sort("start")
    return time.perf_counter() - begin, peak() - before


def read_and_judge(path: Path) -> tuple[float, int]:
    """Seconds, and bytes of memory more than before."""
    before, begin = peak(), time.perf_counter()
    checker.judge(history.read(path), workers=generator.WORKERS, threads=generator.THREADS)
    return time.perf_counter() - begin, peak() - before


def peak() -> int:
    """Bytes of memory that this process ever had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


TABLES = (
    ("What a judgement costs", judge_at_sizes),
    ("What a judgement costs at the least", start_up),
    ("What adverse shapes cost", shapes),
)


if __name__ == "__main__":
    from loadtest.report.terminal import console

    for title, table in TABLES:
        console().print(f"[bold]{title}[/bold]", table(), "", sep="\n")
