"""The notebooks run, say what they said when they were written, and leave nothing behind."""

import re
import statistics
import time

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient.exceptions import CellExecutionError

from notebooks.run import HERE, METADATA, notebooks, run

ROOT = HERE.parent
SETUP = 'import sys\nsys.path += ["..", "notebooks"]\nimport course'
each = pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text(notebook):
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def printed(notebook):
    """Everything that its cells put out, pictures left out."""
    said = []
    for output in (output for cell in code(notebook) for output in cell.outputs):
        said.append(output.get("text", ""))
        said += [str(part) for kind, part in output.get("data", {}).items() if "image" not in kind]
    return "\n".join(said)


def test_there_are_six_and_the_readme_lists_them():
    assert [path.name[0] for path in notebooks()] == list("123456")
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    for path in notebooks():
        assert f"]({path.name})" in readme


@each
@pytest.mark.timeout(240)
def test_it_runs_and_leaves_nothing_behind(path, nothing_left):
    before = read(path)
    after = run(read(path))
    nothing_left()
    assert [cell.id for cell in after.cells] == [cell.id for cell in before.cells]
    kinds = [[output.output_type for output in cell.outputs] for cell in code(after)]
    assert kinds == [[output.output_type for output in cell.outputs] for cell in code(before)]
    # what differs from the outputs that are kept is numbers and what follows from them
    assert printed(after).count("not yet") == printed(before).count("not yet")


def test_the_exercises_are_not_solved_yet():
    assert printed(read(notebooks()[5])).count("not yet: ") == 4


@each
def test_its_outputs_are_kept_and_are_of_no_machine(path):
    notebook = read(path)
    assert [cell.execution_count for cell in code(notebook)] == [
        *range(1, len(code(notebook)) + 1)
    ], "run it from top to bottom: python notebooks/run.py --write"
    assert not re.search(r"/(home|root|tmp|usr|var|opt|work|Users)/|\.venv", printed(notebook))
    assert notebook.metadata == METADATA
    assert all(cell.metadata == {} for cell in notebook.cells)
    kinds = {
        kind for cell in code(notebook) for out in cell.outputs for kind in out.get("data", {})
    }
    assert kinds <= {"text/plain", "text/html", "text/markdown", "image/png"}
    assert "image/png" in kinds or path.name.startswith("6")


@each
def test_it_is_written_as_the_others(path):
    notebook = read(path)
    assert 20 <= len(notebook.cells) <= 35
    headings = re.findall(r"^#+ .*$", text(notebook), re.MULTILINE)
    assert headings[0].startswith("# ")
    assert [heading for heading in headings[1:] if not heading.endswith("?")] == []
    setup, *cells = (cell.source for cell in code(notebook))
    assert "sys.path +=" in setup
    own = [source.splitlines() for source in cells if not source.startswith("%%variant")]
    assert statistics.median(map(len, own)) <= 6
    assert max(map(len, own)) <= 20
    assert "import locust" not in "\n".join(cells)
    assert any("assert " in source for source in cells)
    if not path.name.startswith("6"):
        assert sum("predict(" in source for source in cells) >= 3


@each
def test_its_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#]+)", text(read(path))):
        assert (HERE / target).exists(), target


def test_it_may_be_started_from_the_top_of_the_repository(nothing_left):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SETUP)])
    run(notebook, ROOT)
    nothing_left()


IMPORTS = f"""{SETUP}
from pathlib import Path
from loadtest import cell
from loadtest.cell import Load
from loadtest.trial import Load, Server, Trial
folder = Path("results/notebooks/test")
"""
SERVERS = f"""{IMPORTS}
course.start("plain_global", 2, 2, folder)
course.start_redis(folder)
"""
LONG = {
    "a run": 'cell.run(Trial("plain_global", Server(1, 2), Load(seconds=600)), folder)',
    "a command": 'course.command("-m", "loadtest", "check", "plain_global", "--duration", "600")',
}


def test_a_cell_that_fails_leaves_nothing_behind(nothing_left):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SERVERS + "1 / 0")])
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        run(notebook)
    nothing_left()


@pytest.fixture
def kernel():
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(HERE))
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def wait_for_load(started):
    deadline = time.monotonic() + 60
    while not any("--headless" in process.cmdline() for process in started()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("what", LONG)
def test_an_interrupted_cell_leaves_nothing_behind(what, started, nothing_left, kernel):
    manager, client = kernel
    asked = client.execute(IMPORTS + LONG[what])
    wait_for_load(started)
    manager.interrupt_kernel()
    # answers to questions whether the kernel is ready may come before
    while (reply := client.get_shell_msg(timeout=60))["parent_header"]["msg_id"] != asked:
        continue
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    nothing_left(but=[manager.provisioner.process.pid])


@pytest.mark.parametrize("what", LONG)
def test_a_killed_kernel_leaves_nothing_behind(what, started, nothing_left, kernel):
    manager, client = kernel
    client.execute(SERVERS + LONG[what])
    wait_for_load(started)
    manager.provisioner.process.kill()
    nothing_left()
