"""A reading that grows by itself: jobs that run once, and jobs that run once per worker."""

import json
from threading import Thread

import pytest
from werkzeug.serving import make_server

from loadtest.client.growth import Growth, highest, reading, runs
from loadtest.client.mapping import Unclear
from loadtest.commands import growth
from loadtest.trial import App, Server

ONE, FOUR, THREADS = Server(1, 1), Server(4, 1), Server(1, 8)
CRON = """
import threading
import time

from flask import Flask

app = Flask(__name__)


def send():
    while True:
        with open("sent", "a") as file:
            file.write("mail ")
        time.sleep(0.05)


threading.Thread(target=send, daemon=True).start()


@app.get("/sent")
def sent():
    with open("sent") as file:
        return {"sent": len(file.read().split())}
"""


@pytest.mark.parametrize(
    ("added", "word"),
    [
        ({ONE: 5, FOUR: 20}, "once per worker"),
        ({ONE: 5, THREADS: 5, FOUR: 14}, "once per worker"),
        ({ONE: 5, FOUR: 5}, "once"),
        ({ONE: 5, FOUR: 7}, "once"),
        ({ONE: 0, FOUR: 0}, "inconclusive"),
        ({ONE: 1, FOUR: 4}, "inconclusive"),
        ({FOUR: 20}, "inconclusive"),
        ({ONE: 20}, "inconclusive"),
    ],
)
def test_rates_tell_how_often_it_runs(added, word):
    """A job runs once per worker if a reading grows so much faster with several."""
    found, sentence = runs([Growth(server, count, 5.0) for server, count in added.items()])
    assert found == word
    assert "\n" not in sentence


def test_what_does_not_grow_says_what_to_try():
    """A reading that stands still asks for the request that adds to it."""
    _, sentence = runs([Growth(ONE, 0, 5.0), Growth(FOUR, 0, 5.0)])
    assert "INCREMENT='POST /hits'" in sentence


def test_reading_without_a_number_says_what_to_try():
    """An answer without a whole number is reported with what to try."""

    def app(_, start):
        start("200 OK", [])
        return [b"hello"]

    server = make_server("127.0.0.1", 0, app)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        with pytest.raises(Unclear, match=r"GET /sent answered 200 'hello': COUNT='sent' finds no"):
            highest(reading(App(read="GET /sent", count="sent")), f"http://127.0.0.1:{server.port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.timeout(100)
def test_job_at_import_runs_once_per_worker(tmp_path, monkeypatch, capsys):
    """A thread that is started when the app is imported runs in every worker."""
    (tmp_path / "cron.py").write_text(CRON)
    monkeypatch.setattr(growth, "LEAST_S", 0.5)
    own = App("cron:app", read="GET /sent", count="sent", chdir=str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        growth.compare(own, (ONE, FOUR), tmp_path, 0.5, as_json=True)
    assert ended.value.code == 1
    document = json.loads(capsys.readouterr().out)
    assert document["runs"] == "once per worker"
    assert [row["server"]["workers"] for row in document["growth"]] == [1, 4]
