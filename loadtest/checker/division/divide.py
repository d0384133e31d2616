"""The decision: the owner of each copy.

- The final reads of all workers agree: one state (`none`), unless the answers show copies that read
  the same by accident.
- The final reads of each worker agree: a copy for each `worker`. Those of each thread: for each
  `thread`. Workers that share in pairs or more, such as those of one machine: `group`.
- Each client was answered 1, 2, 3 … of its own, as with a cookie: `client`, if no copies of
  workers or threads can have answered it, or 20 were answered so.
- Every write was answered 1, and nobody can read any of them: `request`, if one thread did that
  twice, or 20 were answered so. Of fewer, each may have been asked of another copy.
- One state that loses and several copies would have given the same answers: `unclear`.

Of up to six workers whose replies are all labelled, every way to share copies is tried (`ways`):
the division is what is true of all that no answer refutes. A state that loses and has answered each
worker exactly 1, 2, 3 … up to 20 at least is not believed. Some workers share where others do not
only if no other way, of a state that loses and answers late, can have read the same by accident.

Of more workers, and without labels: a copy holds no more than was asked of it, and unknown writes
are granted once in all; where answers are higher, the division is another. Copies that read the
same by accident are still copies if each answered exactly 1, 2, 3 …; it is not believed that all
copies, which lose or which several workers share, end alike.

A copy that acknowledged and that no final read reached is neither lost nor whole: it is not
audited, or, if its boot answered no more, forgotten.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property

import polars as pl

from loadtest.checker.division.copies import (
    LABELLED,
    LABELS,
    LEVELS,
    Copy,
    Division,
    Owner,
    describe,
)
from loadtest.checker.division.evidence import Evidence, highest, owner_known, total
from loadtest.checker.division.ways import Way, Ways
from loadtest.checker.words import both

MANY = 20
"""Answers: one state that loses is not believed to have answered so many to each worker as
1, 2, 3 …, nor so many copies to have been asked once each."""


def divide(
    what: str,
    answered: pl.DataFrame,
    audit: pl.DataFrame,
    unknown: int,
    gone: Collection[str] = (),
) -> Division | None:
    """Return how the counter or the list is divided, or None if that is not known.

    `answered` are the ok operations (`write` or not, value, start, end, client, clock, boot,
    worker, thread), `audit` those of them that are the final reads, and `gone` the boots that
    answered no more. Unknown writes may happen as late as during the final reads: they widen what
    counts as agreement and are never called lost.
    """
    evidence = Evidence(what, answered, audit, unknown, frozenset(gone))
    decision = Decision(evidence)
    if audit.is_empty():
        return decision.if_unread()
    return decision.per_request() or (
        decision.if_equal() if evidence.agree([]) else decision.if_different()
    )


@dataclass(frozen=True)
class Decision:
    """The choice between divisions that the evidence allows."""

    evidence: Evidence

    @cached_property
    def ways(self) -> Ways:
        return Ways(self.evidence)

    # the decisions

    def per_request(self) -> Division | None:
        """Return a copy per request, or None.

        Every write was answered 1, some client's more than once, and the final reads are 0. Of a
        few, each may have been asked of another copy, unless a thread wrote again; and if the
        final reads reached no worker that wrote, each may have one state that all read before any
        wrote.
        """
        evidence, written = self.evidence, self.evidence.written
        n = written.height
        if evidence.read > 0 or not self._wrote_again():
            return None
        if not written["value"].eq_missing(1).all():
            return None
        named = written.filter(LABELLED)
        reached = named.join(evidence.audit, on=LEVELS["worker"], how="semi", nulls_equal=True)
        unreached = reached.is_empty() and not named.is_empty()
        threads = named.drop_nulls("thread").select(LEVELS["thread"])
        possible = n < MANY or (unreached and not evidence.refuted(LEVELS["worker"]))
        if possible and not threads.is_duplicated().any():
            return None
        sentence = (
            f"A {evidence.what} per request: {n:,} acknowledged, each answered 1, and each gone "
            "with its request."
        )
        copy = Copy("each request", None, None, None, n, 0, n)
        return Division("request", (copy,), sentence, evidence.what)

    def if_unread(self) -> Division | None:
        """Return a copy per worker if the answers alone show it; else None.

        Nobody read the copies at the end. Every answer names its worker, no other way to share
        explains the answers, and neither does one state that went back once.
        """
        workers = self.ways.workers.height
        ways = self.ways.possible if workers > 1 else []
        each = len(ways) == 1 and len(ways[0]) == workers
        if not (each and self.evidence.refuted([], times=2)):
            return None
        division = self._several("worker")
        return division if division.divided else None

    def if_equal(self) -> Division:
        """Decide where all final reads are equal: one copy, or several that ended alike."""
        evidence = self.evidence
        n, read = evidence.written.height, evidence.read
        if n == read == 0:
            return self._unclear(0)
        if n <= read and not evidence.unknown:
            return self._one()
        ways = self.ways.possible
        # an unknown write may stand there for an acknowledged one in another copy
        sure = read >= n + evidence.unknown or n >= MANY or self._threads_share()
        if n <= read and (all(len(way) == 1 for way in ways) if ways else sure):
            return self._one()
        if n <= read and not ways:
            return self._unclear(0)
        if not read:
            # whoever asked may have been another client than those who wrote
            return self._several("client") if self._per_client() else self._unclear(0)
        if ways:
            division = self._common(ways)
            # one state that went back to an earlier one would explain what a single answer refutes
            several = division.of in (*LABELS, "group") or division.at_least > 1
            sure = not several or any(copy.gone for copy in division.copies)
            sure = sure or evidence.counts_up("worker") or evidence.refuted([], times=2)
            return division if sure else self._unclear(0)
        return self._copies_that_end_alike() or self._loses_or_not_reached()

    def if_different(self) -> Division | None:
        """Decide where final reads differ: copies of threads, of workers, or of groups of them."""
        evidence = self.evidence
        possible: list[Owner] = [owner for owner in LABELS if evidence.within_bounds(owner)]
        threads = "thread" in possible and evidence.refuted(LEVELS["worker"])
        if threads and not evidence.refuted(LEVELS["thread"]):
            return self._several("thread")
        if ways := self.ways.possible:
            return self._common(ways)
        return self._several(possible[0]) if possible else self._groups()

    def _copies_that_end_alike(self) -> Division | None:
        """Return copies whose final reads are equal by accident, if the answers show them."""
        evidence = self.evidence
        for owner in LEVELS:
            if evidence.counts_up(owner) and (owner != "client" or self._per_client()):
                # one write answered 1 may as well be of a state that loses
                once = evidence.written.group_by(LEVELS[owner]).len()["len"].min() == 1
                doubtful = once or evidence.written["value"].has_nulls()
                return self._unclear(0) if doubtful else self._several(owner)
        for owner in LABELS:
            labelled = evidence.labelled(evidence.answered, owner)
            if labelled and evidence.refuted([], times=2) and not evidence.refuted(LEVELS[owner]):
                return self._several(owner)
        if evidence.shared_evenly() or evidence.all_read("worker") or evidence.all_read("thread"):
            return self._unclear(0)
        return None

    def _loses_or_not_reached(self) -> Division:
        """Return one copy that loses, unless other copies may hold what is missing."""
        evidence, written = self.evidence, self.evidence.written
        n, read = written.height, evidence.read
        if not evidence.labelled(evidence.answered, "worker"):
            # another copy than that of the highest answer may have been read
            there = highest(written["value"]) - evidence.unknown
            if there >= n:
                return self._one()
            return self._unclear(max(0, there - read) if n - there < read else 0)
        for owner in LABELS:
            by = LEVELS[owner]
            if not evidence.labelled(evidence.answered, owner):
                continue
            reached = written.join(evidence.audit, on=by, how="semi", nulls_equal=True)
            alone = owner == "worker" or evidence.audit.select(by).n_unique() == 1
            possible = owner == "worker" or read <= reached.height + evidence.unknown
            if reached.height < n and alone and possible:
                if owner == "worker" and evidence.gone:
                    rest = written.join(evidence.audit, on=by, how="anti", nulls_equal=True)
                    if set(rest["boot"].cast(pl.String)) <= evidence.gone:
                        return self._several(owner)
                missed = [c.label for c in self._copies(by) if c.audited is None]
                which = f", of which the audit did not reach {both(missed)}"
                lost = 0 if evidence.threads_hidden else max(0, reached.height - read)
                return self._unclear(lost, which)
        return self._unclear(0) if evidence.threads_hidden and n > read else self._one()

    def _common(self, ways: list[Way]) -> Division:
        """Return the division that all these ways have in common."""
        evidence, workers = self.evidence, self.ways.workers
        if any(1 < len(way) < workers.height for way in ways):
            ways = self.ways.possible_anyhow or ways
        (way, *others) = ways
        each = not others and len(way) == workers.height > 1
        # unknown writes would let many a state pass for that
        exactly = (pl.col("top") == pl.col("n")) & (pl.col("n") >= MANY)
        missing = evidence.written.height > evidence.read
        believed = missing and workers.select(exactly.all()).item()
        if each or (believed and evidence.counts_up("worker")):
            return self._several("worker")
        threads = missing and (evidence.threads_hidden or evidence.counts_up("thread"))
        if others or threads:
            lost = 0 if threads else min(map(self.ways.lost, ways))
            return self._unclear(lost, "", min(map(self.ways.at_once, ways)))
        return self._one() if len(way) == 1 else self._grouped(way)

    def _threads_share(self) -> bool:
        """Return True if all threads of the only worker must have one copy."""
        evidence = self.evidence
        one_worker = evidence.answered.select(LEVELS["worker"]).n_unique() == 1
        labelled = evidence.labelled(evidence.answered, "thread")
        return one_worker and labelled and not evidence.within_bounds("thread")

    def _wrote_again(self) -> bool:
        """Return True if some client wrote more than once."""
        clients = self.evidence.written.select(pl.struct(LEVELS["client"]).is_duplicated().any())
        return bool(clients.item())

    def _per_client(self) -> bool:
        """Return True if each client was answered what it had asked for itself.

        Two or more were answered that it was several; nor can it be that each was always answered
        by another worker or thread.
        """
        evidence, by = self.evidence, LEVELS["client"]
        if not evidence.counts_up("client") or evidence.refuted(by):
            return False
        answers = evidence.answered.join(evidence.written, on=by, how="semi", nulls_equal=True)
        again = answers.group_by(by).agg(again=pl.col("value").max() - 1)["again"].drop_nulls()
        if (again > 0).sum() < 2:
            return False
        if evidence.labelled(evidence.answered, "thread") and evidence.one_clock:
            return evidence.refuted(LEVELS["worker"]) and evidence.refuted(LEVELS["thread"])
        return total(again.clip(0)) >= MANY

    # the divisions

    def _one(self) -> Division:
        """Return one copy, and what is lost of it."""
        evidence = self.evidence
        n, read, unknown = evidence.written.height, evidence.read, evidence.unknown
        lost = max(0, n - read)
        more = f" ({read - n:,} never acknowledged)" if read > n else ""
        rest = f" {lost:,} lost." if lost else _doubt(n, read, unknown) or " Nothing lost."
        shown = highest(evidence.audit["value"])
        sentence = f"1 {evidence.what}: {n:,} acknowledged, {shown:,} read{more}.{rest}"
        values = evidence.written["value"].drop_nulls()
        late = late_answers(values.len() - values.n_unique(), n, read, unknown)
        copy = Copy(f"the {evidence.what}", None, None, None, n, read, lost, late)
        return Division("none", (copy,), sentence, evidence.what)

    def _unclear(self, lost: int, which: str = "", at_least: int = 1) -> Division:
        """Return that one copy or several may have answered this, with what is lost of either."""
        evidence = self.evidence
        what, n = evidence.what, evidence.written.height
        reads = evidence.audit["value"].clip(0).unique().sort().to_list()
        read: int | None = reads[-1]
        shown = evidence.audit["value"].unique().sort().to_list()
        counts = f"{n:,} acknowledged, {both(f'{each:,}' for each in shown)} read"
        if len(reads) == 1 and n > reads[0] and at_least == 1:
            sentence = f"{counts}: {n - reads[0]:,} lost, or several copies{which}."
        elif at_least == 1:
            sentence = f"{counts}: one copy, or several."
            if len(reads) == 1 and n and n <= reads[0]:
                sentence += _doubt(n, reads[0], evidence.unknown)
        else:
            read = None
            sentence = f"{at_least} {what}s or more: {counts}, but who shares one is not clear."
        if lost:
            sentence += f" {lost:,} {'is' if lost == 1 else 'are'} lost in any case."
        copy = Copy(f"the {what}", None, None, None, n, read, lost)
        return Division("unclear", (copy,), sentence, what, at_least)

    def _several(self, owner: Owner) -> Division:
        """Return a copy for each of these owners."""
        copies = self._copies(LEVELS[owner])
        if owner == "worker":
            copies = tuple(self._certainly_lost(copy) if copy.lost else copy for copy in copies)
        return self._division(owner, copies)

    def _certainly_lost(self, copy: Copy) -> Copy:
        """Return a worker's copy, of which nothing is lost if its threads may have their own."""
        evidence, here = self.evidence, pl.lit(True)
        if evidence.threads_hidden:
            return replace(copy, lost=0, late=0)
        for name, label in (("boot", copy.boot), ("worker", copy.worker)):
            here &= pl.col(name).cast(pl.String).eq_missing(pl.lit(label).cast(pl.String))
        mine = replace(
            evidence,
            answered=evidence.answered.filter(here),
            audit=evidence.audit.filter(here),
            unknown=evidence.unknown + evidence.unlabelled,
        )
        return replace(copy, lost=0, late=0) if mine.counts_up("thread") else copy

    def _groups(self) -> Division | None:
        """Return a copy for each set of workers that read the same; None if that cannot be.

        Each worker by itself then holds more than it was asked for.
        """
        evidence, by = self.evidence, LEVELS["worker"]
        if not (evidence.labelled(evidence.audit, "worker") and evidence.agree(by)):
            return None
        last = evidence.audit.sort("value").group_by(by).last()
        last = last.select(*by, group="value")
        if last["group"].n_unique() in (1, last.height):
            return None
        copies = []
        for (read,), workers in last.group_by("group", maintain_order=True):
            mine = evidence.written.join(workers, on=by, how="semi", nulls_equal=True).height
            lost = 0 if evidence.threads_hidden else max(0, mine - max(0, read))
            label = f"workers {both(_names(workers))}"
            copies.append(Copy(label, None, None, None, mine, read, lost))
        over = sum(max(0, (copy.audited or 0) - copy.acknowledged) for copy in copies)
        without = evidence.written.height - sum(copy.acknowledged for copy in copies)
        if over > evidence.unknown + without:
            return None
        copies.sort(key=lambda copy: copy.label)
        return self._division("group", tuple(copies))

    def _grouped(self, way: Way) -> Division:
        """Return a copy for each block of workers."""
        copies = []
        for block in way:
            mine = self.ways.members(block)
            names = _names(mine)
            n, read = int(mine["n"].sum()), mine["read"].max()
            audited = max(0, read) if isinstance(read, int) else None
            lost = max(0, n - audited) if audited is not None else 0
            lost = 0 if self.evidence.threads_hidden else lost
            gone = audited is None and set(mine["boot"]) <= self.evidence.gone
            label = f"{'worker' if len(names) == 1 else 'workers'} {both(names)}"
            copies.append(Copy(label, None, None, None, n, audited, lost, gone=gone))
        copies.sort(key=lambda copy: copy.label)
        return self._division("group", tuple(copies))

    def _division(self, owner: Owner, copies: tuple[Copy, ...]) -> Division:
        what, written = self.evidence.what, self.evidence.written.height
        owners = {(copy.boot, copy.worker): n for n, copy in enumerate(copies) if not copy.gone}
        # threads of one worker are there at one time
        threads = owner == "thread" and len(owners) < sum(not copy.gone for copy in copies)
        in_turn = owner in LABELS and len(owners) > 1 and not threads
        in_turn = in_turn and self.evidence.at_once(owners) < 2
        unknown = self.evidence.unknown
        sentence = describe(what, owner, copies, written, unknown, in_turn=in_turn)
        doubtful = unknown or self.evidence.audit.is_empty()
        if owner == "worker" and doubtful and self.evidence.threads_hidden:
            sentence += " A thread that no label names may have a copy of its own."
        return Division(owner, copies, sentence, what, in_turn=in_turn)

    def _copies(self, by: list[str]) -> tuple[Copy, ...]:
        """Return the copy of each owner that acknowledged a write or was audited."""
        evidence = self.evidence
        values = pl.col("value").drop_nulls()
        twice = (values.len() - values.n_unique()).cast(pl.Int64)
        written = evidence.written.filter(owner_known(by)).group_by(by)
        asked = written.agg(acknowledged=pl.len().cast(pl.Int64), twice=twice)
        read = evidence.audit.group_by(by).agg(audited=pl.col("value").max().clip(0))
        unknown = evidence.unknown + evidence.written.filter(~owner_known(by)).height
        joined = asked.join(read, on=by, how="full", coalesce=True, nulls_equal=True)
        joined = joined.with_columns(pl.col("acknowledged", "twice").fill_null(0))
        if by == LEVELS["client"]:
            joined = joined.filter(pl.col("acknowledged") > 0).sort("clock", "client")
        else:
            joined = joined.with_columns(pl.col("boot").cast(pl.String))
            joined = joined.sort("worker", *by, nulls_last=True)
        rows = list(joined.iter_rows(named=True))
        boots: dict[int | None, int] = {}  # of a worker's number, which can be used again
        for row in rows:
            boots[row.get("worker")] = boots.get(row.get("worker"), 0) + ("thread" not in row)
        copies = []
        for row in rows:
            boot, worker, thread = row.get("boot"), row.get("worker"), row.get("thread")
            label = f"boot {boot}" if worker is None else f"worker {worker}"
            if worker is not None and boots[worker] > 1 and boot is not None:
                label += f" (boot {boot})"
            if "client" in row:
                label = f"client {row['client']}"
            label += "" if thread is None else f" thread {thread}"
            acknowledged, audited = row["acknowledged"], row["audited"]
            lost = late = 0
            if audited is not None:
                lost = max(0, acknowledged - audited)
                late = late_answers(row["twice"], acknowledged, audited, unknown)
            gone = audited is None and boot in evidence.gone
            copies.append(
                Copy(label, boot, worker, thread, acknowledged, audited, lost, late, gone)
            )
        return tuple(copies)


def _doubt(acknowledged: int, read: int, unknown: int) -> str:
    """Return how many acknowledged writes unknown ones may stand for, in words."""
    doubtful = min(acknowledged, unknown, acknowledged + unknown - read)
    return f" Nothing is certainly lost; {doubtful:,} may be." if doubtful > 0 else ""


def late_answers(twice: int, acknowledged: int, read: int, unknown: int) -> int:
    """Count answers that repeat another without an update undone.

    Each missing update can explain one repetition, and an unknown write may stand for a missing
    one.
    """
    undone = max(0, acknowledged + unknown - read)
    return 0 if read < acknowledged else max(0, twice - undone)


def _names(workers: pl.DataFrame) -> list[str]:
    """Return the names of workers, sorted: their numbers, or their boots if they have none."""
    return sorted(
        str(worker if worker is not None else f"of boot {boot}")
        for boot, worker in workers.select("boot", "worker").iter_rows()
    )
