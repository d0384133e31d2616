"""A wrong idiom is turned right by what its docstring names, and is then not as expected."""

from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import requests

from loadtest import cell
from loadtest.expected import expectation
from loadtest.gallery import LOAD, trials
from loadtest.server.disk import missing
from loadtest.server.postgres import postgres_server, schema
from loadtest.server.running import serve
from loadtest.tests.waiting import wait_until
from loadtest.trial import ALONE, Server, Trial
from variants.facts import facts, module_name
from variants.gallery import GALLERY

for package in ("sqlalchemy", "psycopg", "filelock"):
    pytest.importorskip(package, reason=f"no {package}: make .venv/gallery installs it")

PRELOADED = Server(1, 8, preload=True)


def told_apart(idiom):
    """The first trial in which an idiom must go wrong, and what it says to write there instead."""
    wrong = [each for each in trials([idiom], every=True) if expectation(each).must]
    if not wrong:
        return None
    return wrong[0], facts(idiom).instead(2 if wrong[0].fault == "two-machines" else 1)


WRONG = {idiom: apart for idiom in GALLERY if (apart := told_apart(idiom))}


@pytest.fixture(scope="module")
def database_url(tmp_path_factory):
    with postgres_server(tmp_path_factory.mktemp("postgres") / "log") as url:
        yield url


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("idiom", WRONG)
def test_twin_fixes_its_idiom(idiom, tmp_path, monkeypatch, database_url, stack, redis_url):
    """The code of its twin fixes an idiom, so that the idiom's expectation turns red."""
    trial, twin = WRONG[idiom]
    docstring, code = source(idiom)[0], source(twin)[1]
    (tmp_path / "mended.py").write_text(f'"""{docstring}"""{code}', encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    mended = cell.run(
        replace(trial, variant="mended"),
        tmp_path / "results",
        redis_url=redis_url,
        database_url=stack.enter_context(schema(database_url)),
    )
    assert mended.expectation == expectation(trial)
    assert not mended.as_expected, f"{trial.name}: {mended.verdict}"
    assert expectation(replace(trial, variant=twin)).kept(mended.verdict), mended.verdict


# the state is kept in as many ways as there are
# the first two sync the folder; the last commit of the third may be undone
POWER_CUTS = [] if missing() else ["sqlite_returning", "orm_returning", "sqlite_default"]
SURVIVE = [
    (Trial("simple_cache", ALONE, fault="kill-worker"), "forgets"),
    (Trial("app_config", ALONE, fault="kill-worker"), "forgets"),
    (Trial("manager", ALONE, fault="kill-worker"), "forgets"),
    # who is killed with the lock of a Value may keep it for ever
    (Trial("shared_value", PRELOADED, fault="recycle"), ""),
    (Trial("shared_value", PRELOADED, fault="restart"), "forgets"),
    (Trial("json_file_locked", ALONE, fault="kill-worker"), ""),
    (Trial("disk_cache", ALONE, fault="restart"), ""),
    (Trial("redis_cache", ALONE, fault="kill-store"), ""),
    (Trial("redis_watch", ALONE, fault="kill-defaults"), "forgets"),
    (Trial("postgres_returning", ALONE, fault="kill-store"), ""),
    (Trial("postgres_for_update", ALONE, fault="lock-store"), ""),
    (Trial("orm_returning", ALONE, fault="kill-worker"), ""),
    *((Trial(idiom, ALONE, fault="power-cut"), "") for idiom in POWER_CUTS),
]


@pytest.mark.parametrize(("trial", "must"), SURVIVE, ids=[str(trial.name) for trial, _ in SURVIVE])
def test_survival_claims_are_true(trial, must, tmp_path, database_url, stack, redis_url):
    """An idiom survives all that it claims to survive."""
    each = cell.run(
        trial,
        tmp_path,
        redis_url=redis_url,
        database_url=stack.enter_context(schema(database_url)),
    )
    assert ("forgets" if "forgets" in each.expectation.must else "") == must
    assert each.as_expected, f"{each.name}: {each.verdict}"


def test_empty_stash_raises(tmp_path):
    """A stash that nobody has filled raises, even if a default is named."""
    log = tmp_path / "log"
    with serve(Trial("gunicorn_stash", Server(1, 1)), log=log) as server:

        def asked():
            # the arbiter may start later than its workers
            assert requests.get(f"{server.url}/read", timeout=5).status_code == 500
            return "Key not found: count" in log.read_text()

        wait_until(asked)
        assert requests.post(f"{server.url}/create", timeout=5).status_code == 200
        assert requests.get(f"{server.url}/read", timeout=5).json() == 0


def test_torn_file_is_as_expected(tmp_path, monkeypatch):
    """A file torn by two writers is as expected, though nobody can read the losses."""
    docstring, code = source("json_file")
    whole = "path.write_text(json.dumps(data))"
    torn = "path.write_text(json.dumps(data) + '}' * (data == {'count': 30}))"
    assert whole in code
    (tmp_path / "torn.py").write_text(f'"""{docstring}"""{code.replace(whole, torn)}')
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    each = cell.run(Trial("torn", ALONE, LOAD), tmp_path / "results")
    assert each.verdict.unread
    assert not each.verdict.lost
    assert each.as_expected, each.verdict
    # of one that says nothing of refusing, a loss has to be seen
    assert not expectation(Trial("plain_global", ALONE, LOAD)).kept(each.verdict)


def source(variant):
    """The docstring of a variant, and its code."""
    path = Path(find_spec(module_name(variant)).origin)
    _, docstring, code = path.read_text(encoding="utf-8").split('"""', 2)
    return docstring, code
