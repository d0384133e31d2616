"""Servers other than gunicorn, started for real, and what is refused of them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest import ROOT, cell, history
from loadtest.commands.server_options import Wanted
from loadtest.expected import expectation, impossible
from loadtest.expected_kinds import expectations
from loadtest.server import template
from loadtest.server.adapter import Start
from loadtest.server.interpreter import PythonError, prepare
from loadtest.server.servers import ADAPTERS, adapter_of, at_once, refusal
from loadtest.trial import App, Server, Trial
from variants import VARIANTS

pytestmark = pytest.mark.timeout(400)
FOLDER = Path(__file__).parents[2] / "server" / "servers"
OTHERS = [name for name in ADAPTERS if name != "gunicorn"]
LOCKED_BY_UWSGI = """
from pathlib import Path

import uwsgi

file = Path("hits")


def app(environ, start_response):
    uwsgi.lock()
    hits = int(file.read_text()) if file.exists() else 0
    if environ["REQUEST_METHOD"] == "POST":
        hits += 1
        file.write_text(str(hits))
    uwsgi.unlock()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(hits).encode()]
"""


def busiest(name):
    """Return a server with four workers, or else with eight threads, as far as it has them."""
    adapter = ADAPTERS[name]
    workers = 4 if adapter.processes else 1
    threads = 8 if adapter.pools and not adapter.processes else 1
    many = "gevent" if adapter.classes[0] == "gevent" else "gthread"
    return Server(workers, 1 if many == "gevent" else threads, many, name=name)


@pytest.fixture
def here(monkeypatch):
    """Servers are installed once, beside those of `make check`."""
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("name", [path.stem for path in FOLDER.glob("[a-z]*.py")])
def test_file_names_its_server(name):
    """The list of servers is the folder, and each server is named by its file."""
    assert ADAPTERS[name].name == name


def test_gunicorn_is_first():
    """gunicorn is the server unless another is named."""
    assert next(iter(ADAPTERS)) == adapter_of(Server(1, 1)).name == "gunicorn"


def test_unknown_server():
    """An unknown server is an error that names those that there are."""
    with pytest.raises(ValueError, match=r"^unknown server 'nope'; servers: gunicorn"):
        adapter_of(Server(1, 1, name="nope"))


@pytest.mark.parametrize("name", OTHERS)
def test_plain_global_under_server(name, tmp_path, here):
    """A module global under each server comes out as expected, and every worker is labelled."""
    server = busiest(name)
    try:
        prepare(server, tmp_path)
    except PythonError as error:
        pytest.skip(f"its packages could not be installed: {error}")
    done = cell.run(Trial("plain_global", server), tmp_path)
    assert done.as_expected, str(done.verdict)
    assert done.expectation.must
    operations = history.read(done.history)
    assert operations["worker"].n_unique() == operations["boot"].n_unique() == server.workers


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (Server(4, 1, name="waitress"), "waitress has one process"),
        (Server(1, 1, "sync", name="granian"), "granian has no workers of the class sync"),
        (Server(1, 8, "gthread", name="gevent"), "gevent.pywsgi has no workers of the class gthr"),
        (
            Server(4, 1, preload=True, name="uvicorn"),
            "uvicorn has no option to load the app before",
        ),
        (
            Server(1, 8, name="template", template="x {port} {app}"),
            "the server of SERVE has one th",
        ),
    ],
    ids=str,
)
def test_refused_topology(server, reason):
    """A topology that a server does not have is refused by name."""
    assert refusal(server).startswith(reason)


@pytest.mark.parametrize(
    ("server", "fault", "reason"),
    [
        (Server(1, 8, name="flask"), "reload", "flask run cannot replace its workers"),
        (Server(1, 8, name="waitress"), "kill-worker", "waitress starts no worker in place of"),
        (Server(4, 1, name="granian"), "recycle", "granian cannot replace a worker by itself"),
        (Server(4, 1, name="uwsgi"), "scale", "uWSGI cannot add a worker while it runs"),
        (Server(1, 8, name="uvicorn"), "reload", "uvicorn with one worker cannot replace"),
    ],
    ids=str,
)
def test_refused_fault(server, fault, reason):
    """A fault that a server cannot take is refused by name."""
    assert impossible(Trial("plain_global", server, fault=fault)).startswith(reason)


def test_faults_by_pid():
    """A fault that needs nothing but process ids is refused of no server."""
    for name in ADAPTERS:
        for fault in ("pause-worker", "restart", "two-machines"):
            assert not impossible(Trial("plain_global", busiest(name), fault=fault))


def test_topologies_left_out(capsys):
    """Topologies that a server lacks are left out, and the reason is reported."""
    found = Wanted(server_name="waitress").topologies()
    assert found == (Server(1, 1, name="waitress"), Server(1, 8, name="waitress"))
    assert capsys.readouterr().err == "left out 4×1, 4×8: waitress has one process\n"


def test_thread_per_request():
    """Under `flask run` one thread is one request at once, and more are as many as are sent."""
    assert at_once(Server(1, 1, name="flask")) == 1
    assert at_once(Server(1, 8, name="flask")) >= 1000
    assert at_once(Server(1, 8, name="waitress")) == 8


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x {port} {aps}", "SERVE has {aps}, which means nothing; there are {python} {workers}"),
        ("x {port}", "SERVE has no {app}, so nothing tells the server its app"),
        ("x {app}", "SERVE has no {port}, so nothing tells the server its port"),
        ("x '{app} {port}", "SERVE cannot be split into words: No closing quotation"),
    ],
)
def test_wrong_template(text, error):
    """A template that cannot be filled in is an error of one line."""
    with pytest.raises(ValueError, match=f"^{re.escape(error)}"):
        template.adapter(text)


def test_template_meets_no_shell():
    """A template is split before it is filled in, and no shell reads it."""
    text = "{python} -m 'a b' {app};rm --port={port} $HOME"
    start = Start(
        Server(1, 1), "/my python", app="m:app", target="", asgi=False, port=5, listener=0
    )
    words = ["/my python", "-m", "a b", "m:app;rm", "--port=5", "$HOME"]
    assert template.adapter(text).command(start) == words


def test_template_on_a_real_server(tmp_path):
    """A server that is described by its command serves, with labels on its replies."""
    text = "{python} -m gunicorn -b 127.0.0.1:{port} -w {workers} --threads {threads} {app}"
    server = Server(2, 1, name="template", template=text)
    done = cell.run(Trial("locked_global", server), tmp_path)
    assert done.as_expected, str(done.verdict)
    assert len(done.verdict.division.copies) == 2


def test_own_app_that_imports_uwsgi(tmp_path, here):
    """An app of one's own can import `uwsgi`, whose lock holds between its workers."""
    server = Server(4, 1, name="uwsgi")
    try:
        prepare(server, tmp_path)
    except PythonError as error:
        pytest.skip(f"its packages could not be installed: {error}")
    (tmp_path / "shop.py").write_text(LOCKED_BY_UWSGI)
    own = App("shop:app", "POST /", "GET /", chdir=str(tmp_path))
    done = cell.run(Trial("shop:app", server, own=own), tmp_path / "results")
    assert done.verdict.acknowledged >= 500
    assert done.as_expected, str(done.verdict)


@pytest.mark.parametrize("variant", VARIANTS)
def test_defaults_are_expected_as_numbers(variant):
    """A server as it comes is expected to behave as its own workers and threads have it."""
    for name in ADAPTERS:
        as_it_comes = Server(0, 0, ADAPTERS[name].classes[0], name=name)
        workers, threads = ADAPTERS[name].usual
        numbers = replace(as_it_comes, workers=workers, threads=threads)
        kinds = expectations(Trial(variant, as_it_comes))
        assert kinds == expectations(Trial(variant, numbers)), name
        assert expectation(Trial(variant, as_it_comes)) == expectation(Trial(variant, numbers))
