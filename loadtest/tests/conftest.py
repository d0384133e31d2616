import shutil
from collections.abc import Iterator

import pytest

from loadtest.server.redis import redis_server
from loadtest.tests.locusts import impatient, locust, web  # noqa: F401
from loadtest.tests.shells import environment, shell, start  # noqa: F401


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis") / "log") as url:
        yield url


@pytest.fixture(scope="session")
def browser():
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if not found:
        pytest.skip(f"no browser: none of {', '.join(names)} is on PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as p:
        options = ["--no-sandbox", "--disable-background-networking"]
        chromium = p.chromium.launch(executable_path=found, args=options)
        yield chromium
        chromium.close()
