import importlib
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient

from loadtest.server.redis import redis_server
from variants.app import create_app


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis") / "log") as url:
        yield url


@pytest.fixture
def client_of(tmp_path, monkeypatch, redis_url) -> Callable[[str], FlaskClient]:
    """Makes a client of a variant whose state is empty and its own."""
    monkeypatch.setenv("SQLITE_PATH", str(tmp_path / "state.sqlite3"))
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("REDIS_PREFIX", f"{tmp_path}:")

    def make(variant: str) -> FlaskClient:
        importlib.reload(importlib.import_module(f"variants.{variant}"))
        return create_app(variant).test_client()

    return make
