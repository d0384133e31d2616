"""What the notebooks share, so that their cells hold only what a lesson is about.

Importing this moves a notebook to the top of the repository: paths and imports are then those of a
terminal there. What is started here ends with the notebook, however that ends.
"""

import atexit
import difflib
import importlib
import os
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import altair as alt
import polars as pl
from IPython.core.magic import register_cell_magic
from IPython.display import Markdown

ROOT = Path(__file__).resolve().parent.parent
MINE = Path("results/mine")
os.chdir(ROOT)
MINE.mkdir(parents=True, exist_ok=True)
sys.path[:0] = [str(ROOT), str(ROOT / "notebooks"), str(ROOT / MINE)]
# servers look for variants there too
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, (str(ROOT / MINE), os.environ.get("PYTHONPATH")))
)

from loadtest.cell import state_of_its_own  # noqa: E402
from loadtest.server.guardian import guarded  # noqa: E402
from loadtest.server.gunicorn import Running, serve  # noqa: E402
from loadtest.server.redis import redis_server  # noqa: E402
from loadtest.trial import Server, Trial  # noqa: E402

alt.renderers.enable("png", scale_factor=1.5)
pl.Config(tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True, tbl_rows=20)

running = ExitStack()
atexit.register(running.close)


def show(path: str, *functions: str) -> Markdown:
    """A file of the repository as it is now, or only these functions of it."""
    text = Path(path).read_text(encoding="utf-8")
    if functions:
        heads = tuple(f"def {name}(" for name in functions)
        blocks = text.split("\n\n\n")
        text = "\n\n\n".join(block for block in blocks if block.startswith(heads))
    return Markdown(f"`{path}`\n\n```python\n{text.strip()}\n```")


@dataclass(frozen=True)
class Guess:
    letter: str
    choices: dict[str, str]

    def was(self, letter: str) -> None:
        """Compares a guess with what was found."""
        print(f"It was {letter}: {self.choices[letter]}.", end=" ")
        if self.letter == letter:
            print("You said so.")
        elif self.letter in self.choices:
            print(f"You said {self.letter}: a surprise is worth more than a hit.")
        else:
            print("(You did not say.)")


def predict(letter: str, **choices: str) -> Guess:
    """Commits to one of the choices. A wrong one is no error."""
    for name, words in choices.items():
        print(f"{'→' if name == letter else ' '} {name}  {words}")
    if letter not in choices:
        print("\nPut a letter in place of the ? and run this cell again.")
    return Guess(letter, choices)


def start(variant: str, workers: int, threads: int, folder: Path) -> Running:
    """A server to try by hand, which runs until the notebook ends."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{variant}-by-hand.server.log"
    return running.enter_context(
        serve(Trial(variant, Server(workers, threads)), log=log, env=state_of_its_own(log))
    )


def start_redis(folder: Path) -> str:
    """The URL of a Redis that runs until the notebook ends; servers started later use it."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["REDIS_URL"] = running.enter_context(redis_server(folder / "redis.log"))
    return os.environ["REDIS_URL"]


def raw(history: pl.DataFrame) -> pl.DataFrame:
    """The operations of the load in the order of their answers, in ms since the first began."""
    load = history.filter(pl.col("op") != "create", phase="load").sort("end")
    since = ((pl.col("start", "end") - load["start"].min()) / 1e6).round(1)
    return load.with_columns(since).select(
        "client", "op", pl.col("start", "end").name.suffix(" ms"), "value", "worker", "thread"
    )


def write(name: str, source: str) -> None:
    """Writes a variant to where servers, and `make check`, find it."""
    (MINE / f"{name}.py").write_text(source, encoding="utf-8")
    importlib.invalidate_caches()


def edited(variant: str, name: str, changes: dict[str, str]) -> None:
    """Writes the variant `name`: the real file of `variant`, but for these changes."""
    before = after = Path(f"variants/{variant}.py").read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in after, f"{variant} has no {old!r}"
        after = after.replace(old, new)
    write(name, after)
    diff = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    print(f"{MINE}/{name}.py is variants/{variant}.py, but for\n")
    print("\n".join(line for line in diff if not line.startswith(("---", "+++", "@@"))))


@register_cell_magic
def variant(name: str, source: str) -> None:
    """The cell magic %%variant NAME: writes the rest of the cell as a variant."""
    write(name.strip(), source)
    print(f"written to {MINE}/{name.strip()}.py")


def command(*words: str) -> int:
    """Runs a Python program as in a terminal and shows what it prints. Returns its exit status."""
    print("$ python", *words)
    log = MINE / "command.log"
    plain = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    plain |= {"NO_COLOR": "1", "TERM": "dumb"}
    log.write_text("")
    program = [sys.executable, *words]
    with log.open(encoding="utf-8") as output, guarded(program, log=log, env=plain) as process:
        while process.poll() is None:
            print(output.read(), end="")
            time.sleep(0.05)
        print(output.read(), end="")
    return process.returncode
