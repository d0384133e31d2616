"""The gallery: which trials it takes to tell its idioms apart, and the README that they fill."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from loadtest.cell import Cell
from loadtest.checker import Verdict
from loadtest.promises import promise
from loadtest.report.schedules import schedule
from loadtest.trial import Load, Server, Trial
from variants import VARIANTS
from variants.facts import GALLERY as FOLDER
from variants.facts import Facts, facts
from variants.gallery import GALLERY

README = FOLDER / "README.md"
LOAD = Load(users=12, seconds=0.3, increments=200)
SERVERS = (
    Server(1, 8),
    Server(4, 1),
    Server(4, 8, preload=True),
    Server(2, 1, worker_class="gevent"),
)
"""Threads of one worker; workers alone; both, and what they share when forked; greenlets."""
OUTLIVES = {
    "nothing": "nothing",
    "request": "a request",
    "worker": "a worker",
    "store": "its store",
    "machine": "the machine's restart",
}
INTRODUCTION = """# The gallery: what people really write

Each file here is one way to keep a count and a list, as it is found in tutorials, answers and
well-known projects; the wrong stand beside the right, same names, same order, so that
`make diff A=redis_get_set B=redis_key` is the cure. Nobody is mocked: each was written by somebody
who knew their trade, and each works until a second request comes.

    make gallery          all of them, under every server of the table (some minutes)
    make redis_get_set    one of them, under the four of the first lesson

The columns: one worker of 8 threads; 4 workers of one; 4 of 8, forked from a master that had
loaded the app (`--preload`); 2 workers of greenlets (`-k gevent`). Every cell was loaded by
{users} clients for {increments} increments or more, with {pause:g} ms between read and write. The
words are those of the [first page](../../README.md#what-each-word-means); the numbers are one run's
and change, the words do not: `make gallery` fails if they do. A cell that *may* refuse does so when
a request meets another at the wrong moment. – means that this server cannot serve it; the file says
why. A second machine was not tried: what lives in a worker or on a machine is divided there too.
"""
STORIES = "## How each goes wrong, and where it was seen"
LEFT_OUT = """## Left out

- Flask-Limiter in memory, Dash's shared storage: `simple_cache` and `redis_get_set` again, under
  other names.
- Memcached, MongoDB, DynamoDB and uWSGI behind cachelib: their `inc` is the one of
  `filesystem_cache`, and each would need a server of its own.
- gunicorn's dirty stash: `get`, then `put`, as in `redis_get_set`; it needs a third kind of process
  beside the workers.
- APScheduler in each worker: a job is no state; what is to be done once needs a process of its own.
"""


def trials(idioms: Iterable[str]) -> list[Trial]:
    """Each idiom under each server that can serve it."""
    return [
        Trial(idiom, server, LOAD)
        for idiom in idioms
        for server in SERVERS
        if served(idiom, server)
    ]


def served(idiom: str, server: Server) -> bool:
    return not said(idiom).lines.get("Served", "").startswith(f"not by {server.worker_class}")


def said(idiom: str) -> Facts:
    """What an idiom says of itself. Raises ValueError if it says nothing."""
    if (lines := facts(idiom)) is None:
        raise ValueError(f"{idiom} says nothing of itself")
    return lines


def promised(idiom: str, server: Server) -> str:
    """A cell's words, without its figure: they follow from what the idiom says of itself."""
    if not served(idiom, server):
        return "–"
    each = promise(Trial(idiom, server, LOAD))
    may = f"may {', '.join(sorted(fault.removesuffix('s') for fault in each.may))}"
    words = ["✗ " + ", ".join(sorted(each.must, reverse=True))] if each.must else ["✓"]
    return ", ".join(words + [may] * bool(each.may)).replace(
        "✓, may answers late", "✓, may be late"
    )


def figure(verdict: Verdict) -> str:
    """How much of it: the share that was lost, the copies, the answers that were late."""
    if verdict.lost:
        return f"{verdict.lost / max(verdict.acknowledged, 1):.0%} lost"
    if verdict.division and verdict.division.of in ("worker", "thread"):
        return f"{len(verdict.division.copies)} counts"
    if verdict.refuses:
        return f"{1 - verdict.availability:.0%} refused"
    if verdict.violated:
        return f"{verdict.anomalies[0].count:,} wrong answers"
    return f"0 in {verdict.acknowledged + verdict.appended:,}"


def readme(cells: Sequence[Cell]) -> str:
    """The README, from what was measured. Its words follow from the code alone."""
    verdicts = {(cell.trial.variant, cell.trial.server): cell.verdict for cell in cells}
    head = ["idiom", *map(str, SERVERS), "survives", "median, p99", "instead"]
    rows = [head, ["---"] * len(head)]
    for idiom in GALLERY:
        rows.append([f"[`{idiom}`]({idiom}.py)", *squares(idiom, verdicts), *rest(idiom, verdicts)])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    introduction = INTRODUCTION.format(
        users=LOAD.users, increments=LOAD.increments, pause=LOAD.pause_ms
    )
    stories = "\n".join(map(story, GALLERY))
    return f"{introduction}\n{table}\n\n{STORIES}\n\n{stories}\n{LEFT_OUT}"


def squares(idiom: str, verdicts: dict[tuple[str, Server], Verdict]) -> list[str]:
    return [
        promised(idiom, server)
        + (f"<br>{figure(verdict)}" if (verdict := verdicts.get((idiom, server))) else "")
        for server in SERVERS
    ]


def rest(idiom: str, verdicts: dict[tuple[str, Server], Verdict]) -> list[str]:
    """What it survives, what an increment cost at 1×8, and what to write instead."""
    verdict = verdicts.get((idiom, SERVERS[0]))
    times = [kind for kind in verdict.answered if kind.op == "increment"] if verdict else []
    cost = [f"{kind.median:.0f}, {kind.p99:.0f} ms" for kind in times if kind.median and kind.p99]
    instead = said(idiom).lines.get("Instead")
    return [OUTLIVES[said(idiom).survives], *(cost or ["–"]), link(instead) if instead else "this"]


def link(variant: str) -> str:
    return f"[`{variant}`]({'../' if variant in VARIANTS else ''}{variant}.py)"


def story(idiom: str) -> str:
    """An idiom in words: what it is, what it loses, step by step, and who shows it."""
    lines = said(idiom).lines
    text = f"**{idiom}**: {said(idiom).title[0].lower()}{said(idiom).title[1:]}. {lines['Guard']}"
    text += f" It loses {lines['Loses']}" if "Loses" in lines else ""
    steps = schedule(idiom)
    if steps:
        text += "\n\n" + "\n".join(f"    {step}" for step in steps) + "\n"
    seen = lines.get("Seen in")
    return text + (f"\nSeen in {seen}.\n" if seen else "\n")
