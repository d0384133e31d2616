"""Tests of the places at which CPython switches threads: windows × versions."""

import json
import subprocess
from pathlib import Path

import pytest

from variants.tests.interpreters import interpreters
from variants.tests.switch_points import WINDOWS

SCRIPT = Path(__file__).with_name("switch_points.py")
# most calls of C functions switch, too; these are specialized and never enter a call
SPECIALIZED = {"len()", "isinstance()", "type()", "[].append()"}
# a function of Python switches at its start, before it reads, and not at its end
RETURN = "read in a function"
NO_CALL = {'c["n"] += 1', "an f-string", "an attribute"}
SINCE_3_11 = {*NO_CALL, "a if b else c", RETURN, *SPECIALIZED}
NOTHING_LOST = {
    (3, 9): set(),
    (3, 10): NO_CALL,
    (3, 11): SINCE_3_11,
    (3, 12): SINCE_3_11,
    (3, 13): SINCE_3_11,
    (3, 14): SINCE_3_11,
    (3, 15): SINCE_3_11,
}
"""The windows of each version in which no update was lost; all others lose some."""
DESCRIBE = (
    "import json, sys; print(json.dumps([sys.implementation.name, *sys.version_info[:2], "
    "getattr(sys, '_is_gil_enabled', lambda: True)()]))"
)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("python", interpreters())
def test_windows_that_lose(python):
    """A window loses updates exactly where the table says that this version switches."""
    implementation, *version, gil = run(python, "-c", DESCRIBE)
    if implementation != "cpython" or not gil or tuple(version) not in NOTHING_LOST:
        pytest.skip("nothing is claimed of this interpreter")
    lost = run(python, str(SCRIPT))
    assert {name for name in WINDOWS if not lost[name]} == NOTHING_LOST[tuple(version)]
