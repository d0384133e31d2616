"""Tests of the places at which requests rest, in each Python that is here."""

import json
import subprocess
from pathlib import Path

import pytest

from loadtest.server import shake
from variants.tests import switch_points
from variants.tests.interpreters import interpreters
from variants.tests.switch_points import WINDOWS
from variants.tests.test_switch_points import DESCRIBE, NOTHING_LOST, run

SCRIPT = Path(__file__).with_name("shaken_windows.py")


def lost(python, where, folder):
    folder.mkdir()
    command = [python, "-W", "ignore", SCRIPT, shake.__file__, switch_points.__file__, folder]
    done = subprocess.run([*map(str, command), where], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {name for name, found in json.loads(done.stdout).items() if found}


@pytest.mark.parametrize("python", interpreters())
def test_rests_are_where_this_python_switches(python, tmp_path):
    """Rests lose updates in the windows in which this version switches, and in no other."""
    implementation, *version, gil = run(python, "-c", DESCRIBE)
    if implementation != "cpython" or not gil or tuple(version) not in NOTHING_LOST:
        pytest.skip("nothing is claimed of this interpreter")
    assert lost(python, "switches", tmp_path / "1") == set(WINDOWS) - NOTHING_LOST[tuple(version)]


@pytest.mark.parametrize("python", interpreters())
def test_rests_anywhere_find_every_window(python, tmp_path):
    """Rests between any two instructions lose updates in each window."""
    if run(python, "-c", DESCRIBE)[0] != "cpython":
        pytest.skip("nothing is claimed of this interpreter")
    assert lost(python, "anywhere", tmp_path / "1") == set(WINDOWS)
