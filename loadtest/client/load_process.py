"""Loads are forked from here, where locust has been imported: that takes longer than many a load.

    python -m loadtest.client.load_process SOCKET

From the file descriptor SOCKET come three others for each load: a connection, a log, and a file
that says in JSON what locust is told: {argv, env, cwd}. The connection answers with the exit
status, and each byte that comes from it is a signal for the load, which is killed when it closes.
This process ends with SOCKET. So no load outlives its owner, however that ends; should this process
be killed, then Linux ends its loads.
"""

import gc
import json
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from functools import partial
from importlib import import_module, metadata
from typing import Any

from loadtest.server.guardian_process import die_with, end_group

IMPORTED = ("locust.main", "loadtest.client.audit", "loadtest.report.live.web_ui")
"""Locust first, since gevent replaces what others take; then what our locustfile imports."""
Told = dict[str, Any]
# gevent's need an event loop, and nobody runs one where others are forked
close, waitpid = os.close, os.waitpid
selector = selectors.PollSelector()


def told_by(owner: socket.socket) -> Told | None:
    """Forks a load whenever the owner says so, and returns in each what it is told; None here, when
    the owner is gone, and so all loads are."""
    selector.register(owner, selectors.EVENT_READ, partial(fork, owner))
    while selector.get_map():
        # the first alone: what it does may close others of them
        key, _ = selector.select()[0]
        if told := key.data():
            return told
    return None


def fork(owner: socket.socket) -> Told | None:
    # it gives the process that is forked an event loop of its own
    from gevent.os import fork_gevent

    _, found, _, _ = socket.recv_fds(owner, 1, 3)
    if not found:
        selector.unregister(owner)
        return None
    connection, log, told = found
    pipe, until_it_ends = os.pipe()
    parent = os.getpid()
    if process := fork_gevent():
        # here too, or it might be too late for who ends the group
        with suppress(PermissionError):
            os.setpgid(process, process)
        for theirs in (log, told, until_it_ends):
            close(theirs)
        selector.register(connection, selectors.EVENT_READ, partial(end, process, connection))
        selector.register(pipe, selectors.EVENT_READ, partial(ended, process, connection, pipe))
        return None
    os.setpgid(0, 0)
    die_with(parent, signal.SIGKILL)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for other in [*(key.fd for key in selector.get_map().values()), connection, log, pipe]:
        close(other)
    owner.detach()
    with open(told, encoding="utf-8") as file:  # noqa: PTH123
        return json.load(file)


def end(process: int, connection: int) -> None:
    asked = os.read(connection, 1)
    end_group(process, asked[0] if asked else signal.SIGKILL)
    if not asked:
        selector.unregister(connection)


def ended(process: int, connection: int, pipe: int) -> None:
    # what it has left running, while nobody else can have its number
    end_group(process, signal.SIGKILL)
    _, status = waitpid(process, 0)
    with suppress(BrokenPipeError):
        os.write(connection, str(os.waitstatus_to_exitcode(status)).encode())
    selector.unregister(pipe)
    if connection in selector.get_map():
        selector.unregister(connection)
    close(pipe)
    close(connection)


def main(number: str) -> None:
    owner = socket.socket(fileno=int(number))
    gc.disable()
    # gevent asks for its plugins 25 times, and each time all packages would be looked through
    metadata.entry_points = metadata.entry_points().select
    for name in IMPORTED:
        import_module(name)
    gc.freeze()
    gc.enable()
    told = told_by(owner)
    if told:
        os.chdir(told["cwd"])
        os.environ.clear()
        os.environ.update(told["env"])
        sys.argv = told["argv"]
        sys.modules["locust.main"].main()


if __name__ == "__main__":
    main(*sys.argv[1:])
