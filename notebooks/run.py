"""Runs the notebooks from top to bottom, each in a kernel of its own.

    python notebooks/run.py                 all of them
    python notebooks/run.py 2 5             these
    python notebooks/run.py --write 2       and keeps their outputs

To change a notebook, edit it in JupyterLab and then run it with --write: cell ids stay, nothing
else of the machine gets in, and what differs from before are its numbers.
"""

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

HERE = Path(__file__).resolve().parent
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def notebooks() -> list[Path]:
    return sorted(HERE.glob("[0-9]-*.ipynb"))


def run(notebook: NotebookNode, folder: Path = HERE, allow_errors: bool = False) -> NotebookNode:
    """Runs its cells in `folder`, as JupyterLab does. Raises CellExecutionError."""
    client = NotebookClient(
        notebook,
        timeout=180,
        allow_errors=allow_errors,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    return notebook


def main(*arguments: str) -> None:
    write = "--write" in arguments
    chosen = [word for word in arguments if word != "--write"]
    for path in notebooks():
        if chosen and path.name[0] not in chosen:
            continue
        began = time.monotonic()
        notebook = run(nbformat.read(path, as_version=4))
        if write:
            nbformat.write(notebook, path)
        print(f"{path.name}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
