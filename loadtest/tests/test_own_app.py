"""Somebody's own app, judged as it is."""

import os
import re
import subprocess
import sys

import pytest
import requests

from loadtest import ROOT, cell
from loadtest.cell import first_look
from loadtest.checker import Failure
from loadtest.client.by_hand import understand
from loadtest.client.mapping import Unclear
from loadtest.server.guardian import guarded
from loadtest.server.interpreter import theirs
from loadtest.server.running import serve
from loadtest.server.servers import ADAPTERS
from loadtest.tests.locusts import answers, free_port
from loadtest.tests.waiting import wait_until
from loadtest.trial import AS_IT_RUNS, App, Server, Trial

pytestmark = pytest.mark.timeout(400)
SHOP = """
import os
import threading
import time

from flask import Flask, abort, jsonify, redirect, request, session

app = Flask(__name__)
app.secret_key = "shop"
hits = int(os.environ.get("HITS", 41))
lock = threading.Lock()


def add():
    global hits
    if os.environ.get("LOCKED"):
        with lock:
            return slowly()
    return slowly()


def slowly():
    global hits
    seen = hits
    time.sleep(0.001)
    hits = seen + 1
    return hits


@app.post("/hits")
def hit():
    return jsonify(data={"hits": add()})


@app.get("/hits")
def show():
    return jsonify(data={"hits": hits}, name="shop")


@app.post("/blind")
def blind():
    add()
    return "", 204


@app.post("/form")
def form():
    add()
    return redirect("/page")


@app.get("/page")
def page():
    return f"<h1>Shop</h1><p>viewed {hits:,} times</p>"


@app.get("/counted")
def counted():
    return str(add())


@app.post("/token")
def token():
    if request.headers.get("Authorization") != "Bearer s3cret":
        abort(401)
    return str(add())


@app.route("/login", methods=["GET", "POST"])
def login():
    session["who"] = "me"
    session["token"] = "t"
    return "<input name=csrf value=t>"


@app.post("/members")
def members():
    if "who" not in session:
        return redirect("/login?next=/members")
    if request.form.get("csrf") != session["token"]:
        abort(400, "The CSRF token is missing.")
    add()
    return redirect("/page")


@app.post("/five")
def five():
    global hits
    hits += 5
    return str(hits)


@app.post("/id")
def an_id():
    return str(add() + 100)


@app.post("/seven")
def seven():
    add()
    return "7"


@app.post("/nothing")
def nothing():
    return "", 204


@app.post("/broken")
def broken():
    raise KeyError("stock")


@app.get("/metrics")
def metrics():
    return f'hits_total{{method="POST"}} {hits - 41}.0' if hits > 41 else "# nothing yet"


@app.post("/buy")
def buy():
    return jsonify(stock=1001 - add())


@app.get("/stock")
def stock():
    return jsonify(stock=1001 - hits)


@app.get("/slash/")
def slash():
    return str(hits)
"""
COUNTER = """
def setup(http):
    http.get("/login")


def increment(http):
    token = http.get("/login").text.split("value=")[1][:1]
    http.post("/members", data={"csrf": token})


def read(http):
    return http.get("/hits").json()["data"]["hits"]
"""


@pytest.fixture
def shop(tmp_path):
    """A folder of somebody's with their app in it, which has counted to 41 already."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "shop.py").write_text(SHOP)
    return folder


@pytest.fixture
def check(tmp_path, shop):
    """make check for that app, in another folder."""

    def run(*arguments, command="check", **more):
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-m", "loadtest", command, "--chdir", shop, *arguments],
            cwd=tmp_path,
            env=environment | {"PYTHONPATH": str(ROOT), "COLUMNS": "80", "SHAKE": "0"} | more,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


def test_copies_in_an_unlabelled_app(check, shop):
    """Copies in each worker are found in an app that does not name its workers."""
    before = sorted(shop.rglob("*"))
    said = {"APP": "shop:app", "INCREMENT": "POST /hits", "READ": "GET /hits"}
    done = check(COUNT="data.hits", WORKERS="4", THREADS="1", **said)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "GET /hits answered 41, POST /hits answered 42 and 43: understood" in done.stderr
    assert re.search(r"shop:app\s+✗ 4 counters", done.stdout)
    assert "It is divided at 4×1" in done.stdout
    assert "variants/sqlite_row.py" in done.stdout
    assert sorted(shop.rglob("*")) == before, "nothing is written beside their app"


@pytest.fixture
def judge(shop, tmp_path, monkeypatch):
    """Judge that app: understood by hand, then loaded."""

    def run(server, locked=True, after_restart=False, **said):
        monkeypatch.setenv("LOCKED", "yes" if locked else "")
        app, understood = first_look(App("shop:app", **said, chdir=str(shop)), server, tmp_path)
        trial = Trial("shop:app", server, own=app, after_restart=after_restart)
        judged = cell.run(trial, tmp_path / str(locked))
        return judged, " ".join(understood)

    return run


VIEWED = r"/viewed ([\d,]+) times/"


def test_blind_app_with_a_loss(judge):
    """A blind app with a planted loss is red, and its locked form is green."""
    said = {"increment": "POST /blind", "read": "GET /page", "count": VIEWED}
    lost, understood = judge(Server(1, 8), locked=False, **said)
    assert (
        "POST /blind answered without a number twice, and GET /page then answered 43" in understood
    )
    assert lost.verdict.lost > 0
    assert lost.before == (41,)
    assert not lost.as_expected
    whole, _ = judge(Server(1, 8), **said)
    assert whole.verdict.linearizable, str(whole.verdict)
    assert whole.verdict.blind == whole.verdict.acknowledged >= 500


def test_stock_goes_down(judge):
    """A count that goes down by one is understood as it stands, with an answer or without."""
    stock = {"increment": "POST /buy", "read": "GET /stock", "count": "stock"}
    judged, understood = judge(Server(1, 8), locked=False, **stock)
    assert "GET /stock answered 958, POST /buy answered 957 and 956: goes down by one" in understood
    assert judged.verdict.failures == {Failure.LOSES}
    assert judged.before == (960,)
    assert not judged.verdict.anomalies[0].name.startswith("over")
    judged, understood = judge(Server(1, 8), increment_count="none", **stock)
    assert "goes down by one: understood; the increment is blind" in understood
    assert judged.verdict.linearizable
    judged, understood = judge(Server(1, 8), **{**stock, "read": ""})
    assert "goes down by one: understood; it is read with increments" in understood
    assert judged.verdict.linearizable


def test_blind_app_is_divided(judge):
    """A locked blind app is divided as soon as it has workers."""
    form = {"increment": "POST /form", "read": "GET /page", "count": VIEWED}
    judged, understood = judge(Server(4, 1), **form)
    assert "POST /form answered with a redirect twice" in understood
    assert Failure.DIVIDED in judged.verdict.failures, str(judged.verdict)
    assert not judged.verdict.lost


def test_mapping_file_with_a_login(judge, tmp_path):
    """A mapping file logs in and posts a form with its token."""
    (tmp_path / "counter.py").write_text(COUNTER)
    judged, understood = judge(Server(1, 8), mapping=str(tmp_path / "counter.py"))
    assert "read(http) answered 41, increment(http) answered without a number" in understood
    assert judged.verdict.linearizable, str(judged.verdict)


def test_restart_forgets_memory(judge):
    """A count in memory is forgotten by a restart."""
    said = {"increment": "POST /blind", "read": "GET /page", "count": VIEWED}
    judged, _ = judge(Server(1, 8), after_restart=True, **said)
    assert judged.verdict.failures == {Failure.FORGETS}, str(judged.verdict)
    assert judged.verdict.forgotten == judged.verdict.acknowledged


def test_restart_seen_by_increments(judge):
    """Increments alone show the count that a restart forgets."""
    judged, _ = judge(Server(1, 1), after_restart=True, increment="GET /counted")
    assert judged.verdict.forgotten == judged.verdict.acknowledged, str(judged.verdict)


def test_get_that_counts(judge):
    """A GET that counts is read by its answers."""
    judged, understood = judge(Server(1, 8), increment="GET /counted")
    assert "GET /counted answered 42, then 43: understood" in understood
    assert judged.verdict.linearizable, str(judged.verdict)
    assert judged.verdict.audited == judged.verdict.acknowledged


def test_division_seen_by_increments(judge):
    """Increments alone show that workers have a count each."""
    judged, _ = judge(Server(3, 1), increment="GET /counted")
    assert judged.verdict.division.of == "worker", str(judged.verdict)
    assert len(judged.verdict.division.copies) == 3
    assert not judged.verdict.lost


def test_token_is_written_nowhere(judge, tmp_path):
    """A token opens the way and is written nowhere."""
    token = {"increment": "POST /token", "headers": "Authorization: Bearer s3cret"}
    judged, _ = judge(Server(1, 8), **token)
    assert judged.verdict.linearizable, str(judged.verdict)
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".py"]
    assert judged.history in written
    assert not [path for path in written if b"s3cret" in path.read_bytes()]


def test_running_server_is_sounded(shop, tmp_path):
    """A server that already runs is sounded, then loaded."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    server = [sys.executable, "-m", "gunicorn", "shop:app", "--bind", f"127.0.0.1:{port}"]
    server += ["--workers", "3", "--chdir", str(shop), "--no-control-socket"]
    with guarded(server, log=tmp_path / "log", env=theirs(ADAPTERS["gunicorn"])):
        wait_until(lambda: answers(f"{address}/hits"))
        app = App(address, "POST /hits", "GET /hits", "data.hits")
        app, understood = first_look(app, AS_IT_RUNS, tmp_path)
        judged = cell.run(Trial(address, AS_IT_RUNS, own=app), tmp_path)
        assert requests.get(f"{address}/hits", timeout=5).ok, "it is left running"
    assert re.match(r"At least [123] cop", understood[1])
    assert judged.verdict.violated
    assert not judged.verdict.lost, "nobody can tell"


def test_absent_metric_is_zero(judge):
    """A metric that is not there yet is 0 in every worker."""
    metric = {"read": "GET /metrics", "count": r'/^hits_total\{method="POST"\} (\S+)/'}
    judged, understood = judge(Server(3, 1), increment="POST /blind", **metric)
    assert "GET /metrics answered nothing yet, POST /blind answered without a number" in understood
    assert judged.before == (0, 0, 0)
    assert len(judged.verdict.division.copies) == 3, str(judged.verdict)
    assert not judged.verdict.lost


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Serve that app by one worker with one thread."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "shop.py").write_text(SHOP)
    alone = Trial("shop:app", Server(1, 1), own=App("shop:app", chdir=str(folder)))
    with serve(alone, log=folder / "log") as running:
        yield running.url


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"increment": "POST /nope"}, "POST /nope answered 404 '<!doctype html>"),
        ({"increment": "GET /blind"}, "it takes other methods: "),
        ({"increment": "POST /members"}, "leads to /login; ask there, or if it asks for a login"),
        ({"increment": "POST /token"}, "give HEADERS='Authorization: …'"),
        ({"increment": "POST /broken"}, "POST /broken answered 500 '<!doctype html>"),
        ({"increment": "POST /five"}, " after POST /five was sent twice: each has to add 1"),
        (
            {"increment": "POST /id", "read": "GET /slash/", "count": ""},
            " is not the count; say where it is with INCREMENT_COUNT",
        ),
        ({"increment": "POST /nothing"}, " before and after it: is it the same count?"),
        ({"read": "GET /slash"}, "it wants a slash at the end: 'GET /slash/'"),
        ({"read": "GET /counted", "count": ""}, "give it as INCREMENT and leave READ out"),
        (
            {"read": "", "increment": "POST /seven", "count": ""},
            "7 four times: is COUNT the count?",
        ),
        ({"count": "data.visits"}, "COUNT='data.visits' finds no whole number there; write"),
        (
            {"read": "GET /metrics", "count": r"/^hits (\d+)/", "increment": "POST /blind"},
            r"COUNT='/^hits (\\d+)/' finds no whole number there; write",
        ),
        ({"count": "name"}, "COUNT='name' finds no whole number there but 'shop'; write"),
        ({"read": "GET /page"}, "GET /page answered 200 '<h1>Shop</h1><p>viewed "),
    ],
)
def test_unclear_answer_says_what_to_try(served, said, told):
    """An unclear answer is reported with what to try."""
    asked = {"increment": "POST /hits", "read": "GET /hits", "count": "data.hits"} | said
    with pytest.raises(Unclear) as error:
        understand(App("shop:app", **asked), served)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_failing_app_shows_its_log(shop, tmp_path):
    """A failing app is reported with the reason in its log."""
    app = App("shop:app", "POST /broken", "GET /hits", "data.hits", chdir=str(shop))
    with pytest.raises(Unclear, match=r"its log says why: \S+\.log \(KeyError: 'stock'\)"):
        first_look(app, Server(1, 1), tmp_path)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--app", "shop:app"), "INCREMENT is missing"),
        (("--app", "nowhere:app", "--increment", "POST /hits"), "No module named 'nowhere'"),
        (("--app", "shop:nothing", "--increment", "POST /hits"), "nothing"),
        (("--app", "shop", "--increment", "POST /"), "its name follows a colon, shop:app or"),
        (("--app", "shop.py", "--increment", "POST /"), "write MODULE:NAME, such as shop:app"),
        (("--app", "shop:hit", "--increment", "POST /"), "makes an app; write shop:hit()"),
        (
            ("--app", "shop:app", "--server-python", sys.prefix, "--increment", "POST /"),
            f"is a folder; write {sys.prefix}/bin/python",
        ),
        (("--app", "shop:app", "--increment", "/hits"), "write its method and path: 'POST /hits'"),
        (("--url", "http://example.org", "--increment", "POST /"), "CONFIRM_HOST=example.org"),
        (("--url", "http://127.0.0.1:1", "--increment", "POST /"), "nothing answers at URL="),
        (("--url", "127.0.0.1", "--increment", "POST /"), "is no address"),
        (("--app", "shop:app", "--server-python", "nope", "--increment", "POST /"), "nope is no"),
        (("--app", "shop:app", "--url", "http://127.0.0.1:1"), "give one of them"),
    ],
)
def test_impossible_check_is_status_2(check, arguments, told):
    """A check that cannot be run is one line with status 2."""
    done = check(*arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert told in line


COUPON = """
import threading

from flask import Flask, jsonify

app = Flask(__name__)
lock = threading.Lock()
used = 0


@app.post("/redeem")
def redeem():
    global used
    with lock:
        if used == 40:
            return jsonify(error="used up"), 410
        used += 1
        return jsonify(ok=True)


@app.get("/code")
def code():
    return jsonify(redeemed=used)
"""


def test_limit_on_purpose_is_green(tmp_path):
    """An app that answers 410 after 40 redemptions is right, and the 4xx are mentioned."""
    (tmp_path / "coupon.py").write_text(COUPON)
    options = ["--app", "coupon:app", "--workers", "1", "--threads", "8"]
    options += ["--increment", "POST /redeem", "--read", "GET /code", "--count", "redeemed"]
    done = subprocess.run(
        [sys.executable, "-m", "loadtest", "check", *options],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "SHAKE": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    text = " ".join(done.stdout.split())
    assert re.search(r"answered 4xx \([\d,]+ × 410\)\. That is an answer, not a failure\.", text)


BREAKS = """
from flask import Flask

app = Flask(__name__)
count = 0


@app.post("/hits")
def hit():
    global count
    count += 1
    if count > 40:
        raise ValueError("half written")
    return str(count)


@app.get("/hits")
def show():
    if count > 40:
        raise ValueError("half written")
    return str(count)
"""
INVOICES = """
import time

from flask import Flask

app = Flask(__name__)
numbers = [0]


@app.post("/invoices")
def invoice():
    number = max(numbers) + 1
    time.sleep(0.002)
    numbers.append(number)
    return {"number": number}
"""
HALF = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    status = 200 if scope["method"] == "OPTIONS" else 500
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"oops"})
    if status == 500:
        raise ValueError("half written")
"""


@pytest.fixture
def checked(tmp_path):
    """Check an app of that source at 1×8 or 1×1; return the finished process."""

    def run(source, *options, threads=8):
        (tmp_path / "theirs.py").write_text(source)
        command = [sys.executable, "-m", "loadtest", "check", "--app", "theirs:app"]
        return subprocess.run(
            [*command, "--workers", "1", "--threads", str(threads), *options],
            cwd=tmp_path,
            env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
            | {"PYTHONPATH": str(ROOT), "COLUMNS": "2000", "SHAKE": "0"},
            capture_output=True,
            text=True,
            timeout=300,
        )

    run.folder = tmp_path
    return run


def test_store_that_breaks_for_good(checked):
    """A store that breaks is red, with its moment, the first failure and the cause in the log."""
    done = checked(BREAKS, "--increment", "POST /hits", "--read", "GET /hits")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(
        r"Broken since 0\.\d s: each of [\d,]+ requests after that failed", done.stdout
    )
    assert "The first failure: 500 " in done.stdout
    assert "server.log has the reason: ValueError: half written." in done.stdout
    assert "Nothing is wrong" not in done.stdout
    assert "refuses" in done.stderr


def test_invoices_are_all_there(checked):
    """A number given twice is not a lost increment where no request reads a total."""
    done = checked(INVOICES, "--increment", "POST /invoices", "--count", "number")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "✗ repeats" in done.stdout
    assert "No request reads a total, so nothing shows whether anything is gone." in done.stdout
    assert "lost" not in done.stdout


def test_log_of_a_failing_asgi_app(checked):
    """The error names the log of an ASGI app, and the traceback is in it."""
    said = ("--increment", "POST /hits", "--read", "GET /hits")
    done = checked(HALF, *said, threads=1)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "GET /hits answered 500 'oops'" in line
    log, reason = re.search(r"(results/\S+\.log) \((.*)\)", line).groups()
    assert reason == "ValueError: half written"
    assert "Traceback" in (checked.folder / log).read_text()
