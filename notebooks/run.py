"""Runs the notebooks from top to bottom, each in a kernel of its own.

    python notebooks/run.py                 all of them
    python notebooks/run.py 2 A             these
    python notebooks/run.py --render 2      and writes what they say to notebooks/rendered/

To change a notebook, edit it in JupyterLab, clear its outputs, and render it. The notebook is the
only source. It is kept without outputs, so that no answer is in sight of who has to predict it.
Nothing is predicted here: the notebooks run as for somebody who only reads.
"""

import os
import shutil
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import MarkdownExporter
from nbformat import NotebookNode

HERE = Path(__file__).resolve().parent
RENDERED = HERE / "rendered"
# the ladder and the quiz would be answers and nothing else
NO_COPY = "6Q"


def notebooks() -> list[Path]:
    """The chapters, then the appendices, then the quiz."""
    return sorted(HERE.glob("[0-9A-Z]-*.ipynb"))


def run(notebook: NotebookNode, folder: Path = HERE, allow_errors: bool = False) -> NotebookNode:
    """Runs its cells in `folder`, as JupyterLab does. Raises CellExecutionError."""
    client = NotebookClient(
        notebook,
        timeout=600,
        allow_errors=allow_errors,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return notebook


def render(notebook: NotebookNode, name: str) -> None:
    """Writes a notebook that has run as Markdown, with its pictures beside it."""
    pictures = RENDERED / name
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir(parents=True)
    text, made = MarkdownExporter().from_notebook_node(
        notebook, resources={"output_files_dir": name}
    )
    for path, data in made["outputs"].items():
        (RENDERED / path).write_bytes(data)
    first = f"*With outputs, for reading. To predict and run it: [{name}](../{name}.ipynb).*\n\n"
    # a semicolon keeps a notebook from showing a result, and says nothing here
    text = first + text.replace(".ipynb)", ".md)").replace(";\n```", "\n```")
    (RENDERED / f"{name}.md").write_text(text, encoding="utf-8")


def main(*arguments: str) -> None:
    os.environ["COURSE"] = "read"
    chosen = [word for word in arguments if word != "--render"]
    for path in notebooks():
        if chosen and path.name[0] not in chosen:
            continue
        if "--render" in arguments and path.name[0] in NO_COPY:
            continue
        began = time.monotonic()
        notebook = run(nbformat.read(path, as_version=4))
        if "--render" in arguments:
            render(notebook, path.stem)
        print(f"{path.name}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
