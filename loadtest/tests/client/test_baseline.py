"""Nothing is asked of a server that still starts: what is given up would happen later."""

import itertools
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from loadtest.client.baseline import Unready, awake, quiet
from loadtest.client.mapping import OURS, routes
from loadtest.tests.copies import counting


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


def test_count_that_rises_does_not_stand_still(monkeypatch):
    """A count to which something else adds is not loaded."""
    monkeypatch.setattr("loadtest.client.baseline.SETTLE_S", 0.5)
    rising = itertools.count()
    with (
        counting(read=lambda count: str(next(rising))) as url,
        pytest.raises(Unready, match="does not stand still while nobody increments"),
    ):
        quiet(routes("POST /i", "GET /r"), url, 0)


def test_answers_that_go_back_are_loaded(monkeypatch):
    """Answers that go back and forth are nobody's increments; they are recorded as they are."""
    monkeypatch.setattr("loadtest.client.baseline.SETTLE_S", 0.5)
    numbers = itertools.count()
    with counting(read=lambda count: str(next(numbers) * 7919 % 10_007)) as url:
        baseline = quiet(routes("POST /i", "GET /r"), url, 0)
    assert baseline.of(None) == 0


def test_copies_that_differ_are_not_subtracted():
    """Nothing is subtracted from answers of unlabelled copies that differ."""
    with counting((150, 192)) as url:
        assert quiet(routes("POST /i", "GET /r"), url, 0).of(None) == 0
    with counting((150,)) as url:
        assert quiet(routes("POST /i", "GET /r"), url, 0).of(None) == 150
