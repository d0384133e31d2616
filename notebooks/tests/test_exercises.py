"""The exercises of appendix D can be solved. (That they are not yet is told by its outputs.)"""

import sys
from pathlib import Path

import pytest

from notebooks.exercises import EXERCISES, grade

SOLUTIONS = Path(__file__).parents[1] / "solutions"


@pytest.fixture
def where_solutions_are_found(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    Path("results/mine").mkdir(parents=True, exist_ok=True)
    monkeypatch.syspath_prepend(SOLUTIONS)
    monkeypatch.setenv("PYTHONPATH", str(SOLUTIONS))


@pytest.mark.usefixtures("where_solutions_are_found")
@pytest.mark.parametrize("name", EXERCISES)
def test_the_solution_is_graded_as_solved(name, tmp_path, capsys):
    assert grade(name, tmp_path), capsys.readouterr().out


def test_a_database_does_not_solve_the_second(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "share_without_a_server.py").write_text("import sqlite3")
    assert not grade("share_without_a_server", tmp_path)
    assert capsys.readouterr().out == "not yet: it uses sqlite\n"


def test_broken_variant_is_not_solved(tmp_path, monkeypatch, capsys):
    """A variant that does not start does not solve the exercise."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "survive_threads.py").write_text("def create(): return 1 / 0")
    assert not grade("survive_threads", tmp_path)
    assert capsys.readouterr().out.startswith("not yet: survive_threads has no increment")
    assert "survive_threads" not in sys.modules
