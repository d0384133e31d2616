"""Nothing is asked of a server that still starts: what is given up would happen later."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from loadtest.client.baseline import Unready, awake
from loadtest.client.mapping import OURS


def test_waits_for_a_starting_server(monkeypatch):
    """The load waits for a server that still starts."""
    monkeypatch.setattr("loadtest.client.http.TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as later, ThreadPoolExecutor() as pool:
        waits = pool.submit(awake, OURS, f"http://127.0.0.1:{later.getsockname()[1]}")
        asked = []
        for _ in range(2):
            request, _ = later.accept()
            with request:
                # it is given up
                asked.append(b"".join(iter(lambda request=request: request.recv(4096), b"")))
        request, _ = later.accept()
        with request:
            asked.append(request.recv(4096))
            request.sendall(b"HTTP/1.1 404 NOT FOUND\r\nContent-Length: 0\r\n\r\n")
        waits.result(60)
    assert {each.partition(b" ")[0] for each in asked} == {b"OPTIONS"}


def test_server_that_never_starts(monkeypatch):
    """A server that never starts is reported in one line."""
    monkeypatch.setattr("loadtest.client.http.TIMEOUT_S", 0.1)
    monkeypatch.setattr("loadtest.client.baseline.STARTUP_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as never:
        host = f"http://127.0.0.1:{never.getsockname()[1]}"
        with pytest.raises(Unready, match=f"nothing answers at {host} within 0.3 s"):
            awake(OURS, host)


@pytest.mark.parametrize("app", [(), ("--increment", "POST /hits")])
def test_first_request_changes_nothing(locust, app):
    """The first request of a run changes nothing."""
    seen = []
    with socket.create_server(("127.0.0.1", 0)) as only, ThreadPoolExecutor() as pool:
        host = f"http://127.0.0.1:{only.getsockname()[1]}"
        run = pool.submit(locust, host, *app, enough=lambda: seen)
        request, _ = only.accept()
        with request:
            seen.append(request.recv(4096))
        run.result(60)
    assert seen[0].startswith(b"OPTIONS / ")
