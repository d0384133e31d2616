"""The idioms of the gallery: their shape, and what each does when one request follows another."""

import ast
import os
import queue
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec

import pytest
import redis

from loadtest.expected import expectation
from loadtest.gallery import trials, wrong
from loadtest.report.pictures import schedules
from loadtest.server.postgres import postgres_server, schema
from variants import VARIANTS
from variants.app import create_app
from variants.facts import GALLERY as FOLDER
from variants.facts import facts, kept, source
from variants.gallery import GALLERY
from variants.store import FUNCTIONS, KINDS

LABELS = ["Lives in", "Guard", "Answers", "Loses", "Sends", "Survives", "Needs", "Served"]
LABELS += ["Steps", "Seen in", "Instead"]
# PostgreSQL has no text with a NUL in it
ITEMS = ["x", "y" * 1000, "\N{PILE OF POO}", "\n", " "]
WALK = ["/create", "/increment", "/increment", "/read", "/increment", "/create", "/read"]


def functions(idiom):
    return [node for node in source(idiom).body if isinstance(node, ast.FunctionDef)]


def test_list_is_the_folder():
    """Every file with the functions of a kind is an idiom, and every idiom has its facts."""
    assert {path.stem for path in FOLDER.glob("*.py") if is_variant(path.stem)} == {*GALLERY}
    assert all(map(facts, GALLERY))


def is_variant(module):
    with suppress(ValueError):
        return bool(source(f"variants.gallery.{module}").body)
    return False


@pytest.mark.parametrize("idiom", GALLERY)
def test_contract_and_pauses(idiom):
    """An idiom ends with the functions of the kinds that it keeps, and pauses like the others."""
    needed = {"create", *(name for kind in kept(idiom) for name in KINDS[kind])}
    contract = functions(idiom)[-len(needed) :]
    assert [function.name for function in contract] == [n for n in FUNCTIONS if n in needed]
    for function in contract:
        calls = [getattr(node.func, "id", "") for node in calls_in(function)]
        assert calls.count("pause") == (function.name in ("increment", "append", "claim"))


def calls_in(function):
    return [node for node in ast.walk(function) if isinstance(node, ast.Call)]


@pytest.mark.parametrize("idiom", GALLERY)
def test_source_and_alternative(idiom):
    """An idiom names its source and its alternative."""
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
    for package in sorted(packages(request.param)):
        if find_spec(package) is None:
            pytest.skip(f"no {package}: make .venv/gallery installs it")
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


def packages(idiom):
    """Return the packages that an idiom needs, through the modules that it shares, too."""
    names = set(imported(source(idiom)))
    if "variants.gallery.models" in names:
        names |= set(imported(ast.parse((FOLDER / "models.py").read_text(encoding="utf-8"))))
    return {name.split(".")[0] for name in names}


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def ask(client, path):
    reply = client.get(path) if path == "/read" else client.post(path)
    assert reply.status_code == 200
    return reply.json


def test_one_request_after_another(client):
    """One request after another counts and keeps the order."""
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


def test_repeated_items(client, request):
    """An item that comes twice is there twice, unless its idiom says otherwise."""
    idiom = request.node.callspec.params["client"]
    positions = [client.post("/append", json={"item": item}).json for item in "xyx"]
    assert (positions, client.get("/items").json) == (
        ([1, 2, 2], ["y", "x"]) if idiom in ONCE else ([1, 2, 3], ["x", "y", "x"])
    )
    assert (idiom in ONCE) == ("An item that comes twice is there once" in loses(idiom))


def loses(idiom):
    return facts(idiom).lines["Loses"]


@pytest.mark.parametrize("client", ["session_cookie"], indirect=True)
def test_each_client_counts_in_its_cookie(client):
    """Two clients without a cookie both count up to 1, and a third reads 0."""
    clients = [client.application.test_client() for _ in "ABC"]
    assert [each.post("/increment").json for each in clients[:2]] == [1, 1]
    assert [each.get("/read").json for each in clients] == [1, 1, 0]


@pytest.mark.parametrize("client", ["session_cookie"], indirect=True)
def test_last_cookie_wins(client):
    """Of two overlapping requests of one client, the last cookie undoes the other."""
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


def known_as(kind):
    """Return the idioms of which some order is known in this way."""
    return [each for each in GALLERY if kind in {o.known for o in schedules.written(each)}]


@pytest.mark.parametrize("client", known_as("explored"), indirect=True)
def test_six_orders_of_two(client, request, monkeypatch):
    """Of the six orders of two increments, the overlapping ones go wrong."""
    idiom = request.node.callspec.params["client"]
    failure = schedules.written(idiom)[0].fault
    wrong = {"loses": [1, 1, 1], "answers late": [2, 2, 2]}
    for order in ("ABAB", "ABBA", "BAAB", "BABA"):
        answers = play(client.application, idiom, order, monkeypatch)
        if failure == "refuses":
            # the last to go on is the one that is refused
            assert "error" in answers.pop("AB".index(order[3]))
            assert answers == [1, 1]
        else:
            assert answers == wrong[failure]
    assert play(client.application, idiom, "AABB", monkeypatch) == [1, 2, 2]
    assert play(client.application, idiom, "BBAA", monkeypatch) == [2, 1, 2]


@pytest.mark.parametrize("client", ["redis_lock_ttl"], indirect=True)
def test_expired_lock_undoes_writes(client, monkeypatch):
    """A holder that stands still past its lock's life undoes the others' writes."""
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
def test_dropped_copy_keeps_old_count(client, monkeypatch):
    """A client that reads while a copy is dropped keeps the old count."""
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
def test_lock_of_a_dead_store(client, redis_url):
    """A lock is not kept for ever, wherever its store dies."""
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
def test_death_in_cache_add(client, redis_url):
    """A client that dies in a cache's `add` leaves an entry that never expires."""
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
def test_guard_among_greenlets(idiom, asked, answer):
    """A guard of threads is another guard among greenlets."""
    pytest.importorskip("gevent")
    code = AMONG_GREENLETS.format(idiom=idiom, asked=asked)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == str(answer), done.stderr


def test_played_orders_have_tests():
    """Each order marked as tested is played by a test above."""
    played = {"lru_cache", "redis_lock_ttl", "session_cookie", "shared_value", "thread_local"}
    assert {*known_as("tested")} == played


def test_failures_are_told_in_steps():
    """Each failure of an idiom on one machine is told step by step."""
    for each in trials(GALLERY, every=True):
        told = {order.fault for order in schedules.orders(each.variant)}
        if each.fault != "two-machines":
            assert expectation(each).must <= told, each.name
        # what may go wrong, and what does so on two machines, is told in one way at least
        assert told or not wrong(each), each.name


def test_right_idioms_have_no_steps():
    """No steps are told of what does not go wrong."""
    every = trials(GALLERY, every=True)
    right = {each.variant for each in every}
    right -= {each.variant for each in every if expectation(each).expect != "holds"}
    assert right
    assert not [idiom for idiom in right if schedules.orders(idiom)]
