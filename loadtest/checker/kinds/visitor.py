"""Texts of visitors: the last one that a visitor's save acknowledged has to come back.

Each visitor has one register. Every text is saved once, so an answer says which save it read, and
the requests that hold one text (its save, and the loads that answered it) are neighbors in every
order that explains the answers. So are the loads that answered nothing, which come first. One
text's requests come before another's if any of them ended before any of the other's began; an
order exists exactly if no two texts come before each other (Gibbons and Korach, "Testing Shared
Memories", 1997).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from loadtest.checker.failures import Failure
from loadtest.checker.kind_verdict import KindVerdict, Limit, clean
from loadtest.checker.run import NEVER, Run
from loadtest.checker.words import number, quoted, sentence, where, who

OPS = ("save", "load")
LOOKED_AT = 200
"""Misses that are looked at closely, for a save that nothing overlapped."""


@dataclass(frozen=True)
class Visit:
    """A save that may have happened, or a load that was answered.

    `text` is what it wrote or read, None for nothing; `end` is NEVER if its outcome is unknown.
    """

    row: int
    op: str
    start: int
    end: int
    clock: str | None
    key: str
    text: str | None
    boot: str | None
    thread: int | None

    @property
    def saves(self) -> bool:
        """True for a save."""
        return self.op == "save"

    def before(self, other: Visit) -> bool:
        """Return True if this ended before the other began, on one clock."""
        return self.clock == other.clock and self.end < other.start

    def overlaps(self, other: Visit) -> bool:
        """Return True if neither is known to come before the other, on one clock."""
        return self.clock == other.clock and self.end >= other.start and other.end >= self.start


@dataclass(frozen=True)
class Miss:
    """A load that answered nothing, or an older text, and the acknowledged save that it missed."""

    save: Visit
    load: Visit


def check(run: Run, limit: Limit) -> KindVerdict:
    """Judge whether the last acknowledged text of each visitor comes back."""
    visits = _visits(run)
    wrote: dict[str | None, list[Visit]] = defaultdict(list)
    for visit in visits:
        if visit.saves:
            wrote[visit.text].append(visit)
    twice = {save.key for saves in wrote.values() if len(saves) > 1 for save in saves}
    visitors: dict[str, list[Visit]] = defaultdict(list)
    leaked: list[Visit] = []
    strange: list[Visit] = []
    for visit in visits:
        senders = wrote.get(visit.text, ())
        if visit.key in twice or any(save.key in twice for save in senders):
            continue
        if visit.saves or visit.text is None or any(save.key == visit.key for save in senders):
            visitors[visit.key].append(visit)
        else:
            (leaked if senders else strange).append(visit)
    misses = [miss for own in visitors.values() for miss in _misses(own)]
    unordered = next((pair for own in visitors.values() if (pair := contradiction(own))), ())
    loads = [visit for visit in visits if not visit.saves and visit.key not in twice]
    first: dict[tuple[str, str | None], int] = {}  # the end of a visitor's first save, by clock
    for save in _saves(visits):
        first.setdefault((save.key, save.clock), save.end)
    after = sum(first.get((load.key, load.clock), NEVER) < load.start for load in loads)
    cause = Cause(run, visits, misses)
    failures = cause.failures | ({Failure.LEAKS} if leaked else set())
    if leaked:
        evidence: tuple[Visit, ...] = (wrote[leaked[0].text][0], leaked[0])
        why = _leak(run, evidence, len(leaked), len(loads))
    elif misses:
        evidence = (cause.shown.save, cause.shown.load)
        why = _miss(run, evidence, len(misses), after) + cause.words
    elif strange:
        evidence = tuple(strange[:1])
        why = _strange(run, evidence, len(strange), len(loads))
    elif unordered:
        evidence = unordered
        why = _back(run, evidence)
    else:
        return clean("visitor", after, "load", _missing(run, visits, after, twice))
    return KindVerdict(
        kind="visitor",
        verdict="violated",
        why=sentence(why),
        failures=failures,
        evidence=run.operations(*sorted(visit.row for visit in evidence)),
        judged=len(loads),
        wrong=len(leaked) + len(strange) + len(misses) or 1,
    )


def _visits(run: Run) -> list[Visit]:
    """Return the saves that may have happened and the answered loads, in the order of their ends.

    The text of a load is null if nothing came back.
    """
    rows = run.rows.filter(
        ((pl.col("op") == "save") & (pl.col("outcome") != "fail"))
        | ((pl.col("op") == "load") & (pl.col("outcome") == "ok"))
    )
    ok = pl.col("outcome") == "ok"
    text = pl.when(op="save").then("item").otherwise(pl.col("answer").cast(pl.String))
    end = pl.when(ok).then("end").otherwise(NEVER)
    names = ("row", "op", "start", end.alias("end"), pl.col("clock").cast(pl.String))
    more = (pl.col("key").cast(pl.String), text.alias("text"), pl.col("boot").cast(pl.String))
    each = rows.select(*names, *more, "thread").sort("end", "row").collect()
    return [Visit(*row) for row in each.iter_rows()]


def contradiction(visits: Iterable[Visit]) -> tuple[Visit, ...]:
    """Return some of one visitor's requests that no order explains; none if there is an order.

    Of several clocks, each is looked at by itself: what others timed may have been at any time.
    """
    by_clock: dict[str | None, dict[str | None, list[Visit]]] = {}
    for visit in visits:
        texts = by_clock.setdefault(visit.clock, {})
        texts.setdefault(visit.text, []).append(visit)
    found = (_backward(texts) or _both_ways(texts) for texts in by_clock.values())
    return next((evidence for evidence in found if evidence), ())


def _backward(texts: dict[str | None, list[Visit]]) -> tuple[Visit, ...]:
    """Return a load that ended before its text was saved, and that save."""
    for visits in texts.values():
        save = next((visit for visit in visits if visit.saves), None)
        for visit in visits:
            if save is not None and visit.before(save):
                return visit, save
    return ()


def _both_ways(texts: dict[str | None, list[Visit]]) -> tuple[Visit, ...]:
    """Return requests with two texts, each of which comes before the other."""
    first = {text: min(visits, key=lambda visit: visit.end) for text, visits in texts.items()}
    last = {text: max(visits, key=lambda visit: visit.start) for text, visits in texts.items()}
    # nothing was there before any request began
    ended = {text: -NEVER if text is None else first[text].end for text in texts}
    order = sorted(texts, key=lambda text: ended[text])
    latest: list[str | None] = []  # of those that ended early, the one whose last begins last
    position = 0

    def begins(text: str | None) -> int:
        return last[text].start

    for text in sorted(texts, key=begins):
        while position < len(order) and ended[order[position]] < last[text].start:
            # of two that begin together, either meets the other in its own turn
            latest = [max(*latest, order[position], key=begins)] if latest else [order[position]]
            position += 1
        for other in latest:
            if other != text and ended[text] < last[other].start:
                ends = [first[each] for each in (other, text) if each is not None]
                return tuple(dict.fromkeys((*ends, last[text], last[other])))
    return ()


def _misses(visits: Sequence[Visit]) -> list[Miss]:
    """Return one visitor's loads that answered nothing, or an older text than was acknowledged."""
    saves = {visit.text: visit for visit in visits if visit.saves}
    newest: dict[str | None, list[Visit]] = defaultdict(list)  # by clock: begun last, of all ended
    for save in sorted(_saves(visits), key=lambda visit: visit.end):
        before = newest[save.clock][-1:]
        newest[save.clock].append(max([*before, save], key=lambda visit: visit.start))
    ends = {
        clock: sorted(save.end for save in _saves(visits) if save.clock == clock)
        for clock in newest
    }
    misses = []
    for load in visits:
        if load.saves or load.clock not in newest:
            continue
        ended = bisect_left(ends[load.clock], load.start)
        if not ended:
            continue
        save = newest[load.clock][ended - 1]
        if load.text is None or saves[load.text].before(save):
            misses.append(Miss(save, load))
    return misses


def _saves(visits: Iterable[Visit]) -> list[Visit]:
    """Return the acknowledged saves."""
    return [visit for visit in visits if visit.saves and visit.end != NEVER]


class Cause:
    """Why loads missed what their visitor saved, as far as the labels of the answers show it.

    A place that workers (or threads) keep apart never answers what another of them acknowledged.
    Where none ever did, while they answered their own, each has a copy, and one that missed what
    another had, which still answered later, is `divided`. What is missing where it was saved is
    gone: with another of the visitor's requests that overlapped the save (`loses`), or without
    (`forgets`).
    """

    def __init__(self, run: Run, visits: Sequence[Visit], misses: Sequence[Miss]) -> None:
        self.run, self.misses = run, misses
        self.failures: frozenset[Failure] = frozenset()
        self.words = ""
        if not misses:
            return
        self.shown = misses[0]
        self.own: dict[str, list[Visit]] = defaultdict(list)
        for visit in visits:
            self.own[visit.key].append(visit)
        saves = {(v.key, v.text): v for v in visits if v.saves}
        self.hits = [
            (saves[v.key, v.text], v) for v in visits if not v.saves and (v.key, v.text) in saves
        ]
        self.unlabelled = any(v.boot is None for v in visits if v.end != NEVER)
        if self.unlabelled:
            self._by_the_answers()
        else:
            self._by_the_labels()

    def _by_the_answers(self) -> None:
        """Without labels: a text that was there, then missing, then there again has copies."""
        seen: dict[tuple[str, str | None], list[Visit]] = defaultdict(list)
        for save, load in self.hits:
            seen[save.key, save.text].append(load)
        for miss in self.misses:
            loads = seen[miss.save.key, miss.save.text]
            if any(miss.load.before(load) for load in loads) and any(
                load.before(miss.load) for load in loads
            ):
                self.failures, self.shown = frozenset({Failure.DIVIDED}), miss
                self.words = "; it was there before and after, so there are several copies"
                return
        self.words = "; it is gone, or another copy has it (no answer says which worker it is from)"

    def _by_the_labels(self) -> None:
        boots, threads = _together(self.hits, by_thread=False), _together(self.hits, by_thread=True)
        # threads of one worker are told apart from workers only if some worker has several
        several = threads.apart and threads.labels > boots.labels
        kept = "thread" if several else "worker" if boots.apart else ""
        last = dict(self.run.boots.select("boot", "last").iter_rows())
        elsewhere = [
            miss
            for miss in self.misses
            if kept
            and _label(miss.save, kept == "thread") != _label(miss.load, kept == "thread")
            and last[miss.save.boot or ""] > miss.load.start
        ]
        if elsewhere:
            self.failures, self.shown = frozenset({Failure.DIVIDED}), elsewhere[0]
            answered = {
                _label(v, kept == "thread")
                for own in self.own.values()
                for v in own
                if v.end != NEVER
            }
            self.words = f"; each of {len(answered):,} {kept}s answers from a copy of its own"
        gone = [miss for miss in self.misses if self._is_gone(miss, kept, boots.shared)]
        # each is compared with all that its visitor asked
        forgotten = [miss for miss in gone[:LOOKED_AT] if not self._overlapped(miss)]
        if gone and not elsewhere:
            self.shown = (forgotten or gone)[0]
        if gone:
            failure = Failure.FORGETS if forgotten else Failure.LOSES
            self.failures |= {failure}
            overlapped = "another request of this visitor overlapped the save"
            self.words += "" if forgotten or elsewhere else f"; {overlapped}"

    def _is_gone(self, miss: Miss, kept: str, shared: bool) -> bool:
        """Return True if the text is certainly gone from where it was saved."""
        same = _label(miss.save, True) == _label(miss.load, True)
        if same or shared or (kept == "worker" and miss.save.boot == miss.load.boot):
            return True
        one = self.run.workers == 1 or miss.save.boot in self.run.gone
        return one and miss.save.boot != miss.load.boot

    def _overlapped(self, miss: Miss) -> bool:
        """Return True if another request of the visitor may have undone the save.

        It overlapped the save, and the text was never seen after both had ended.
        """
        others = [v for v in self.own[miss.save.key] if v is not miss.save]
        ends = [v.end for v in others if v.overlaps(miss.save) and v is not miss.load]
        seen = [v.start for v in others if v.text == miss.save.text and not v.saves]
        return bool(ends) and not any(start > max(ends) for start in seen)


@dataclass(frozen=True)
class Together:
    """Loads that found their text, by where it was saved.

    labels   how many workers, or threads, saved or answered a text that was found
    apart    each answered only what it had saved itself
    shared   some answered what another had saved
    """

    labels: int
    apart: bool
    shared: bool


def _together(hits: Sequence[tuple[Visit, Visit]], *, by_thread: bool) -> Together:
    pairs = [tuple(_label(each, by_thread) for each in pair) for pair in hits]
    shared = any(save != load for save, load in pairs)
    labels = len({label for pair in pairs for label in pair})
    return Together(labels, bool(pairs) and not shared, shared)


def _label(visit: Visit, by_thread: bool) -> tuple[str | None, int | None]:
    """Return the name of the worker start that answered, with the thread if that is asked for."""
    return visit.boot, visit.thread if by_thread else None


def _leak(run: Run, evidence: Sequence[Visit], leaks: int, loads: int) -> str:
    save, load = run.operations(*(visit.row for visit in evidence))
    return (
        f"{leaks:,} of {number(loads, 'load')} answered another visitor's text: {who(load)} asked "
        f"for visitor {quoted(load.key or '')} and was answered {quoted(load.answer or '')}, "
        f"which {who(save)} had saved for visitor {quoted(save.key or '')}{where(save, load)}"
    )


def _miss(run: Run, evidence: Sequence[Visit], misses: int, loads: int) -> str:
    save, load = run.operations(*(visit.row for visit in evidence))
    answer = "nothing" if load.answer is None else f"the older {quoted(load.answer)}"
    return (
        f"{misses:,} of {number(loads, 'load')} did not bring back the visitor's last text: "
        f"{who(save)} saved {quoted(save.item or '')}, and {who(load)} was answered {answer} "
        f"later{where(save, load)}"
    )


def _strange(run: Run, evidence: Sequence[Visit], strange: int, loads: int) -> str:
    (load,) = run.operations(*(visit.row for visit in evidence))
    return (
        f"{strange:,} of {number(loads, 'load')} answered a text that nobody saved: {who(load)} "
        f"was answered {quoted(load.answer or '')}{where(load)}"
    )


def _back(run: Run, evidence: Sequence[Visit]) -> str:
    operations = run.operations(*sorted(visit.row for visit in evidence))
    loads = [each for each in operations if each.op == "load"]
    answers = " and ".join("nothing" if o.answer is None else quoted(o.answer) for o in loads)
    return (
        f"no order of visitor {quoted(operations[0].key or '')}'s requests explains their answers "
        f"({answers}): a text came back after a newer one, or before it was saved"
    )


def _missing(run: Run, visits: Sequence[Visit], after: int, twice: set[str]) -> list[str]:
    """Return what answers with nothing wrong in them lack to show anything."""
    missing = []
    if twice:
        missing.append(f"visitor {quoted(min(twice))} has a text that was saved twice")
    if not after:
        missing.append("no text was asked for after its save had been acknowledged")
    if len({visit.key for visit in visits}) < 2:
        missing.append("there was only one visitor")
    if run.within:
        missing.append("the requests were timed by several clocks")
    return missing
