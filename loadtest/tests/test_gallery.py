"""A wrong idiom is turned right by what its docstring names, and is then not as it promised."""

from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

from loadtest import cell
from loadtest.promises import promise
from loadtest.report.gallery import COLUMNS, LOAD
from loadtest.report.gallery import trial as in_column
from loadtest.server.postgres import postgres_server, schema
from loadtest.trial import Trial
from variants.facts import facts, module_name
from variants.gallery import GALLERY

for package in ("sqlalchemy", "psycopg", "filelock"):
    pytest.importorskip(package, reason=f"no {package}: make .venv/gallery installs it")

TWINS = {
    idiom: facts(idiom).lines["Instead"] for idiom in GALLERY if "Instead" in facts(idiom).lines
}


@pytest.fixture(scope="module")
def database_url(tmp_path_factory):
    with postgres_server(tmp_path_factory.mktemp("postgres") / "log") as url:
        yield url


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack


def told_apart(idiom):
    """The first server under which an idiom must go wrong, and its twin must not do the same."""
    served = filter(None, (in_column(idiom, column) for column in COLUMNS))
    for each in served:
        wrong, right = promise(each), promise(Trial(TWINS[idiom], each.server, LOAD))
        if each.fault is None and wrong.must and not wrong.must & (right.must | right.may):
            return each.server
    raise AssertionError(f"{TWINS[idiom]} is no cure for {idiom}")


@pytest.mark.parametrize("idiom", [idiom for idiom in TWINS if idiom != "redis_lock_ttl"])
def test_the_code_of_its_twin_cures_an_idiom_and_its_promise_is_red(
    idiom, tmp_path, monkeypatch, database_url, stack, redis_url
):
    docstring, code = source(idiom)[0], source(TWINS[idiom])[1]
    (tmp_path / "mended.py").write_text(f'"""{docstring}"""{code}', encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    server = told_apart(idiom)
    mended = cell.run(
        Trial("mended", server, LOAD),
        tmp_path / "results",
        redis_url=redis_url,
        database_url=stack.enter_context(schema(database_url)),
    )
    assert mended.promise == promise(Trial(idiom, server, LOAD))
    assert not mended.as_promised, f"at {server}: {mended.verdict}"
    assert promise(Trial(TWINS[idiom], server, LOAD)).kept(mended.verdict), mended.verdict


def source(variant):
    """The docstring of a variant, and its code."""
    path = Path(find_spec(module_name(variant)).origin)
    _, docstring, code = path.read_text(encoding="utf-8").split('"""', 2)
    return docstring, code
