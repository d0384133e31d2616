"""Tests of the disk whose power can be cut, with SQLite on it."""

import os
import sqlite3
from contextlib import closing

import pytest

from loadtest.server.disk import disk, missing

pytestmark = pytest.mark.skipif(bool(missing()), reason=f"no such disk: {missing()}")


@pytest.fixture
def folder(tmp_path):
    with disk(tmp_path / "disk.log") as folder:
        yield folder


def cut(folder):
    (folder / "cut").mkdir()
    (folder / "cut").rmdir()


def test_synced_data_survives(folder):
    """A cut keeps what was synced, and nothing else."""
    (folder / "unsynced").write_text("gone")
    with (folder / "synced").open("w") as file:
        file.write("kept")
        file.flush()
        os.fsync(file.fileno())
        file.write("gone")
    cut(folder)
    assert [each.name for each in folder.iterdir()] == ["synced"]
    assert (folder / "synced").read_text() == "kept"


@pytest.mark.parametrize(
    ("journal", "synchronous", "count"),
    [("DELETE", "FULL", 0), ("DELETE", "EXTRA", 1), ("TRUNCATE", "FULL", 1), ("WAL", "FULL", 1)],
)
def test_last_commit_in_sqlite(journal, synchronous, count, folder):
    """A commit in DELETE mode is undone by a cut unless SQLite syncs the folder: EXTRA does."""
    path = folder / "state.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("CREATE TABLE cache (count)")
        connection.execute("INSERT INTO cache VALUES (0)")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("UPDATE cache SET count = 1")
        cut(folder)
        # what the old connection still holds ended with the power
        connection.execute("PRAGMA query_only = 1")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count FROM cache").fetchone() == (count,)
