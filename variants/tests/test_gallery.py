"""The idioms of the gallery: their shape, and what each does when one request follows another."""

import ast
import os
import queue
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest
import redis

from loadtest.expected import expectation
from loadtest.report.gallery import trials, wrong
from loadtest.report.pictures import schedules
from loadtest.server.postgres import postgres_server, schema
from variants import VARIANTS
from variants.app import create_app
from variants.facts import GALLERY as FOLDER
from variants.facts import facts, source
from variants.gallery import GALLERY
from variants.store import FUNCTIONS

LABELS = ["Lives in", "Guard", "Answers", "Loses", "Survives", "Needs", "Served"]
LABELS += ["Seen in", "Instead"]
PACKAGES = {"diskcache", "filelock", "flask_caching", "flask_session", "prometheus_client"}
PACKAGES |= {"psycopg", "sqlalchemy"}
# PostgreSQL has no text with a NUL in it
ITEMS = ["x", "y" * 1000, "\N{PILE OF POO}", "\n", " "]
WALK = ["/create", "/increment", "/increment", "/read", "/increment", "/create", "/read"]


def functions(idiom):
    return [node for node in source(idiom).body if isinstance(node, ast.FunctionDef)]


def test_every_file_of_the_gallery_is_in_its_list():
    assert {path.stem for path in FOLDER.glob("*.py")} == {"__init__", "models", *GALLERY}


@pytest.mark.parametrize("idiom", GALLERY)
def test_an_idiom_ends_with_the_five_functions_and_pauses_where_the_others_do(idiom):
    contract = functions(idiom)[-5:]
    assert tuple(function.name for function in contract) == FUNCTIONS
    for function in contract:
        calls = [getattr(node.func, "id", "") for node in calls_in(function)]
        assert calls.count("pause") == (function.name in ("increment", "append"))


def calls_in(function):
    return [node for node in ast.walk(function) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("idiom", GALLERY)
def test_an_idiom_says_where_it_is_from_and_what_to_write_instead(idiom):
    said = facts(idiom)
    assert said.title
    assert list(said.lines) == [label for label in LABELS if label in said.lines]
    assert {"Lives in", "Guard", "Loses", "Survives", "Seen in"} <= set(said.lines)
    assert said.lines.get("Needs", "Redis") in ("Redis", "PostgreSQL")
    line = said.lines.get("Instead", "")
    assert re.fullmatch(r"|\w+|\w+ on two machines|\w+, or \w+ on two machines", line)
    assert {said.instead(), said.instead(machines=2)} <= {None, *VARIANTS, *GALLERY}
    assert not any(map(ast.get_docstring, functions(idiom)))


@pytest.fixture(scope="session")
def database_url(tmp_path_factory):
    with postgres_server(tmp_path_factory.mktemp("postgres") / "log") as url:
        yield url


@pytest.fixture
def stack():
    with ExitStack() as stack:
        yield stack


# gunicorn itself keeps the stash: what is seen of it is seen under gunicorn
@pytest.fixture(params=[idiom for idiom in GALLERY if idiom != "gunicorn_stash"])
def client(request, tmp_path, monkeypatch, redis_url, stack):
    said = facts(request.param)
    used = {name.split(".")[0] for name in imported(request.param)}
    if "variants.gallery.models" in imported(request.param):
        used.add("sqlalchemy")
    for package in used & PACKAGES:
        pytest.importorskip(package, reason=f"no {package}: make .venv/gallery installs it")
    monkeypatch.setenv("SQLITE_PATH", str(tmp_path / "state.sqlite3"))
    monkeypatch.setenv("STATE_PATH", str(tmp_path / "state"))
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("REDIS_PREFIX", f"{tmp_path}:")
    if said.lines.get("Needs") == "PostgreSQL":
        url = stack.enter_context(schema(request.getfixturevalue("database_url")))
        monkeypatch.setenv("DATABASE_URL", url)
    # it looks for this when it is imported, and its counters are one set for a process
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR")
    for name in list(sys.modules):
        if name.startswith(("prometheus_client", "variants.gallery.")):
            monkeypatch.delitem(sys.modules, name)
    app = create_app(request.param)
    if request.param == "manager":
        # or its process would keep open whatever this one has open
        stack.callback(sys.modules["variants.gallery.manager"].manager.shutdown)
    return app.test_client()


def imported(idiom):
    for node in ast.walk(source(idiom)):
        if isinstance(node, ast.ImportFrom):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def ask(client, path):
    reply = client.get(path) if path == "/read" else client.post(path)
    assert reply.status_code == 200
    return reply.json


def test_one_request_after_another_counts_and_keeps_the_order(client):
    assert client.get("/read").json == 0
    assert client.get("/items").json == []
    assert [ask(client, path) for path in WALK] == [0, 1, 2, 2, 3, 0, 0]
    positions = [client.post("/append", json={"item": item}).json for item in ITEMS]
    assert positions == [1, 2, 3, 4, 5]
    assert client.get("/items").json == ITEMS
    assert ask(client, "/create") == 0
    assert client.get("/items").json == []
    assert client.post("/append", json={"item": "x"}).json == 1


# a label of Prometheus has one value
ONCE = {"prometheus_counter", "prometheus_multiprocess"}


def test_an_item_that_comes_twice_is_there_twice_where_its_idiom_does_not_say_otherwise(
    client, request
):
    idiom = request.node.callspec.params["client"]
    positions = [client.post("/append", json={"item": item}).json for item in "xyx"]
    assert (positions, client.get("/items").json) == (
        ([1, 2, 2], ["y", "x"]) if idiom in ONCE else ([1, 2, 3], ["x", "y", "x"])
    )
    assert (idiom in ONCE) == ("An item that comes twice is there once" in loses(idiom))


def loses(idiom):
    return facts(idiom).lines["Loses"]


@pytest.mark.parametrize("client", ["session_cookie"], indirect=True)
def test_of_two_requests_of_one_client_that_overlap_the_last_cookie_undoes_the_other(client):
    client.post("/create")
    brought = client.get_cookie("session").value
    told = []
    for _ in range(2):
        client.set_cookie("session", brought)
        told.append(client.post("/increment").json)
    assert (told, client.get("/read").json) == ([1, 1], 1)


def play(app, idiom, order, monkeypatch):
    """Return the answers of A and B whose increments take turns in this order, and the count."""
    turn = {name: threading.Semaphore(0) for name in "AB"}
    over: queue.SimpleQueue[str] = queue.SimpleQueue()
    here = threading.local()
    told = {}

    def pause():
        over.put(here.name)
        turn[here.name].acquire()

    def increment(name):
        here.name = name
        turn[name].acquire()
        told[name] = app.test_client().post("/increment").json
        over.put(name)

    app.test_client().post("/create")
    monkeypatch.setattr(sys.modules[f"variants.gallery.{idiom}"], "pause", pause)
    with ThreadPoolExecutor(2) as pool:
        for name in "AB":
            pool.submit(increment, name)
        for name in order:
            turn[name].release()
            assert over.get(timeout=30) == name
    return [told["A"], told["B"], app.test_client().get("/read").json]


@pytest.mark.parametrize("client", schedules.EXPLORED, indirect=True)
def test_of_the_six_orders_of_two_increments_those_that_overlap_go_wrong(
    client, request, monkeypatch
):
    idiom = request.node.callspec.params["client"]
    wrong = [1, 1, 1] if schedules.EXPLORED[idiom] is schedules.TWO_READ_THE_SAME else [2, 2, 2]
    for order in ("ABAB", "ABBA", "BAAB", "BABA"):
        assert play(client.application, idiom, order, monkeypatch) == wrong
    assert play(client.application, idiom, "AABB", monkeypatch) == [1, 2, 2]
    assert play(client.application, idiom, "BBAA", monkeypatch) == [2, 1, 2]


@pytest.mark.parametrize("client", ["redis_lock_ttl"], indirect=True)
def test_who_stands_still_for_longer_than_a_lock_lasts_undoes_what_others_wrote(
    client, monkeypatch
):
    stands_still, may_go_on = threading.Event(), threading.Event()

    def pause():
        if threading.current_thread() is not threading.main_thread():
            stands_still.set()
            may_go_on.wait(30)

    def increment():
        return client.application.test_client().post("/increment").status_code

    monkeypatch.setattr(sys.modules["variants.gallery.redis_lock_ttl"], "pause", pause)
    client.post("/create")
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(increment)
        assert stands_still.wait(30)
        told = [client.post("/increment").json for _ in "BC"]
        may_go_on.set()
        assert late.result(30) == 500
    assert (told, client.get("/read").json) == ([1, 2], 1)


@pytest.mark.parametrize("client", ["lru_cache"], indirect=True)
def test_who_reads_while_a_copy_is_dropped_keeps_the_old_count(client, monkeypatch):
    ask = redis.Redis.get

    def get(self, key):
        seen = ask(self, key)
        assert client.application.test_client().post("/increment").json == 1
        return seen

    client.post("/create")
    with monkeypatch.context() as patch:
        patch.setattr(redis.Redis, "get", get)
        assert client.get("/read").json == 0
    assert client.get("/read").json == 0
    assert client.post("/increment").json == client.get("/read").json == 2


@contextmanager
def dead_after(steps):
    """Redis takes this many steps more, and then dies."""
    left = iter(range(steps))
    ask = redis.Redis.execute_command

    def execute_command(self, *args, **options):
        if next(left, None) is None:
            raise redis.ConnectionError
        return ask(self, *args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redis.Redis, "execute_command", execute_command)
        yield


FOR_EVER = -1


@pytest.mark.parametrize("client", ["redis_cache", "redis_lock_ttl"], indirect=True)
def test_wherever_its_store_dies_a_lock_is_not_kept_for_ever(client, redis_url):
    lock = f"{os.environ['REDIS_PREFIX']}lock"
    store = redis.Redis.from_url(redis_url)
    seen = set()
    for steps in range(8):
        with dead_after(steps):
            seen.add(client.post("/append", json={"item": "x"}).status_code)
        assert store.ttl(lock) != FOR_EVER, f"dead after {steps} steps"
        store.delete(lock)
    assert seen == {500, 200}


@pytest.mark.parametrize("client", ["redis_cache"], indirect=True)
def test_who_dies_in_the_add_of_a_cache_leaves_there_for_ever_what_was_to_expire(client, redis_url):
    with dead_after(1), pytest.raises(redis.ConnectionError):
        sys.modules["variants.gallery.redis_cache"].cache.add("lock", True, timeout=5)
    assert redis.Redis.from_url(redis_url).ttl(f"{os.environ['REDIS_PREFIX']}lock") == FOR_EVER


AMONG_GREENLETS = """
from gevent import monkey, spawn
monkey.patch_all()
from variants.gallery import {idiom} as idiom
def told(*names):
    return [getattr(idiom, name)() for name in names]
def at_once(*names):
    jobs = [spawn(told, name) for name in names]
    return [job.get()[0] for job in jobs]
print({asked})
"""


@pytest.mark.parametrize(
    ("idiom", "asked", "answer"),
    [
        ("shared_value", "at_once('increment', 'increment') + told('read')", [1, 1, 1]),
        (
            "thread_local",
            "spawn(told, 'increment').get() + at_once('read')",
            [1, 0],
        ),
    ],
)
def test_a_guard_of_threads_is_another_one_among_greenlets(idiom, asked, answer):
    pytest.importorskip("gevent")
    code = AMONG_GREENLETS.format(idiom=idiom, asked=asked)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == str(answer), done.stderr


def test_what_is_said_to_be_played_by_a_test_is_one_of_those_above():
    assert {*schedules.PLAYED} == {"lru_cache", "redis_lock_ttl", "shared_value", "thread_local"}


def test_each_way_in_which_an_idiom_must_go_wrong_on_one_machine_is_told_step_by_step():
    for each in trials(GALLERY, every=True):
        told = {order.fault for order in schedules.orders(each.variant)}
        if each.fault != "two-machines":
            assert expectation(each).must <= told, each.name
        # what may go wrong, and what does so on two machines, is told in one way at least
        assert told or not wrong(each), each.name


def test_nothing_is_told_of_what_does_not_go_wrong():
    every = trials(GALLERY, every=True)
    right = {each.variant for each in every}
    right -= {each.variant for each in every if expectation(each).expect != "holds"}
    assert right
    assert not [idiom for idiom in right if schedules.orders(idiom)]
