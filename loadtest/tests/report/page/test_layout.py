"""Tests of the layout of a page's cells."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from loadtest.cell import Cell
from loadtest.checker import Failure
from loadtest.expected import expectation
from loadtest.report.page.layout import Grid, beside_twins, filters, store
from loadtest.trial import ALONE, SERVERS, Trial
from variants import VARIANTS


@pytest.fixture
def twins(tmp_path, monkeypatch):
    """Variants that name each other."""
    monkeypatch.syspath_prepend(tmp_path)
    for name, instead in {
        "wrong_a": "right",
        "other": "",
        "wrong_b": "right",
        "right": "other on two machines",
    }.items():
        line = f"Instead: {instead}\n" if instead else ""
        text = f'"""Mine.\n\nLives in: worker.\n{line}"""\nfrom variants.plain_global import *\n'
        (tmp_path / f"{name}.py").write_text(text)


def cell(variant, server=SERVERS[0], faults=(), fault=None):
    trial = Trial(variant, server, fault=fault)
    verdict = SimpleNamespace(failures=set(faults), violated=bool(faults))
    return Cell(trial, expectation(trial), verdict, Path("h.jsonl"), 1.0)


def test_alternative_follows_its_twins(twins):
    """The variant to use instead comes right after its twins."""
    cells = [cell(name) for name in ("right", "wrong_a", "other", "wrong_b")]
    assert [each.trial.variant for each in beside_twins(cells)] == [
        *("wrong_a", "wrong_b", "right", "other"),
    ]


def test_the_five_stay_in_their_order():
    cells = [cell(variant) for variant in VARIANTS]
    assert beside_twins(cells) == cells


def test_rows_and_columns():
    """A row is a variant, and a column is a server."""
    grid = Grid([cell("redis_key", server) for server in SERVERS] + [cell("flask_g")])
    assert grid.heads == ["1×1", "1×8", "4×1", "4×8"]
    assert [name for name, _ in grid.rows] == ["redis_key", "flask_g"]
    assert grid.rows[1][1][1:] == ["", "", ""]


def test_wide_grid_is_turned():
    """A grid that would be too wide is turned."""
    servers = [type(SERVERS[0])(workers, 1) for workers in range(1, 8)]
    names = ["redis_key", "flask_g"]
    grid = Grid([cell(name, server) for name in names for server in servers])
    assert grid.heads == names
    assert [name for name, _ in grid.rows][:2] == ["1×1", "2×1"]
    assert all(each.trial.variant == "flask_g" for _, (_, each) in grid.rows)


def test_store_read_from_environment():
    """A variant's store is read from the variables that it uses."""
    assert [store(variant) for variant in VARIANTS] == [
        *("memory", "memory", "memory", "SQLite", "Redis"),
    ]
    assert store("json") == "not said"


def test_large_page_has_filters(twins):
    """A large page is filtered by store and by failure."""
    names = [*VARIANTS, "other"]
    cells = [cell(name, faults=[Failure.LOSES] if "global" in name else []) for name in names]
    by = filters(cells)
    assert by["kept in"]["SQLite"] == ["sqlite_row"]
    assert by["what goes wrong"] == {
        "loses": ["plain_global", "locked_global"],
        "nothing": ["flask_g", "sqlite_row", "redis_key", "other"],
    }
    assert filters(cells[:5]) == {}


def test_left_out_cell_has_a_reason():
    """A cell that cannot be run says why in its place."""
    trials = [Trial("redis_key", ALONE, fault="kill-store"), Trial("flask_g", ALONE)]
    cells = [cell(each.variant, each.server, fault=each.fault) for each in trials]
    grid = Grid(cells)
    assert grid.heads == ["1×8 under kill-store", "1×8"]
    assert dict(grid.rows)["flask_g"][0] == "flask_g has no store"
    assert dict(grid.rows)["redis_key"][1] == ""
