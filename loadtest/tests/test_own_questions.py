"""Somebody's own app, asked about a limit, a request's own data and a visitor's text."""

import re

import pytest

from loadtest import ROOT, cell
from loadtest.cell import first_look
from loadtest.checker import Failure
from loadtest.client.described import described
from loadtest.client.mapping import Unclear
from loadtest.client.questions import FUNCTIONS
from loadtest.client.questions_by_hand import understand_questions
from loadtest.report import advice
from loadtest.server.running import serve
from loadtest.trial import App, Server, Trial

pytestmark = pytest.mark.timeout(400)
TOWN = """
import threading
import time
import uuid

from flask import Flask, abort, g, jsonify, redirect, request, session

app = Flask(__name__)
app.secret_key = "town"
current = {"user": ""}
jobs = {}
guests = []
lock = threading.Lock()
left = {"racy": 40, "exact": 40}
names = set()


@app.post("/racy")
def racy():
    seen = left["racy"]
    if not seen:
        abort(410)
    time.sleep(0.001)
    left["racy"] = seen - 1
    return "yours"


@app.post("/exact")
def exact():
    with lock:
        if not left["exact"]:
            abort(410)
        left["exact"] -= 1
        return "yours"


@app.post("/names")
def name():
    if request.json["name"] in names:
        abort(409)
    time.sleep(0.001)
    names.add(request.json["name"])
    return jsonify(created=True)


@app.get("/me")
def me():
    current["user"] = request.args["user"]
    time.sleep(0.001)
    return f"<p>Hello {current['user'].upper()}!</p>"


@app.post("/form")
def form():
    g.user = request.form["user"]
    time.sleep(0.001)
    return redirect(f"/users/{g.user}")


@app.put("/profile")
def write_profile():
    session["name"] = request.json["name"]
    return "", 204


@app.get("/profile")
def profile():
    return jsonify(name=session.get("name"))


@app.post("/jobs")
def start():
    job = uuid.uuid4().hex
    jobs[job] = "done"
    return jsonify(job_id=job)


@app.get("/jobs/<job>")
def status(job):
    return jsonify(status=jobs[job]) if job in jobs else abort(404)


@app.route("/guests", methods=["GET", "POST"])
def guest_book():
    if request.method == "POST":
        guests.append(request.form["name"])
    return jsonify(guests)


@app.route("/flag", methods=["GET", "POST"])
def flag():
    if request.method == "POST":
        current["on"] = True
    return jsonify(on=current.get("on", False))


@app.get("/nothing")
def nothing():
    return "Hello"


@app.post("/closed")
def closed():
    abort(410)
"""
PROFILE = {"write": 'PUT /profile {"name": "{token}"}', "read_back": "GET /profile"}
JOBS = {"write": "POST /jobs", "read_back": "GET /jobs/{id}", "id": "job_id"}


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A folder of somebody's with their app in it."""
    folder = tmp_path_factory.mktemp("theirs")
    (folder / "town.py").write_text(TOWN)
    return folder


@pytest.fixture(scope="module")
def served(town, tmp_path_factory):
    """Their app, served by one worker."""
    folder = tmp_path_factory.mktemp("served")
    alone = Trial("town:app", Server(1, 1), own=App("town:app", "POST /", chdir=str(town)))
    with serve(alone, log=folder / "log") as running:
        yield running.url


@pytest.fixture
def judge(town, tmp_path):
    """Judge their app: understood by hand, then loaded."""

    def run(server, **asked):
        app, understood = first_look(App("town:app", **asked, chdir=str(town)), server, tmp_path)
        judged = cell.run(Trial("town:app", server, own=app), tmp_path)
        (verdict,) = judged.verdict.kinds
        return judged, verdict, " ".join(understood)

    return run


def test_limit_that_is_checked_first_oversells(judge):
    """A limit that is checked, and then counted, sells more places than there are."""
    judged, verdict, understood = judge(Server(1, 8), claim="POST /racy", limit=40)
    assert understood.startswith("POST /racy answered 200, which takes a place: understood")
    assert judged.verdict.failures == {Failure.OVERSELLS}
    assert verdict.wrong > 0
    assert "may be claimed 40 times" in verdict.why


def test_limit_in_one_step_holds(judge):
    """A limit that is checked and counted in one step holds, and a 410 is an answer."""
    judged, verdict, _ = judge(Server(1, 8), claim="POST /exact", limit=40)
    assert (verdict.verdict, judged.as_expected) == ("holds", True)
    assert judged.verdict.refused == judged.verdict.unanswered == 0


def test_items_are_claimed_once_each(judge):
    """Each new item is claimed by several clients at once."""
    judged, verdict, _ = judge(Server(1, 8), claim='POST /names {"name": "{item}"}')
    assert judged.verdict.failures == {Failure.OVERSELLS}
    assert "items" in verdict.why


def test_global_leaks_between_requests(judge):
    """A user kept in a module global leaks to a request that overlaps, however it is spelled."""
    judged, verdict, understood = judge(Server(1, 8), echo="GET /me?user={token}")
    assert re.search(r"was sent zq\w+ and answered '<p>Hello zq\w+!</p>': understood", understood)
    assert judged.verdict.failures == {Failure.LEAKS}
    assert len(verdict.evidence) == 2


def test_redirect_is_an_echo(judge):
    """A token is recognized in the address of a redirect."""
    _, verdict, _ = judge(Server(1, 8), echo="POST /form user={token}")
    assert verdict.verdict == "holds"


def test_cookies_are_kept_by_visitor(judge):
    """Every client has cookies of its own, so a session gives back what its visitor wrote."""
    _, verdict, _ = judge(Server(4, 1), **PROFILE)
    assert verdict.verdict == "holds"


def test_jobs_in_a_global_are_divided(judge):
    """Jobs in a dict are divided: the other workers do not know the id."""
    judged, verdict, _ = judge(Server(4, 1), **JOBS)
    assert judged.verdict.failures == {Failure.DIVIDED}
    assert "each of 4 workers answers from a copy of its own" in verdict.why


FILE = """
def setup(http):
    http.get("/profile")


def claim(http, item):
    return http.post("/names", json={"name": item}).json()["created"]


def echo(http, token):
    return http.post("/form", data={"user": token}, allow_redirects=False)


def write(http, token):
    http.put("/profile", json={"name": token})


def read_back(http):
    return http.get("/profile").text
"""


def test_functions_of_a_file_are_asked(town, tmp_path):
    """The functions of a file ask several questions in one load."""
    path = tmp_path / "town_map.py"
    path.write_text(FILE)
    own = App("town:app", mapping=str(path), chdir=str(town))
    own, understood = first_look(own, Server(1, 8), tmp_path)
    assert [each.split()[0] for each in understood] == ["claim(http,", "echo(http,", "write(http,"]
    judged = cell.run(Trial("town:app", Server(1, 8), own=own), tmp_path)
    found = {each.kind: each.verdict for each in judged.verdict.kinds}
    assert found == {"claim": "violated", "request": "holds", "visitor": "holds"}


def test_check_of_a_flag_is_compared(town, tmp_path):
    """A flag that one worker keeps is not on in the others, which the topologies show."""
    path = tmp_path / "flag_map.py"
    path.write_text(
        "def check(http):\n    http.post('/flag')\n    return http.get('/flag').json()['on']\n"
    )
    own = App("town:app", mapping=str(path), chdir=str(town))
    servers = (Server(1, 1), Server(4, 1))
    own, understood = first_look(own, servers[0], tmp_path)
    assert understood == ["check(http) returned True: understood"]
    cells = [cell.run(Trial("town:app", server, own=own), tmp_path) for server in servers]
    alone, several = (each.verdict for each in cells)
    assert (alone.verdict, several.kinds[0].judged > 0) == ("holds", True)
    assert re.search(r"checks failed, first one of client \d+ at worker", several.why)
    assert advice.summary(cells).startswith("Checks that failed: none at 1×1, ")


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"claim": "POST /closed"}, "answered 410 '<!doctype html>"),
        ({"claim": "POST /closed"}, "nothing is left; begin with LIMIT places"),
        ({"claim": "POST /nope"}, "is the path right, and does this item exist?"),
        ({"claim": "GET /racy"}, "it takes other methods: "),
        ({"claim": "POST /form user=me"}, "it leads to /users/me; ask there, or a login"),
        ({"claim": "racy"}, "CLAIM='racy' is no request; write its method and path"),
        ({"echo": "GET /nothing?a={token}"}, "does not hold the token that was sent"),
        ({"echo": "GET /me?user=me"}, "sends no {token}; write 'GET /hello?name={token}'"),
        ({"echo": "POST /guests name={token}"}, "it holds what others sent as well, as a list"),
        ({"write": "POST /jobs"}, "READ_BACK is missing: give both, such as READ_BACK="),
        ({"read_back": "GET /jobs"}, "WRITE is missing: give both"),
        ({"write": "POST /jobs", "read_back": "GET /profile"}, "WRITE sends no {token} and READ_"),
        ({**JOBS, "id": "number"}, 'answered no number in \'{"job_id":'),
        (
            {"write": "POST /guests name={token}", "read_back": "GET /guests"},
            "answered what two visitors wrote: it is not about one visitor",
        ),
        ({**PROFILE, "read_back": "GET /nothing"}, "what was written is not there"),
        ({"claim": "POST /racy", "increment": "POST /x"}, "CLAIM is about something else than a"),
    ],
)
def test_unclear_question_says_what_to_try(served, asked, complaint):
    """An answer that is not understood by hand is one line, with what to try."""
    with pytest.raises(Unclear) as error:
        understand_questions(described(App("town:app", **asked)), served)
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("def claim(http, item): return 1", "claim(http) in map.py returned 1; it has to return"),
        ("def echo(http, token): return 1", "returned 1; it has to return the text of the answer"),
        ("def echo(http, token): return 1 / 0", "echo(http) in map.py: ZeroDivisionError"),
        ("def write(http, token): pass", "has one of write(http, token) and read_back(http)"),
        ("def claim(http, item): return False", "claim(http, item) sent no request"),
        ("def check(http): return False", "check(http) returned False 16 times while nobody"),
        ("def check(http): return 1", "returned 1; it has to return True or False"),
    ],
)
def test_unclear_function_says_what_to_try(served, tmp_path, text, complaint):
    """A function that does not do what it should is reported in one line."""
    path = tmp_path / "map.py"
    path.write_text(text)
    with pytest.raises(Unclear) as error:
        understand_questions(described(App("town:app", mapping=str(path))), served)
    assert complaint in str(error.value)


def test_guide_names_the_functions():
    """The functions that the guide shows are all that there are."""
    guide = (ROOT / "loadtest" / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- shop.py -->\n```python\n(.*?)```", guide, re.DOTALL)[1]
    assert re.findall(r"^def (\w+)", shown, re.MULTILINE) == list(FUNCTIONS)
