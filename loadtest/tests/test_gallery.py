"""A wrong idiom is turned right by what its docstring names, and is then not as it promised."""

from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

from loadtest import cell
from loadtest.report.gallery import LOAD
from loadtest.server.postgres import postgres_server
from loadtest.trial import Server, Trial
from variants.facts import facts, module_name

for package in ("sqlalchemy", "psycopg", "filelock"):
    pytest.importorskip(package, reason=f"no {package}: make .venv/gallery installs it")

MENDED = {
    "sqlite_default": Server(4, 1),
    "orm_expression": Server(1, 8),
    "postgres_attribute": Server(1, 8),
    "redis_incr_get": Server(4, 1),
    "json_file_replace": Server(1, 8),
    "shared_value_unlocked": Server(4, 8, preload=True),
}


@pytest.fixture(scope="module")
def urls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("postgres")
    with ExitStack() as stack:
        yield {"database_url": stack.enter_context(postgres_server(folder / "log"))}


@pytest.mark.parametrize("idiom", MENDED)
def test_the_code_of_its_twin_makes_an_idiom_whole_and_its_promise_red(
    idiom, tmp_path, monkeypatch, urls, redis_url
):
    docstring, code = source(idiom)[0], source(facts(idiom).lines["Instead"])[1]
    (tmp_path / "mended.py").write_text(f'"""{docstring}"""{code}', encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    trial = Trial("mended", MENDED[idiom], LOAD)
    mended = cell.run(trial, tmp_path / "results", redis_url=redis_url, **urls)
    assert mended.promise.must == cell.promise(Trial(idiom, MENDED[idiom], LOAD)).must != set()
    assert mended.verdict.linearizable, mended.verdict
    assert not mended.as_promised


def source(variant):
    """The docstring of a variant, and its code."""
    path = Path(find_spec(module_name(variant)).origin)
    _, docstring, code = path.read_text(encoding="utf-8").split('"""', 2)
    return docstring, code
