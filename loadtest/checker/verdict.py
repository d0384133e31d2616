"""A history → its verdict: what was lost, how the state is divided, and what proves it.

    judge(history) -> Verdict        history: a DataFrame of `history.read` or `history.frame`
    order(history) -> DataFrame      the certificate of a linearizable history

Pure: no files, no clock, nothing of the project but what a history is.
"""

from __future__ import annotations

import html
import textwrap
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import polars as pl

from loadtest.checker import anomalies, kinds, linearizability
from loadtest.checker.anomalies import Anomaly as Anomaly
from loadtest.checker.availability import Answered as Answered
from loadtest.checker.availability import answered, silence, unread
from loadtest.checker.division import Copy as Copy
from loadtest.checker.division import Division as Division
from loadtest.checker.division.evidence import highest
from loadtest.checker.failures import Failure as Failure
from loadtest.checker.kind_verdict import KindVerdict as KindVerdict
from loadtest.checker.kind_verdict import Limit
from loadtest.checker.run import Run, State
from loadtest.checker.words import both, quoted, timeline
from loadtest.checker.words import number as counted
from loadtest.checker.words import percent as percent
from loadtest.history import Operation
from loadtest.kinds.counter import COUNTER

UNDECIDED = "of several clocks one timed a create; what others timed may have come before it"
UNORDERED = (
    "several clocks have no common time, and unknown or blind writes may have happened at several "
    "places, so that nobody knows whether one order explains both the counter and the list"
)
EACH = "sequential consistency (of counter and list, each by itself)"
Word = Literal["linearizable", "holds", "violated", "inconclusive"]

SIGN: dict[Word, str] = {"linearizable": "✓", "holds": "✓", "violated": "✗", "inconclusive": "?"}
COLOR: dict[Word, str] = {
    "linearizable": "green",
    "holds": "green",
    "violated": "red",
    "inconclusive": "yellow",
}
EXIT_STATUS: dict[Word, int] = {"linearizable": 0, "holds": 0, "violated": 1, "inconclusive": 2}


@dataclass(frozen=True)
class Verdict:
    """The verdict on a history.

    verdict       on counter and list: linearizable · violated · inconclusive (nothing is wrong, but
                  it proves nothing); where neither was asked for, that on the other kinds: holds ·
                  violated · inconclusive
    why           one sentence
    anomalies     in the table's order, only those that there are
    division      what each copy of the state belongs to; None if that is not known
    operations    how many the run has; of its increments `acknowledged`, `unknown`, `failed`
    audited       what the audit read; None if the copies differ or there was no audit
    blind         acknowledged increments that were answered without the count
    lost          acknowledged increments that are certainly gone, summed over the copies
    forgotten     acknowledged by boots that are gone, and seen by no later reader
    not_audited   the labels of copies that acknowledged, and that no audit has reached
    appended      acknowledged appends
    guarantees    what still holds, by name; a guarantee that is not known is left out
    missing       what an inconclusive history would have needed
    bounds        of a clean run: 3/N for its N increments, and for its appends; the chance that one
                  goes wrong is less, with 95 % confidence, if it is the same for each and they are
                  independent (rule of three: Hanley & Lippman-Hand 1983)
    answered      of each kind of operation, how many were answered and in what time
    silence       the longest time, in milliseconds, in which none was
    late          nothing can be missing from the state, and yet answers say something else
    unread        how much the audit asked without an answer
    overlapped    another request overlapped an acknowledged write, and can have undone it
    broken_since  the seconds after the first request, from which every request or write failed
    mixed_replies True if workers answered with each other's replies
    total_unread  True if no request reads a total, so that nothing can be missing from it
    kinds         the verdicts on the other kinds of state that were asked for
    """

    verdict: Word
    why: str
    anomalies: tuple[Anomaly, ...]
    division: Division | None
    operations: int
    acknowledged: int
    unknown: int
    failed: int
    audited: int | None
    lost: int
    appended: int
    guarantees: dict[str, bool] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    bounds: dict[str, float] = field(default_factory=dict)
    blind: int = 0
    forgotten: int = 0
    not_audited: tuple[str, ...] = ()
    answered: tuple[Answered, ...] = ()
    silence: float = 0.0
    late: bool = False
    unread: int = 0
    overlapped: bool = True
    kinds: tuple[KindVerdict, ...] = ()
    broken_since: float | None = None
    total_unread: bool = False
    mixed_replies: bool = False

    @property
    def linearizable(self) -> bool:
        """True if nothing is wrong, and that proves something."""
        return self.verdict in ("linearizable", "holds")

    @property
    def violated(self) -> bool:
        return self.verdict == "violated"

    @property
    def inconclusive(self) -> bool:
        return self.verdict == "inconclusive"

    @property
    def shown_as(self) -> Word:
        """The verdict whose sign and color it has: what refuses is not green."""
        return "violated" if self.linearizable and self.failures else self.verdict

    @property
    def sign(self) -> str:
        return SIGN[self.shown_as]

    @property
    def color(self) -> str:
        return COLOR[self.shown_as]

    @property
    def exit_status(self) -> int:
        """The status for all kinds: 1 if one is violated, else 2 if one is inconclusive."""
        found = {EXIT_STATUS[self.verdict], *(EXIT_STATUS[each.verdict] for each in self.kinds)}
        return next(status for status in (1, 2, 0) if status in found)

    @property
    def asked(self) -> int:
        """The number of requests of the load."""
        return sum(kind.asked for kind in self.answered)

    @property
    def ok(self) -> int:
        """The number of requests that were answered ok."""
        return sum(kind.ok for kind in self.answered)

    @property
    def refused(self) -> int:
        """The number of requests that were refused on purpose: 4xx."""
        return sum(kind.refused for kind in self.answered)

    @property
    def unanswered(self) -> int:
        """The number of requests that got no answer: 5xx, resets, time-outs."""
        return sum(kind.unknown for kind in self.answered)

    @property
    def availability(self) -> float:
        """The share of the load that was answered; a refusal on purpose (4xx) is an answer."""
        return 1 - self.unanswered / self.asked if self.asked else 1.0

    @property
    def refuses(self) -> bool:
        """True if more than 1 % of the load was not answered: 5xx, resets, time-outs."""
        return self.availability < 0.99

    @property
    def mostly_failed(self) -> bool:
        """True if fewer than half of the load was answered ok."""
        return 2 * self.ok < self.asked

    @property
    def only_kinds(self) -> bool:
        """True if neither the counter nor the list was asked for, but other kinds were."""
        counted = ("increment", "read", "append", "items")
        return bool(self.kinds) and not any(kind.op in counted for kind in self.answered)

    @property
    def failures(self) -> frozenset[Failure]:
        """The failures that are certain: of counter and list, or of the other kinds without them.

        The set is empty if one state that loses and several copies explain the answers alike.
        """
        if self.only_kinds:
            own = frozenset(failure for each in self.kinds for failure in each.failures)
            return own | ({Failure.REFUSES} if self.refuses else set())
        names = {anomaly.name: anomaly for anomaly in self.anomalies}
        divided = self.division.of if self.division else None
        # what a store forgot is not lost as well, unless two overlapped in one boot
        forgets = "reset" in names and divided != "request"
        overlapped = names["lost update"].witness if "lost update" in names else ()
        went_back = forgets and (
            divided in ("none", "unclear") or len({o.boot for o in names["reset"].witness}) == 1
        )
        loses = not went_back or len({each.boot for each in overlapped}) == 1
        loses = loses and (self.overlapped or divided == "request")
        faults = {
            Failure.LOSES: loses and (self.lost > 0 or "lost item" in names),
            Failure.DIVIDED: self.division is not None and self.division.divided,
            Failure.FORGETS: forgets or self.forgotten > 0,
            Failure.ANSWERS_LATE: self.division is not None
            and any(copy.late for copy in self.division.copies),
        }
        found = {fault for fault, there in faults.items() if there}
        if self.late and not found:
            found.add(Failure.ANSWERS_LATE)
        if self.mixed_replies:
            # what is true of such answers is not true of the state
            return frozenset({Failure.LEAKS} | ({Failure.REFUSES} if self.refuses else set()))
        if self.total_unread and "duplicate value" in names:
            found.add(Failure.REPEATS)
        if not found and names.keys() & {"over-count", "future read", "duplicated item"}:
            found.add(Failure.COUNTS_TWICE)
        if Failure.LOSES in found:
            # which says that nothing is lost, and may be true of the list alone
            found.discard(Failure.ANSWERS_LATE)
        return frozenset(found | ({Failure.REFUSES} if self.refuses else set()))

    def __str__(self) -> str:
        lines = [*_wrapped(f"{self.verdict}: {self.why}")]
        if self.division is not None and self.division.sentence != self.why:
            lines += ["", *_wrapped(self.division.sentence, 2)]
        shown: set[tuple[Operation, ...]] = set()
        for anomaly in self.anomalies:
            lines += ["", f"  {anomaly.name:<24}{anomaly.count:>8,}"]
            if anomaly.witness in shown:
                lines += [f"      the same {counted(len(anomaly.witness), 'operation')} as above"]
                continue
            shown.add(anomaly.witness)
            lines += ["      " + bar for bar in timeline(anomaly.witness, 74)]
            lines += _wrapped(anomaly.why, 6) if anomaly.why != self.why else []
        if self.violated:
            for title, what in (("still holds: ", True), ("broken: ", False)):
                names = [name for name, holds in self.guarantees.items() if holds == what]
                lines += ["", *_wrapped(title + ", ".join(names), 2)] if names else []
        for kind in self.kinds:
            lines += [""] if self.only_kinds and kind.why == self.why else ["", *_kind(kind)]
            lines += ["      " + bar for bar in timeline(kind.evidence, 74)]
        lines += ["", *_wrapped("missing: " + "; ".join(self.missing), 2)] if self.missing else []
        counts = [
            f"{counted(self.operations, 'operation')}: "
            f"{counted(self.acknowledged, 'increment')} acknowledged",
            f"{self.unknown:,} unknown",
            f"{self.failed:,} refused",
            f"{counted(self.appended, 'append')} acknowledged",
        ]
        if self.only_kinds:
            counts = [f"{counted(self.operations, 'operation')}: {self.ok:,} ok"]
            counts += [f"{self.refused:,} refused", f"{self.unanswered:,} not answered"]
        counts += [f"{percent(self.availability)} of the load answered"] * self.refuses
        counts += [f"{counted(self.unread, 'read')} of the audit not answered"] * bool(self.unread)
        return "\n".join([*lines, "", *_wrapped(", ".join(counts), 2)])

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def to_json(self) -> dict[str, Any]:
        """The verdict as one JSON object: the fields of this class by name.

        anomalies   [{name, count, why, witness: [operation as in a history]}]; a list of more
                    than 20 items is left out of an operation, its `value` is its length
        division    null or {what, of, sentence, at_least, copies: [{label, boot, worker, thread,
                    acknowledged, audited, lost}]}
        guarantees  {name: true or false}
        answered    [{op, ok, refused, unknown, median, p99, longest}], times in milliseconds
        kinds       [{kind, verdict, why, failures: [name], evidence: [operation], judged, wrong}]
        """
        fields = asdict(self)
        for kind in fields["kinds"]:
            kind["failures"] = sorted(kind["failures"])
        for anomaly in fields["anomalies"]:
            for operation in anomaly["witness"]:
                if operation["items"] is not None and len(operation["items"]) > 20:
                    operation["items"] = None
        return fields


def _kind(kind: KindVerdict) -> list[str]:
    """Return a kind's verdict as lines."""
    failures = f" ({', '.join(sorted(kind.failures))})" if kind.failures else ""
    return _wrapped(f"{kind.kind}: {kind.verdict}{failures}. {kind.why}", 2)


def _wrapped(text: str, indent: int = 0) -> list[str]:
    pad = " " * indent
    return textwrap.wrap(text, 80, initial_indent=pad, subsequent_indent=pad)


def judge(
    history: pl.DataFrame,
    *,
    workers: int | None = None,
    threads: int | None = None,
    limit: int = 1,
    claimed_before: bool = False,
) -> Verdict:
    """The verdict on the last run in a history, in which `limit` claims of an item may succeed.

    With `claimed_before`, nobody knows how many had been claimed before the run.

    With `workers` and `threads`, a run in which fewer of them answered is inconclusive. A thread
    pool gives work to a thread that is idle, so that not all of several threads need to have
    answered: two in each worker are enough.
    """
    run = Run(history, workers)
    missing: tuple[str, ...] = ()
    found: tuple[Anomaly, ...] = ()
    division: Division | None = None
    guarantees: dict[str, bool] = {}
    if not run.overlaps_create:
        found = anomalies.find(run)
        division = _division(run)
        guarantees = _guarantees(run, {anomaly.name for anomaly in found})
    if run.undecided and found:
        found, division, guarantees = (), None, {}
        missing = (UNDECIDED,)
    unknown = run.overlaps_create or bool(missing)
    if not found:
        missing += _missing(run, workers, threads)
        if run.within and not unknown and linearizability.jointly(run, run.within) is False:
            missing += (UNORDERED,)
    others = () if run.overlaps_create else kinds.check(run, Limit(limit, claimed_before))
    acknowledged = {state.write: state.acknowledged for state in (run.counter, run.items)}
    writes = {kind: n for kind, n in acknowledged.items() if n}
    counters = None if unknown else run.counter_division
    outcomes = run.rows.filter(op=COUNTER.write).group_by("outcome").len().collect().rows()
    verdict: Word
    if others and not run.states:
        verdict, why, missing = _of_kinds(others)
    elif found:
        verdict, why = "violated", _why(found, division, guarantees)
    elif missing:
        verdict, why = "inconclusive", _unproved(missing[0], answered(run))
    else:
        worth = [f"0 in {counted(n, kind)} (under {percent(3 / n)})" for kind, n in writes.items()]
        verdict, why = "linearizable", f"{both(worth)}, at 95 %."
    return Verdict(
        blind=run.counter.blind.height,
        forgotten=counters.forgotten if counters else 0,
        not_audited=counters.not_audited if counters else (),
        verdict=verdict,
        why=why,
        anomalies=found,
        division=division,
        operations=run.rows.select(pl.len()).collect().item(),
        acknowledged=run.counter.acknowledged,
        unknown=run.counter.unknown.height,
        failed=dict(outcomes).get("fail", 0),
        audited=counters.copies[0].audited if counters and len(counters.copies) == 1 else None,
        lost=counters.lost if counters else 0,
        appended=run.items.acknowledged,
        guarantees=guarantees,
        missing=missing if verdict == "inconclusive" else (),
        bounds={k: min(1, 3 / n) for k, n in writes.items()} if verdict == "linearizable" else {},
        answered=answered(run),
        silence=silence(run),
        late=_late(run, {anomaly.name for anomaly in found}),
        unread=unread(run),
        overlapped=any(map(run.overlapped, run.states)),
        kinds=others,
    )


def _unproved(missing: str, kinds: tuple[Answered, ...]) -> str:
    """Return why a clean history shows nothing; it is not fine if most requests failed."""
    asked, ok = (
        sum(count) for count in zip(*((k.asked, k.ok) for k in kinds), (0, 0), strict=True)
    )
    if 2 * ok < asked:
        return f"Nothing is shown: {missing}. Of {counted(asked, 'request')} {ok:,} succeeded."
    return f"Nothing is wrong, but nothing is shown: {missing}."


def _of_kinds(verdicts: tuple[KindVerdict, ...]) -> tuple[Word, str, tuple[str, ...]]:
    """Return the word, the sentence and what is missing, of kinds without counter and list."""
    words: tuple[Literal["violated", "inconclusive", "holds"], ...]
    words = ("violated", "inconclusive", "holds")
    word = next(word for word in words if any(each.verdict == word for each in verdicts))
    why = " ".join(each.why for each in verdicts if each.verdict == word)
    return word, why, (why,) if word == "inconclusive" else ()


def order(history: pl.DataFrame) -> pl.DataFrame | None:
    """The operations in an order that explains every answer, each with an instant `at` which it
    can have happened; None if there is no such order. See `linearizability.order`."""
    return linearizability.order(Run(history))


def _division(run: Run) -> Division | None:
    """Of counter and list, the one that is divided; the counter if both or neither are."""
    used = [
        division
        for state, division in ((each, run.division_of(each)) for each in (run.counter, run.items))
        if state.acknowledged or division is not None
    ]
    known = [division for division in used if division is not None]
    divided = [division for division in known if division.divided]
    unclear = [division for division in known if division.of != "none"]
    return next(iter(divided or unclear or used), None)


def _guarantees(run: Run, found: set[str]) -> dict[str, bool]:
    """Return the guarantees that hold of the counter and of the list, by name.

    EACH is used if it is only known of each by itself, because nobody knows the order of unknown
    or blind writes.
    """
    guarantees = {
        "monotonic reads": "non-monotonic read" not in found,
        "read your writes": "read-your-writes" not in found,
    }
    whole, holds = "sequential consistency", "not linearizable" not in found and run.within is None
    if not holds:
        each = (linearizability.contradiction(run, state, "client") for state in run.states)
        holds = all(reason is None for reason in each)
        both = holds and linearizability.jointly(run, "client")
        if both is False and holds:
            whole = EACH
        holds = holds and not isinstance(both, linearizability.Contradiction)
    guarantees[whole] = holds
    divisions = (run.counter_division, run.items_division)
    totals = [
        division is not None
        and division.of == "none"
        and 0 <= (division.copies[0].audited or 0) - state.acknowledged <= state.unknown.height
        for state, division in zip((run.counter, run.items), divisions, strict=True)
        if state.audit.height
    ]
    unread = any(state.acknowledged and state.audit.is_empty() for state in run.states)
    if (
        totals
        and not unread
        and not any(division and division.of == "unclear" for division in divisions)
    ):
        wrong_items = {"lost item", "duplicated item", "unexpected item"}
        guarantees["eventual total"] = all(totals) and not found & wrong_items
    return guarantees


def _late(run: Run, found: set[str]) -> bool:
    """Return True if all acknowledged writes were read and only late answers are wrong.

    An early read may also come from another copy: a wrong read is late if all who read had the one
    copy, which they acknowledged a write to or read at the end.
    """
    reads = {"stale read", "non-monotonic read", "read-your-writes", "not linearizable"}
    writes = {"duplicate value", "skipped value", "real-time inversion", "misplaced item"}
    for state in run.states:
        read = highest(state.audit["value"]) if state.audit.height else -1
        # an unknown write may stand for an acknowledged one that is gone
        if state.acknowledged + state.unknown.height != read:
            return False
    unknown = any(state.unknown.height for state in run.states)
    if not (found and found <= (reads if unknown else reads | writes)):
        return False
    for state in run.states:
        division = run.division_of(state)
        # no copies explain it: there is one, or else the labels would show them
        if not (run.labelled(state) if division is None else division.of == "none"):
            return False
        if division is None:
            return True
    return bool(found & writes) or all(map(run.all_had_it, run.states))


def _why(found: tuple[Anomaly, ...], division: Division | None, guarantees: dict[str, bool]) -> str:
    if division is not None and division.of != "none" and not division.whole:
        return division.sentence
    explain = {each.name for each in anomalies.TABLE if each.explains}
    for anomaly in found:
        if anomaly.name in explain:
            return anomaly.why
    if guarantees.get("sequential consistency"):
        return f"Not linearizable, but sequentially consistent per client. {found[0].why}"
    return found[0].why


def _missing(run: Run, workers: int | None, threads: int | None) -> tuple[str, ...]:
    """Return what a clean history lacks to show anything."""
    missing = []
    if run.overlaps_create:
        missing.append("a create overlaps other operations; a count cannot be followed across it")
    if run.sent_twice:
        item = run.sent_twice[0].item
        missing.append(f"{quoted(item or '')} was sent twice, so the list cannot be followed")
    states = [state for state in run.states if state.acknowledged]
    if not states:
        missing.append("nothing was acknowledged")
        return tuple(missing)
    for state in states:
        if state.audit.is_empty():
            missing.append(f"no audit read the {state.name} after the last {state.write} had ended")
    if not any(_overlap(run, state) for state in states):
        missing.append("no two operations overlapped, so that nothing could go wrong")
    return (*missing, *_unanswered(run, workers, threads))


def _overlap(run: Run, state: State) -> bool:
    """Two operations on it, at least one of them a write, overlapped in time.

    Asked of histories with nothing wrong in them: there, what does not overlap is in the order
    of ranks.
    """
    ended = pl.col("end").cum_max().shift(1)
    write_ended = pl.when("write").then("end").cum_max().forward_fill().shift(1)
    if run.within:
        ended, write_ended = ended.over("clock"), write_ended.over("clock")
    start = pl.col("start")
    overlap = (pl.col("write") & (start <= ended)) | (start <= write_ended)
    answered = state.answered.select("start", "end", "write", "clock")
    if state.blind.height:
        blind = state.blind.select("start", "end", "clock", write=True)
        answered = pl.concat([answered, blind.select(answered.columns)]).sort("start")
    return bool(answered.select(overlap.any()).item())


def _unanswered(run: Run, workers: int | None, threads: int | None) -> list[str]:
    """Workers and threads that the topology has and that answered nothing under load."""
    boot = pl.coalesce(pl.col("boot").cast(pl.String), pl.col("worker").cast(pl.String))
    seen = (
        run.rows.filter(outcome="ok", phase="load")
        .group_by("boot", "worker")
        .agg(threads=pl.col("thread").unique())
        .group_by(boot=boot)
        .agg(
            threads=pl.col("threads").explode().drop_nulls().n_unique(),
            worker=pl.col("worker").first(),
        )
        .drop_nulls("boot")
        .collect()
    )
    unanswered = []
    if workers is not None and seen.height < workers:
        answered = (
            "no reply says which worker it is from"
            if seen.is_empty()
            else (f"only {seen.height} of {workers} workers answered")
        )
        unanswered.append(answered)
    if threads is not None and threads > 1:
        for boot_, count, worker in seen.sort("worker", "boot").iter_rows():
            if count < 2:
                name = f"boot {boot_}" if worker is None else f"worker {worker}"
                unanswered.append(f"only {count} of {threads} threads of {name} answered")
    return unanswered
