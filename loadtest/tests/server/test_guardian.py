"""Tests of the wait for a guarded command."""

import sys

import pytest

from loadtest.errors import CouldNotRun
from loadtest.server import guardian
from loadtest.server.guardian import guarded
from loadtest.server.redis import RedisError

WAITS = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_yielded_once_ready(tmp_path):
    """A guarded command is yielded as soon as it is ready."""
    answers = iter([False, False, True])
    with guarded(WAITS, log=tmp_path / "log", ready=lambda: next(answers)):
        assert not [*answers]


def test_command_that_ends_is_refused(tmp_path):
    """A command that ends before it is ready raises its own error, at once."""
    log = tmp_path / "log"
    ends = [sys.executable, "-c", "print('no room')"]

    def refusal():
        return RedisError(f"redis did not start: {guardian.last_line(log)}")

    with (
        pytest.raises(CouldNotRun, match="redis did not start: no room"),
        guarded(ends, log=log, ready=lambda: False, refusal=refusal),
    ):
        raise AssertionError("it was ready")


def test_slow_command_is_refused(tmp_path, monkeypatch):
    """A command that is not ready in time is ended, and its log named."""
    monkeypatch.setattr(guardian, "STARTUP_S", 0.1)
    with (
        pytest.raises(CouldNotRun, match=r"did not start: .*log"),
        guarded(WAITS, log=tmp_path / "log", ready=lambda: False),
    ):
        raise AssertionError("it was ready")
