"""A soak counts how often each cell came out as expected, and keeps what did not."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from loadtest import history
from loadtest.cell import Cell
from loadtest.checker import judge
from loadtest.commands import faults
from loadtest.expected import expectation

RECORDED = Path(__file__).with_name("recorded")


@pytest.fixture
def soak(monkeypatch, tmp_path):
    """Soaks, where each round is told which of its cells come out clean, or what it raises."""

    names = ("plain_global-1x8", "sqlite_row-4x8")
    lost, found_clean = (judge(history.read(RECORDED / f"{name}.jsonl.gz")) for name in names)

    def of(rounds, *options):
        folders = []

        def run_all(trials, folder, tell, **_):
            clean = rounds[len(folders) - 1]
            if isinstance(clean, BaseException):
                raise clean
            return [
                Cell(
                    each,
                    expectation(each),
                    found_clean if each.name in clean else lost,
                    folder / f"{each.slug}.jsonl",
                    1.0,
                )
                for each in trials
            ]

        def new_folder():
            folders.append(tmp_path / str(len(folders)))
            folders[-1].mkdir()
            return folders[-1]

        monkeypatch.setattr(faults, "new_folder", new_folder)
        monkeypatch.setattr(faults, "run_all", run_all)
        monkeypatch.setattr(faults, "write", lambda _, folder: (folder / "report").touch())
        monkeypatch.setattr(faults, "VARIANTS", ("plain_global",))
        monkeypatch.setattr(faults, "under_faults", lambda *_: [])
        monkeypatch.setattr(faults.trial, "SERVERS", faults.trial.SERVERS[:2])
        done = CliRunner().invoke(faults.soak, options)
        return done, [each.exists() and [file.name for file in each.iterdir()] for each in folders]

    return of


ONE, OTHER = "plain_global at 1×1", "plain_global at 1×8"


def test_all_expected_is_status_0(soak):
    """A soak with every cell as expected is status 0 and keeps its last round."""
    done, kept = soak([{ONE}] * 3, "--rounds", "3")
    assert done.exit_code == 0
    assert done.output.splitlines()[-3:] == [
        "round 3 of 3: 6 of 6",
        f"   3 of 3  {ONE}",
        f"   3 of 3  {OTHER}",
    ]
    assert kept == [False, False, ["report"]]


def test_one_unexpected_is_status_1(soak):
    """One unexpected cell is status 1, and its round is kept."""
    done, kept = soak([{ONE}, {ONE, OTHER}, {ONE}], "--rounds", "3")
    assert done.exit_code == 1
    assert "round 2 of 3: 3 of 4" in done.output
    assert f"  {OTHER}: expected loses, found" in done.output
    assert f"   2 of 3  {OTHER}" in done.output
    assert kept == [False, ["report"], ["report"]]


def test_who_stops_it_is_told_what_it_has(soak):
    done, _ = soak([{ONE}, KeyboardInterrupt()], "--rounds", "100")
    assert f"   1 of 1  {OTHER}" in done.output


def test_nothing_before_one_round(soak):
    """Before the first round is over there is nothing to report."""
    done, _ = soak([KeyboardInterrupt()])
    assert " of " not in done.output
