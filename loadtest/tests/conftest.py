from collections.abc import Iterator

import pytest

from loadtest.redis_server import redis_server


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis") / "log") as url:
        yield url
