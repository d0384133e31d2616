"""The README of the gallery, filled from the trials of its idioms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loadtest.cell import Cell
from loadtest.checker import Failure, Verdict
from loadtest.checker.words import number
from loadtest.expected import expectation
from loadtest.gallery import BARE, COLUMNS, LOAD, idiom_facts, served, trial
from loadtest.kinds.counter import COUNTER
from loadtest.report.pictures.schedules import orders
from loadtest.trial import Trial
from variants import VARIANTS
from variants.facts import GALLERY as FOLDER
from variants.gallery import GALLERY

README = FOLDER / "README.md"
OUTLIVES = {
    "nothing": "nothing",
    "request": "a request",
    "worker": "a worker",
    "server": "the server's restart",
    "store": "its store's crash",
    "machine": "a power cut",
}
MAY = {Failure.LOSES: "lose", Failure.ANSWERS_LATE: "answer late"}
INTRODUCTION = """# The gallery: what people really write

Each file here is one way to keep a count and a list, as it is found in tutorials, answers and
well-known projects; the wrong stand beside the right, same names, same order, so that
`make diff A=redis_get_set B=redis_key` shows the fix. Nobody is mocked: each was written by
somebody who knew their trade, and works in one worker, for one visitor, one request at a time.

    make gallery          all of them, under the servers that tell them apart: three minutes
    make gallery EVERY=1  every cell of the table: a minute more
    make redis_get_set    one of them, under the four of the first lesson

In the three columns after 4×1, `make gallery` leaves out what by the rule goes wrong there just as
it does at 4×1. What holds is tried in them all the same, since any of them may break it.

The columns: one worker of 8 threads; 4 workers of one thread; 4 of 8 threads, forked from a master
that had loaded the app (`--preload`); 2 workers of greenlets (`-k gevent`); two servers that share
nothing but the network, 1×8 each; and 2 workers of one thread, of which one stands still for a
second, four times. Every cell was loaded by {users} clients for {increments} increments or more,
with {pause:g} ms between read and write. The numbers change from run to run; the words do not:
`make gallery` fails if they do in a cell that it runs.

- **✓**, **loses** and **divided** are explained on the [first
  page](../../README.md#what-each-word-means).
- **answers late**: {late}.
  Who reads an old copy is answered late, too.
- **refuses**: {refuses}.
- **may**: it depends on how requests happen to meet; one run shows it, and another does not. The
  lock that expires lost in one run of ten; a test plays the steps below, and loses each time.
- **–**: this server cannot serve it, and the file says why.
- An empty cell: by the rule a worker that stands still changes nothing here, so it was not tried.
- A cell without a number has not been measured since the last change.

What an increment cost was taken at 1×8: the median and the 99th percentile of the time to its
answer, and how many times those of the bare route they are, which is
[`plain_global`](../plain_global.py) in the same run. Several cells run at a time, so that these are
impressions and no benchmark. *Survives* is the worst that it outlives: the end of a worker, the
server's restart (gunicorn's), its store's crash (Redis keeps an append-only file here), or a power
cut; what outlives *a request* alone is gone with its worker. What stands under *instead* holds in
every cell in which the idiom does not; on two machines that may be another one.
"""
STORIES = """## How each goes wrong, and where it was seen

Whatever lives on one machine is divided between two, as `sqlite_returning` is below; what goes
wrong on one machine already does not repeat it. An idiom without steps goes wrong in no column."""
LEFT_OUT = """## Left out

- Flask-Limiter in memory, Dash's shared storage: `simple_cache` and `redis_get_set` again, under
  other names.
- Memcached, MongoDB, DynamoDB and uWSGI behind cachelib: their `inc` is the one of
  `filesystem_cache`, and each would need a server of its own.
- APScheduler in each worker: a job is no state; what is to be done once needs a process of its own.
"""


def expected_failures(each: Trial) -> str:
    """A cell's words, without its figure: they follow from what the idiom says of itself."""
    rule = expectation(each)
    if rule.must:
        return f"✗ {', '.join(sorted(rule.must, reverse=True))}"
    # the audit may read an old copy, which looks like a loss
    unlike = {Failure.LOSES} if idiom_facts(each.variant).answers == "cached" else set()
    may = [verb for fault, verb in MAY.items() if fault in rule.may - unlike]
    return f"may {' or '.join(may)}" if may else "✓"


def figure(verdict: Verdict) -> str:
    """Return the extent of a failure: the share lost, the copies, the late answers."""
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
        row += [square(idiom, column, verdicts) for column in COLUMNS]
        rows.append([*row, *rest(idiom, verdicts)])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    introduction = INTRODUCTION.format(
        users=LOAD.users,
        increments=LOAD.increments,
        pause=LOAD.pause_ms,
        late=Failure.ANSWERS_LATE.meaning,
        refuses=Failure.REFUSES.meaning,
    )
    stories = "\n".join(map(story, GALLERY))
    return f"{introduction}\n{table}\n\n{STORIES}\n\n{stories}\n{LEFT_OUT}"


def square(idiom: str, column: str, verdicts: Mapping[Trial, Verdict]) -> str:
    if (each := trial(idiom, column)) is None:
        return "" if served(idiom, COLUMNS[column][0]) else "–"
    verdict = verdicts.get(each)
    return expected_failures(each) + (f"<br>{figure(verdict)}" if verdict else "")


def rest(idiom: str, verdicts: Mapping[Trial, Verdict]) -> list[str]:
    """Return what an idiom survives, the time of an increment at 1×8, and the alternative."""
    first = trial(idiom, "1×8")
    own, bare = times(verdicts.get(first) if first else None), times(verdicts.get(BARE))
    ratios = [f"{one / other:.1f}×" for one, other in zip(own, bare, strict=False)]
    cost = [", ".join(f"{time:.0f}" for time in own) + " ms"] * bool(own)
    cost += [f"{' and '.join(ratios)} bare"] * bool(ratios)
    shown = "<br>".join(cost) or "–"
    survives = OUTLIVES[idiom_facts(idiom).survives]
    survives += ", if preloaded" * (
        idiom_facts(idiom).outlives(preload=False) != idiom_facts(idiom).survives
    )
    return [survives, shown, instead(idiom)]


def instead(idiom: str) -> str:
    """Return the alternative to an idiom, or that it may stay."""
    here, apart = (idiom_facts(idiom).instead(machines) for machines in (1, 2))
    words = link(here) if here else "keep it"
    return words + (f"; on two machines {link(apart)}" if apart and apart != here else "")


def times(verdict: Verdict | None) -> list[float]:
    """Median and 99th percentile of an increment, if they are known."""
    answered = verdict.answered if verdict else ()
    kinds = [kind for kind in answered if kind.op == COUNTER.write]
    return [time for kind in kinds for time in (kind.median, kind.p99) if time]


def link(variant: str) -> str:
    return f"[`{variant}`]({'../' if variant in VARIANTS else ''}{variant}.py)"


def story(idiom: str) -> str:
    """An idiom in words: what it is, what it loses, step by step, and who shows it."""
    lines = idiom_facts(idiom).lines
    title = idiom_facts(idiom).title
    text = f"**{idiom}**: {title[0].lower()}{title[1:]}."
    text += f" *Guard*: {lines['Guard']} *Loses*: {lines['Loses']}"
    for order in orders(idiom):
        text += f"\n\n{order.where}:" * bool(order.where)
        steps = (*order.steps, f"({order.evidence})")
        text += "\n\n" + "\n".join(f"    {step}" for step in steps)
    text += "\n" * bool(orders(idiom))
    seen = lines.get("Seen in")
    return text + (f"\nSeen in {seen}.\n" if seen else "\n")
