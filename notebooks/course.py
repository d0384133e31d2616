"""Share helpers between the chapters, so that their cells hold only the lesson.

Importing this moves a notebook to the top of the repository: paths and imports are then those of a
terminal there. What is started here ends with the notebook, however that ends.
"""

import atexit
import difflib
import importlib
import itertools
import json
import os
import re
import sys
import textwrap
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl
from IPython import get_ipython
from IPython.display import Markdown

ROOT = Path(__file__).resolve().parent.parent
MINE = Path("results/mine")
os.chdir(ROOT)
MINE.mkdir(parents=True, exist_ok=True)
# the chapters' other modules, and a reader's own variants, which the servers need too
sys.path[:0] = [str(ROOT / "notebooks"), str(ROOT / MINE)]
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, (str(ROOT / MINE), os.environ.get("PYTHONPATH")))
)

from loadtest import history  # noqa: E402
from loadtest.cell import state_of_its_own  # noqa: E402
from loadtest.checker import KindVerdict, Verdict, judge  # noqa: E402
from loadtest.client.load import LoadError, apply  # noqa: E402
from loadtest.report.pictures import charts as charts  # noqa: E402
from loadtest.server.guardian import guarded  # noqa: E402
from loadtest.server.redis import RedisError, redis_server  # noqa: E402
from loadtest.server.running import Running, ServerError, launch, serve  # noqa: E402
from loadtest.trial import Load, Server, Trial, WorkerClass  # noqa: E402

FOLDER = Path("results/notebooks") / time.strftime(f"%Y-%m-%d_%H-%M-%S_{os.getpid()}")
GUESSES = Path("results/notebooks/guesses.json")

alt.renderers.enable("png", scale_factor=1)
pl.Config(tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True, tbl_rows=20)

running = ExitStack()
atexit.register(running.close)
numbers = itertools.count(1)


class Stop(Exception):
    """Ends a cell, and all that would run after it, with one line for the reader."""


@dataclass(frozen=True)
class Cell:
    trial: Trial
    history: pl.DataFrame
    verdict: Verdict


def cell(variant: str, workers: int, threads: int, **load: Any) -> Cell:
    """Serves a variant, loads it, and judges what was written down."""
    server = Server(workers, threads, load.pop("worker_class", "gthread"))
    trial = Trial(variant, server, Load(**load))
    path = folder() / f"{trial.slug}.jsonl"
    # gunicorn, in processes of its own, and beside it locust, in another
    log = path.with_suffix(".server.log")
    with launch(trial, log=log, env=state_of_its_own(path)) as gunicorn:
        # 16 clients, until half a second is over and 500 increments are acknowledged;
        # then everybody stops, and the audit reads every worker
        apply(trial.load, gunicorn, path)
    seen = history.read(path)
    return Cell(trial, seen, judge(seen, workers=workers))


def kind(cell: Cell, name: str) -> KindVerdict:
    """Return the verdict on one kind of state: "request", "visitor" or "claim"."""
    return next(verdict for verdict in cell.verdict.kinds if verdict.kind == name)


def folder() -> Path:
    """A new one, for what one cell writes."""
    path = FOLDER / str(next(numbers))
    path.mkdir(parents=True, exist_ok=True)
    return path


def increments(cell: Cell) -> pl.DataFrame:
    """The increments in the order of their answers, in ms since the first began."""
    rows = cell.history.filter(op="increment", phase="load").sort("end")
    since = ((pl.col("start", "end") - rows["start"].min()) / 1e6).round(1)
    return rows.with_columns(since).select(
        "client", pl.col("start", "end").name.suffix(" ms"), "value", "worker", "thread"
    )


def show(path: str, *functions: str) -> Markdown:
    """A file of the repository as it is now, or only these functions of it."""
    text = Path(path).read_text(encoding="utf-8")
    if functions:
        heads = tuple(f"def {name}(" for name in functions)
        blocks = text.split("\n\n\n")
        text = "\n\n\n".join(block for block in blocks if block.startswith(heads))
    return Markdown(f"`{path}`\n\n```python\n{text.strip()}\n```")


def tell(text: str, indent: str = "") -> None:
    """Prints it as lines of 80 columns."""
    print(textwrap.fill(text, 80, subsequent_indent=indent), flush=True)


@dataclass(frozen=True)
class Guess:
    question: str
    letter: str
    choices: dict[str, str]

    def was(self, letter: str) -> None:
        """Compares a guess with what was found. What was said first is what counts."""
        self.came_out(letter, f"{letter}: {self.choices[letter]}.")

    def came_out(self, answer: str, found: str) -> None:
        if reading():
            tell(f"It was {found}")
            return
        kept = guesses()
        said = kept.setdefault(self.question, {"said": self.letter, "was": answer})["said"]
        GUESSES.parent.mkdir(parents=True, exist_ok=True)
        GUESSES.write_text(json.dumps(kept, indent=1, ensure_ascii=False), encoding="utf-8")
        surprise = f"You said {said}: a surprise is worth more than a hit."
        tell(f"It was {found} {'You said so.' if said == answer else surprise}")


asked: dict[str, Guess] = {}


def predict(letter: str, question: str, **choices: str) -> Guess:
    """Commits to one of the choices. A wrong one is no error; none at all ends the cell."""
    print(question)
    for name, words in choices.items():
        print(f"{'→' if name == letter else ' '} {name}  {words}")
    asked[question] = Guess(question, letter, choices)
    if letter not in choices and not reading():
        raise Stop("\nPut a letter in place of the ? and run this cell again.")
    first = guesses().get(question, {}).get("said", letter)
    if first != letter and not reading():
        print(f"\nYou have seen the answer before: what you said then, {first}, is what counts.")
    return asked[question]


def reading() -> bool:
    """Return True while the read-only copy is made: a prediction then stops nobody."""
    return os.environ.get("COURSE") == "read"


def guesses() -> dict[str, dict[str, str]]:
    """Return the first answers to all questions, of all chapters.

    Delete the file to begin anew.
    """
    return json.loads(GUESSES.read_text(encoding="utf-8")) if GUESSES.exists() else {}


def score() -> None:
    """Count this chapter's predictions that came true, and those of all chapters so far."""
    if reading():
        print(f"{len(asked)} predictions, for whoever runs this")
        return
    kept = guesses()
    here = [kept[question] for question in asked if question in kept]
    print(f"{right(here)} of {len(asked)}")
    if len(kept) > len(here):
        print(f"With the other chapters: {right(kept.values())} of {len(kept)}")


def right(answers: Any) -> int:
    return sum(answer["said"] == answer["was"] for answer in answers)


def start(
    variant: str, workers: int, threads: int, worker_class: WorkerClass = "gthread", **env: str
) -> Running:
    """A server to try by hand, which runs until the notebook ends."""
    log = folder() / f"{variant}.server.log"
    trial = Trial(variant, Server(workers, threads, worker_class))
    return running.enter_context(serve(trial, log=log, env=state_of_its_own(log) | env))


def replaced(server: Running, worker: int) -> None:
    """Waits until that worker process has ended and another has taken its place."""
    deadline = time.monotonic() + 60
    while worker in (workers := server.workers()) or not workers:
        if time.monotonic() > deadline:
            raise Stop(f"worker {worker} has not been replaced in a minute; {server.log} says more")
        time.sleep(0.05)


def start_redis() -> str:
    """The URL of a Redis that runs until the notebook ends; servers started later use it."""
    os.environ["REDIS_URL"] = running.enter_context(redis_server(folder() / "redis.log"))
    return os.environ["REDIS_URL"]


def write(name: str, source: str) -> None:
    """Writes a variant to where servers, and `make check`, find it."""
    (MINE / f"{name}.py").write_text(source, encoding="utf-8")
    importlib.invalidate_caches()


def edited(variant: str, name: str, changes: dict[str, str]) -> str:
    """Writes the variant `name`: the real file of `variant`, but for these changes."""
    before = after = Path(f"variants/{variant}.py").read_text(encoding="utf-8")
    for old, new in changes.items():
        if old not in after:
            raise Stop(f'{variant} has no {old!r}; show("variants/{variant}.py") has what it has')
        after = after.replace(old, new)
    write(name, after)
    diff = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    print(f"{MINE}/{name}.py is variants/{variant}.py, but for\n")
    print("\n".join(line for line in diff if not line.startswith(("---", "+++", "@@"))))
    return name


def variant(name: str, source: str) -> None:
    """The cell magic %%variant NAME: writes the rest of the cell as a variant."""
    write(name.strip(), source)
    print(f"written to {MINE}/{name.strip()}.py")


def command(*words: str) -> int:
    """Runs a Python program as in a terminal and shows what it prints. Returns its exit status."""
    print("$ python", *words)
    log = folder() / "command.log"
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


def table(frame: pl.DataFrame) -> str:
    """As polars shows it, without the quotes, and the style, which a code host shows as text."""
    html = frame._repr_html_().replace("&quot;", "")
    return re.sub("<style>.*</style>\n", "", html, flags=re.DOTALL)


if shell := get_ipython():
    shell.register_magic_function(variant, "cell")
    shell.display_formatter.formatters["text/html"].for_type(pl.DataFrame, table)
    # one line for the reader, where there would be a traceback
    shell.set_custom_exc(
        (Stop, ServerError, LoadError, RedisError),
        lambda shell, kind, error, *_, **__: print(error, file=sys.stderr),
    )
