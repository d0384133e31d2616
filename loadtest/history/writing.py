"""Write histories, as `reading` reads them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import polars as pl

from loadtest.history.operation import Operation, line

_COMPRESSION: dict[str, Literal["gzip", "zstd"]] = {".gz": "gzip", ".zst": "zstd"}


def write(path: str | Path, operations: Iterable[Operation]) -> None:
    """Write the operations to a file that `read` reads."""
    with Path(path).open("w") as file:
        file.writelines(map(line, operations))


def save(history: pl.DataFrame, path: str | Path) -> None:
    """Write a history as what the ending of the file's name says, JSON lines if nothing else."""
    ending = Path(path).suffix
    with Path(path).open("wb") as file:
        if ending == ".parquet":
            history.write_parquet(file)
        else:
            history.write_ndjson(file, compression=_COMPRESSION.get(ending, "uncompressed"))
