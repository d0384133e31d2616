import os
import shutil
import time
import uuid

import psutil
import pytest

from notebooks.run import HERE


@pytest.fixture
def started(monkeypatch):
    """The processes that a test started, kernels and their descendants, and that still run."""
    mark = uuid.uuid4().hex
    monkeypatch.setenv("STARTED_BY", mark)

    def processes():
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("STARTED_BY") == mark and process.pid != os.getpid():
                    found.append(process)
            except psutil.Error:
                continue
        return found

    yield processes
    for process in processes():
        process.kill()


@pytest.fixture
def nothing_left(started):
    """Called, it fails unless all processes that the test started end within some seconds."""

    def check(but=()):
        deadline = time.monotonic() + 60
        while left := [process for process in started() if process.pid not in but]:
            assert time.monotonic() < deadline, f"still running: {left}"
            time.sleep(0.1)

    return check


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A copy of what the notebooks need, so that no test touches anybody's guesses or results."""
    # before the checkout that is installed
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for folder in ("variants", "loadtest", "notebooks"):
        ignored = shutil.ignore_patterns("tests", "rendered", "__pycache__")
        shutil.copytree(HERE.parent / folder, tmp_path / folder, ignore=ignored)
    return tmp_path
