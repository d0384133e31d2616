"""How tests wait."""

import time

import psutil


def wait_until(what, seconds=60, every=0.05):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(every)


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def family(pid):
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def wait_until_gone(pids):
    wait_until(lambda: not any(map(alive, pids)), seconds=30)
