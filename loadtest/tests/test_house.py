"""Data flows one way: nothing imports from a later folder."""

import ast
import subprocess
import sys
from importlib.util import find_spec

import pytest

from loadtest import ROOT

ORDER = [
    "kinds",
    "signals",
    "errors",
    "trial",
    "history",
    "checker",
    "server",
    "client",
    "expected",
    "expected_kinds",
    "cell",
    "gallery",
    "shaken",
    "report",
    "bench",
    "commands",
]
# what locust runs stands apart: it is the load, and shows itself in locust's web UI
APART = {"locustfile", "__main__"}
MODULES = [
    path.relative_to(ROOT / "loadtest")
    for path in sorted((ROOT / "loadtest").rglob("*.py"))
    if "tests" not in path.parts
]


def rooms(path):
    """The rooms that a module imports from."""
    for node in ast.walk(ast.parse((ROOT / "loadtest" / path).read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module == "loadtest":
            names = [f"loadtest.{alias.name}" for alias in node.names if alias.name != "ROOT"]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("loadtest."))


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_nothing_imports_from_a_later_room(path):
    room = path.parts[0].removesuffix(".py")
    if room in APART or room == "__init__":
        return
    later = {
        other for other in rooms(path) if other in APART or ORDER.index(other) > ORDER.index(room)
    }
    assert not later


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_one_base_class_of_errors(path):
    """Whatever could not be run is a CouldNotRun, so that no list of errors is kept by hand."""
    tree = ast.parse((ROOT / "loadtest" / path).read_text(encoding="utf-8"))
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    own = {each.name for each in classes if "RuntimeError" in map(ast.unparse, each.bases)}
    assert own == ({"CouldNotRun"} if path.name == "errors.py" else set())


def test_checker_is_pure():
    """The checker imports nothing of the project but histories and kinds."""
    used = {room for path in MODULES if path.parts[0] == "checker" for room in rooms(path)}
    assert used <= {"checker", "history", "kinds"}


def test_serving_imports_no_polars():
    """Serving and recording import neither polars nor Altair."""
    modules = "loadtest.history.operation, loadtest.client.files, loadtest.server.running"
    script = f"import sys, {modules}; print({{'polars', 'altair'}} & set(sys.modules))"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_pictures_import_no_grammar():
    """A picture does not wait for a grammar that came with Jupyter."""
    assert find_spec("lark"), "what it is about is not here any more"
    script = "import sys, loadtest.report.pictures.charts; print('lark' in sys.modules)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
