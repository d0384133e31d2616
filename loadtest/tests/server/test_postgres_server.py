"""A PostgreSQL of one's own: there while it is needed, and then nothing is left of it."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from loadtest.server.postgres import PostgresError, postgres_server

psycopg = pytest.importorskip("psycopg", reason="no psycopg: make .venv/gallery installs it")
OWNER = """
import sys, time
from pathlib import Path
from loadtest.server.postgres import postgres_server
with postgres_server(Path(sys.argv[1])) as url:
    print(url, flush=True)
    time.sleep(600)
"""


def ask(url, question):
    with psycopg.connect(url) as connection:
        return connection.execute(question).fetchone()[0]


def folder(url):
    return Path(re.search(r"host=([^&]+)", url)[1].replace("%2F", "/"))


def is_gone(url):
    servers = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(folder(url)) in " ".join(process.info["cmdline"] or [])
    ]
    psutil.wait_procs(servers, timeout=30)
    return not any(map(psutil.Process.is_running, servers)) and not folder(url).exists()


@pytest.fixture(autouse=True)
def none_given(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)


def test_nothing_left_with_a_client(tmp_path):
    """The server answers, and ends even while a client is connected."""
    with postgres_server(tmp_path / "log") as url:
        assert ask(url, "SELECT 1") == 1
        connected = psycopg.connect(url)
    connected.close()
    assert is_gone(url)


def test_nothing_left_of_a_killed_owner(tmp_path):
    """Nothing is left of the server when its owner is killed."""
    command = [sys.executable, "-c", OWNER, str(tmp_path / "log")]
    owner = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    url = owner.stdout.readline().strip()
    assert ask(url, "SELECT 1") == 1
    servers = psutil.Process(owner.pid).children(recursive=True)
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    psutil.wait_procs(servers, timeout=60)
    assert is_gone(url)


def test_given_database_gets_a_schema(tmp_path, monkeypatch):
    """In a given database only a schema is used, and then dropped."""
    with postgres_server(tmp_path / "log") as given:
        monkeypatch.setenv("DATABASE_URL", given)
        with postgres_server(tmp_path / "log") as url:
            with psycopg.connect(url) as connection:
                connection.execute("CREATE TABLE cache (count INTEGER)")
            assert ask(url, "SELECT current_schema()").startswith("state_")
        left = "SELECT count(*) FROM pg_tables WHERE tablename = 'cache'"
        assert ask(given, left) == 0


def test_silent_database_in_one_line(tmp_path, monkeypatch):
    """A database that does not answer is reported in one line."""
    # port 1 is never listened on
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/state")
    with (
        pytest.raises(PostgresError, match=r"^no PostgreSQL answers at DATABASE_URL \(.*\); start"),
        postgres_server(tmp_path / "log"),
    ):
        pass


def test_no_postgres_says_what_to_do(tmp_path, monkeypatch):
    """Without any PostgreSQL the error says what to do."""
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("loadtest.server.postgres.find_spec", lambda name: None)
    with (
        pytest.raises(PostgresError, match=r"make \.venv/gallery installs it"),
        postgres_server(tmp_path / "log"),
    ):
        pass
