"""Servers in another interpreter, and this project in an environment of its own."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from loadtest import ROOT, cell
from loadtest.server.interpreter import PythonError, environment, find, look
from loadtest.trial import App, Server, Trial

pytestmark = pytest.mark.timeout(400)
ASGI = """
hits = 0


async def app(scope, receive, send):
    global hits
    hits += scope.get("method") == "POST"
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": str(hits).encode()})
"""


def other_python():
    """An interpreter that is not ours, with pip."""
    for version in ("3.9", "3.10", "3.12", "3.13"):
        roots = [*Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]
        found = [*roots, *filter(None, [shutil.which(f"python{version}")])]
        if found and not sys.version.startswith(version):
            return str(found[0])
    pytest.skip("there is no other Python than ours")


def test_app_without_gunicorn(tmp_path):
    """An app's environment without gunicorn is lent one, and left as it was."""
    home = tmp_path / "theirs"
    venv.create(home / ".venv")
    (home / "shop.py").write_text(
        "import sys\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [sys.prefix.encode()]\n"
    )
    before = sorted(home.rglob("*"))
    python = str(home / ".venv" / "bin" / "python")
    found = look("shop:app", str(home), python, tmp_path)
    assert [lent.name for lent in found.lent] == ["gunicorn"]
    assert not found.asgi
    assert sorted(home.rglob("*")) == before


def test_an_asgi_app_gets_workers_of_its_kind(tmp_path):
    (tmp_path / "shop.py").write_text(ASGI)
    assert look("shop:app", str(tmp_path), "", tmp_path).asgi
    own = App("shop:app", "POST /", "GET /", chdir=str(tmp_path))
    done = cell.run(Trial("shop:app", Server(1, 1, "asgi"), own=own), tmp_path / "results")
    assert done.verdict.acknowledged >= 500
    assert not done.verdict.violated, str(done.verdict)


def test_bad_interpreter_in_one_line():
    """An unusable interpreter is reported in one line."""
    with pytest.raises(PythonError, match=r"^SERVER_PYTHON=nope is no interpreter; name one"):
        find("nope")


def test_variants_in_another_python(tmp_path, monkeypatch):
    """The variants run in another interpreter with an environment of its own."""
    python = other_python()
    monkeypatch.chdir(tmp_path)
    try:
        own = environment(python)
    except PythonError as error:
        pytest.skip(f"its packages could not be had: {error}")
    (version,) = re.findall(r"cpython-(3\.\d+\.\d+)", own)
    assert Path(own).is_relative_to(tmp_path / f".venv-cpython-{version}")
    assert version in subprocess.run([own, "-V"], capture_output=True, text=True).stdout
    assert environment(python) == own
    done = cell.run(Trial("locked_global", Server(1, 8, python=python)), tmp_path / "results")
    assert done.verdict.linearizable, str(done.verdict)
    log = (tmp_path / "results").glob("*.server.log")
    assert "Starting gunicorn" in next(log).read_text()


def test_installed_as_a_command(tmp_path):
    """The project can be installed, and is one command then."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling, which builds it, is not installed")
    venv.create(tmp_path / "own")
    python = tmp_path / "own" / "bin" / "python"
    packages = next((tmp_path / "own" / "lib").glob("python*")) / "site-packages"
    ours = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "ours.pth").write_text("\n".join(ours))
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("loadtest", "variants"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, tree)
    quietly = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation")
    command = [sys.executable, "-m", "pip", "--python", python, "install", *quietly, tree]
    subprocess.run(command, check=True, capture_output=True)
    shutil.rmtree(tree)
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [python.with_name("where-to-keep-state"), *["check", "locked_global", "--threads", "8"]],
        cwd=tmp_path,
        # which takes away the docstrings that are needed
        env=kept | {"PYTHONOPTIMIZE": "2"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything as expected" in done.stdout
    assert (tmp_path / "results" / "latest" / "report.html").exists()
