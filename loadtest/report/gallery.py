"""The gallery: which trials it takes to tell its idioms apart, and the README that they fill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from loadtest.cell import Cell
from loadtest.checker import Fault, Verdict
from loadtest.checker.words import number
from loadtest.promises import promise
from loadtest.report.schedules import schedule
from loadtest.trial import Load, Server, Trial
from variants import VARIANTS
from variants.facts import GALLERY as FOLDER
from variants.facts import Facts, facts
from variants.gallery import GALLERY

README = FOLDER / "README.md"
LOAD = Load(users=12, seconds=0.3, increments=200)
BARE = Trial("plain_global", Server(1, 8), LOAD)
"""The bare route: the same three steps, and nothing that keeps anybody out."""
Column = tuple[Server, str | None]
COLUMNS: dict[str, Column] = {
    "1×8": (Server(1, 8), None),
    "4×1": (Server(4, 1), None),
    "4×8 preload": (Server(4, 8, preload=True), None),
    "2×1 gevent": (Server(2, 1, worker_class="gevent"), None),
    "two machines": (Server(1, 8), "two-machines"),
}
"""Threads of one worker; workers alone; both, and what they share when forked; greenlets; and two
servers that share nothing but the network."""
OUTLIVES = {
    "nothing": "nothing",
    "request": "a request",
    "worker": "a worker",
    "server": "the server's restart",
    "store": "its store",
    "machine": "the machine's restart",
}
INTRODUCTION = """# The gallery: what people really write

Each file here is one way to keep a count and a list, as it is found in tutorials, answers and
well-known projects; the wrong stand beside the right, same names, same order, so that
`make diff A=redis_get_set B=redis_key` is the cure. Nobody is mocked: each was written by somebody
who knew their trade, and each works until a second request comes.

    make gallery          all of them, under every server of the table
    make redis_get_set    one of them, under the four of the first lesson

The columns: one worker of 8 threads; 4 workers of one; 4 of 8, forked from a master that had
loaded the app (`--preload`); 2 workers of greenlets (`-k gevent`); and two servers that share
nothing but the network, 1×8 each. Every cell was loaded by {users} clients for {increments}
increments or more, with {pause:g} ms between read and write. The words are those of the
[first page](../../README.md#what-each-word-means). The numbers change from run to run; the words
do not: `make gallery` fails if they do. – means that this server cannot serve it, and the file says
why; "may" means that it hangs on how requests happen to meet, and one run shows it and another
does not; a cell without a number has not been measured since the last change. What an increment
cost was taken at 1×8: the median and the 99th percentile of the time to its answer, and how many
times those of the bare route they are, which is [`plain_global`](../plain_global.py) in the same
run. Several cells run at a time, so that these are impressions and no benchmark.
"""
STORIES = "## How each goes wrong, and where it was seen"
LEFT_OUT = """## Left out

- Flask-Limiter in memory, Dash's shared storage: `simple_cache` and `redis_get_set` again, under
  other names.
- Memcached, MongoDB, DynamoDB and uWSGI behind cachelib: their `inc` is the one of
  `filesystem_cache`, and each would need a server of its own.
- APScheduler in each worker: a job is no state; what is to be done once needs a process of its own.
"""


def trials(idioms: Iterable[str]) -> list[Trial]:
    """Each idiom in each column that can serve it."""
    every = (trial(idiom, column) for idiom in idioms for column in COLUMNS)
    return [each for each in every if each]


def trial(idiom: str, column: str) -> Trial | None:
    """What stands in that column; None if the idiom cannot be served so."""
    server, fault = COLUMNS[column]
    if said(idiom).lines.get("Served", "").startswith(f"not by {server.worker_class}"):
        return None
    return Trial(idiom, server, LOAD, fault=fault)


def said(idiom: str) -> Facts:
    """What an idiom says of itself. Raises ValueError if it says nothing."""
    if (lines := facts(idiom)) is None:
        raise ValueError(f"{idiom} says nothing of itself")
    return lines


def promised(each: Trial | None) -> str:
    """A cell's words, without its figure: they follow from what the idiom says of itself."""
    if each is None:
        return "–"
    promise_ = promise(each)
    if not promise_.must:
        late = Fault.ANSWERS_LATE in promise_.may
        return "may answer late" if late else "✓"
    return f"✗ {', '.join(sorted(promise_.must, reverse=True))}"


def figure(verdict: Verdict) -> str:
    """How much of it: the share that was lost, the copies, the answers that were late."""
    if verdict.lost:
        return f"{verdict.lost / max(verdict.acknowledged, 1):.0%} lost"
    if verdict.division and verdict.division.of in ("worker", "thread", "client"):
        return f"{len(verdict.division.copies)} counts"
    if verdict.violated:
        return number(verdict.anomalies[0].count, "wrong answer")
    if verdict.refuses:
        return f"{1 - verdict.availability:.0%} refused"
    return f"0 in {verdict.acknowledged + verdict.appended:,}"


def readme(cells: Sequence[Cell]) -> str:
    """The README, from what was measured. Its words follow from the code alone."""
    verdicts = {cell.trial: cell.verdict for cell in cells}
    head = ["idiom", *COLUMNS, "survives", "cost", "instead"]
    rows = [head, ["---"] * len(head)]
    for idiom in GALLERY:
        row = [f"[`{idiom}`]({idiom}.py)"]
        row += [square(trial(idiom, column), verdicts) for column in COLUMNS]
        rows.append([*row, *rest(idiom, verdicts)])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    introduction = INTRODUCTION.format(
        users=LOAD.users, increments=LOAD.increments, pause=LOAD.pause_ms
    )
    stories = "\n".join(map(story, GALLERY))
    return f"{introduction}\n{table}\n\n{STORIES}\n\n{stories}\n{LEFT_OUT}"


def square(each: Trial | None, verdicts: Mapping[Trial, Verdict]) -> str:
    verdict = verdicts.get(each) if each else None
    return promised(each) + (f"<br>{figure(verdict)}" if verdict else "")


def rest(idiom: str, verdicts: Mapping[Trial, Verdict]) -> list[str]:
    """What it survives, what an increment cost at 1×8, and what to write instead."""
    first = trial(idiom, "1×8")
    own, bare = times(verdicts.get(first) if first else None), times(verdicts.get(BARE))
    ratios = [f"{one / other:.1f}×" for one, other in zip(own, bare, strict=False)]
    cost = [", ".join(f"{time:.0f}" for time in own) + " ms"] * bool(own)
    cost += [f"{' and '.join(ratios)} bare"] * bool(ratios)
    instead = said(idiom).lines.get("Instead")
    shown = "<br>".join(cost) or "–"
    survives = OUTLIVES[said(idiom).survives]
    survives += ", if preloaded" * (said(idiom).outlives(preload=False) != said(idiom).survives)
    return [survives, shown, link(instead) if instead else "this"]


def times(verdict: Verdict | None) -> list[float]:
    """Median and 99th percentile of an increment, if they are known."""
    answered = verdict.answered if verdict else ()
    kinds = [kind for kind in answered if kind.op == "increment"]
    return [time for kind in kinds for time in (kind.median, kind.p99) if time]


def link(variant: str) -> str:
    return f"[`{variant}`]({'../' if variant in VARIANTS else ''}{variant}.py)"


def story(idiom: str) -> str:
    """An idiom in words: what it is, what it loses, step by step, and who shows it."""
    lines = said(idiom).lines
    text = f"**{idiom}**: {said(idiom).title[0].lower()}{said(idiom).title[1:]}."
    text += f" *Guard*: {lines['Guard']} *Loses*: {lines['Loses']}"
    steps = schedule(idiom)
    if steps:
        text += "\n\n" + "\n".join(f"    {step}" for step in steps) + "\n"
    seen = lines.get("Seen in")
    return text + (f"\nSeen in {seen}.\n" if seen else "\n")
