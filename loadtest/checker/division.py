"""Decide what each copy of the state belongs to, from the answers and the final reads.

All workers read the same → `none`: there is one state. Each worker agrees with itself → `worker`:
each has its own. Each thread does → `thread`. Workers that share in pairs or more, such as those
of one machine → `group`. Each client was told 1, 2, 3 … of its own, as with a cookie → `client`,
if no copies of workers or threads can have told it, or 20 were told so. Writes were acknowledged,
every one was told 1, and nobody can read any of them → `request`, if one thread did that twice, or
20 were told so: of less, each may have been asked of another copy. Where one state that loses and
several copies would have given the same answers → `unclear`.

Of up to five workers whose replies all say who they are from, every way to share copies is tried,
and said is what is true of all that no answer refutes: of a state that is read and then written,
whether in one step or two, and of one that loses nothing and answers late (but that one which
loses told each worker exactly 1, 2, 3 … up to 20 at least is not believed). That some share where
others do not is said if no other way, of a state that loses and answers late, can have read the
same by accident. Of more workers, and without such labels: a copy holds no more than was asked of
it, and unknown writes are granted once in all; where told or read is more, the division is another.
Copies that read the same by accident are still copies when each was told exactly 1, 2, 3 …; that
all copies, which lose or which several workers share, end alike is not believed.

A copy that acknowledged and that no audit reached is neither lost nor whole: it is not audited,
or, if its boot answered no more, forgotten.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import polars as pl

from loadtest.checker.words import both, number
from loadtest.kinds.counter import COUNTER

Of = Literal["none", "worker", "thread", "group", "client", "request", "unclear"]
LEVELS: dict[Of, list[str]] = {
    "worker": ["boot", "worker"],
    "thread": ["boot", "worker", "thread"],
    "client": ["clock", "client"],
}

LABELS: tuple[Of, ...] = ("worker", "thread")
LABELLED = pl.col("boot").is_not_null() | pl.col("worker").is_not_null()
"""The answer says which worker gave it."""
FEW = 5  # workers, of which every way to share is tried
IMPOSSIBLE = 1 << 62  # more values than any number of unknown writes can explain
MANY = 20
"""Answers: that one state which loses told so many to each worker as 1, 2, 3 …, or that so many
copies were each asked once, is not believed."""
ENOUGH = 20_000  # answers, by which a way is refuted if it can be

Way = list[frozenset[int]]
"""Blocks of workers' numbers: the workers of a block share a copy."""


@dataclass(frozen=True)
class Copy:
    """One copy of the state: how many writes it acknowledged, what the audit read there (None:
    it was not reached), how many are certainly gone (never counting an unknown write), how many
    were told what another one there was told though none can be gone, and whether its boot is
    gone."""

    label: str
    boot: str | None
    worker: int | None
    thread: int | None
    acknowledged: int
    audited: int | None
    lost: int
    late: int = 0
    gone: bool = False


@dataclass(frozen=True)
class Division:
    """A division: what each copy belongs to. `what` names the divided counter or list."""

    of: Of
    copies: tuple[Copy, ...]
    sentence: str
    what: str = COUNTER.name
    at_least: int = 1
    """So many copies there are, where it is unclear how many."""

    @property
    def lost(self) -> int:
        """Acknowledged there − audited there, summed over the copies."""
        return sum(copy.lost for copy in self.copies)

    @property
    def forgotten(self) -> int:
        """Acknowledged by copies that are gone with their boot."""
        return sum(copy.acknowledged for copy in self.copies if copy.gone)

    @property
    def not_audited(self) -> tuple[str, ...]:
        """The copies that acknowledged and that no audit has reached, though they may live."""
        return tuple(copy.label for copy in self.copies if copy.audited is None and not copy.gone)

    @property
    def whole(self) -> bool:
        """It is unclear how many copies there are, and nothing is missing from what was read."""
        (copy, *others) = self.copies
        read = -1 if others or copy.audited is None else copy.audited
        return self.of == "unclear" and copy.acknowledged <= read

    @property
    def divided(self) -> bool:
        """There are several copies at one time."""
        several = sum(not copy.gone for copy in self.copies) > 1
        return self.at_least > 1 or (several and self.of in ("worker", "thread", "group", "client"))


def divide(
    what: str,
    answered: pl.DataFrame,
    audit: pl.DataFrame,
    unknown: int,
    gone: Collection[str] = (),
) -> Division | None:
    """Return how the counter or the list is divided, or None if that is not known.

    `answered` are the ok operations (`write` or not, value, start, end, client, clock, boot,
    worker, thread), `audit` those of them that are the audit's reads, and `gone` the boots that
    answered no more. Unknown writes may happen as late as during the audit: they widen what
    counts as agreement and are never called lost.
    """
    if audit.is_empty():
        return None
    seen = Seen(what, answered, audit, unknown, frozenset(gone))
    return seen.of_requests() or (seen.alike() if seen.agree([]) else seen.apart())


@dataclass(frozen=True)
class Seen:
    """The evidence for a division: the arguments of `divide`."""

    what: str
    answered: pl.DataFrame
    audit: pl.DataFrame
    unknown: int
    gone: frozenset[str]

    @cached_property
    def written(self) -> pl.DataFrame:
        return self.answered.filter("write")

    @property
    def read(self) -> int:
        """The most that the audit read."""
        return max(0, most(self.audit["value"]))

    def named(self, frame: pl.DataFrame, of: Of) -> bool:
        """Every reply says which worker, and for threads which thread, it came from."""
        if of == "client":
            return True
        named = LABELLED
        if of == "thread":
            named = named & pl.col("thread").is_not_null()
        return bool(frame.select(named.all()).item())

    def of_requests(self) -> Division | None:
        """Every write was told 1, some client's more than once, and the audit reads 0. Of a few,
        each may have been asked of another copy, unless a thread wrote again; and if it reached no
        worker that wrote, each may have one state that all read before any wrote.
        """
        written, n = self.written, self.written.height
        if self.read > 0 or not self.again or not (written["value"].eq_missing(1).all()):
            return None
        named = written.filter(LABELLED)
        reached = named.join(self.audit, on=LEVELS["worker"], how="semi", nulls_equal=True)
        unreached = reached.is_empty() and not named.is_empty()
        threads = named.drop_nulls("thread").select(LEVELS["thread"])
        possible = n < MANY or (unreached and not self.strays(LEVELS["worker"]))
        if possible and not threads.is_duplicated().any():
            return None
        sentence = (
            f"A {self.what} per request: {n:,} acknowledged, each told 1, and each gone with its "
            "request."
        )
        copy = Copy("each request", None, None, None, n, 0, n)
        return Division("request", (copy,), sentence, self.what)

    @property
    def again(self) -> bool:
        """Some client wrote more than once."""
        return bool(self.written.select(pl.struct(LEVELS["client"]).is_duplicated().any()).item())

    def of_clients(self) -> bool:
        """Each client was told exactly what it had asked for itself, and two or more that it was
        several; nor can it be that each was always answered by another worker or thread."""
        if not self.exact("client") or self.strays(LEVELS["client"]):
            return False
        by = LEVELS["client"]
        told = self.answered.join(self.written, on=by, how="semi", nulls_equal=True)
        again = told.group_by(by).agg(again=pl.col("value").max() - 1)["again"].drop_nulls()
        if (again > 0).sum() < 2:
            return False
        if self.named(self.answered, "thread") and self.answered["clock"].n_unique() == 1:
            return self.strays(LEVELS["worker"]) and self.strays(LEVELS["thread"])
        return total(again.clip(0)) >= MANY

    def alike(self) -> Division:
        """All audits read the same."""
        n, read = self.written.height, self.read
        if n == read == 0:
            return self.unclear(0, "")
        if n <= read and not self.unknown:
            return self.one()
        ways = self.ways
        if n <= read and all(len(way) == 1 for way in ways):
            return self.one()
        if not read:
            # whoever asked may have been another client than those who wrote
            return self.several("client") if self.of_clients() else self.unclear(0, "")
        if ways:
            return self.common(ways)
        for of in LEVELS:
            if self.exact(of) and (of != "client" or self.of_clients()):
                # one write told 1 may as well be of a state that loses
                once = self.written.group_by(LEVELS[of]).len()["len"].min() == 1
                doubtful = once or self.written["value"].has_nulls()
                return self.unclear(0, "") if doubtful else self.several(of)
        for of in LABELS:
            if self.named(self.answered, of) and self.strays([]) and not self.strays(LEVELS[of]):
                return self.several(of)
        if self.evenly() or self.whole("worker") or self.whole("thread"):
            return self.unclear(0, "")
        if not self.named(self.answered, "worker"):
            # another copy than the one that was told most may have been read
            there = most(self.written["value"]) - self.unknown
            if there >= n:
                return self.one()
            return self.unclear(max(0, there - read) if n - there < read else 0, "")
        for of in LABELS:
            by = LEVELS[of]
            if not self.named(self.answered, of):
                continue
            reached = self.written.join(self.audit, on=by, how="semi", nulls_equal=True)
            alone = of == "worker" or self.audit.select(by).n_unique() == 1
            possible = read <= reached.height + self.unknown
            if reached.height < n and alone and possible:
                if of == "worker" and self.gone:
                    rest = self.written.join(self.audit, on=by, how="anti", nulls_equal=True)
                    if set(rest["boot"].cast(pl.String)) <= self.gone:
                        return self.several(of)
                missed = [c.label for c in self.copies(by) if c.audited is None]
                lost = max(0, reached.height - read)
                return self.unclear(lost, f", of which the audit did not reach {both(missed)}")
        return self.one()

    @cached_property
    def workers(self) -> pl.DataFrame:
        """The workers that acknowledged or were audited, a row each.

        Columns: boot, worker, n, blind (of these), top (the highest answer), read (the highest
        read, or null), reads (the different ones), number.
        """
        by = LEVELS["worker"]
        asked = self.written.group_by(by).agg(
            n=pl.len().cast(pl.Int64),
            blind=pl.col("value").null_count().cast(pl.Int64),
            top=pl.col("value").max(),
        )
        reads = pl.struct("value", pl.col("items").hash()).hash().unique()
        read = self.audit.group_by(by).agg(read=pl.col("value").max(), reads=reads)
        joined = asked.join(read, on=by, how="full", coalesce=True, nulls_equal=True)
        named = joined.with_columns(
            pl.col("boot").cast(pl.String), pl.col("n", "blind").fill_null(0)
        )
        return named.sort("worker", "boot", nulls_last=True).with_row_index("number")

    @cached_property
    def ways(self) -> list[Way]:
        """The ways to share copies that no answer refutes, if every answer says which worker it is
        from, and if these are few."""
        if self.workers.height > FEW or not self.named(self.answered, "worker"):
            return []
        if self.answered["clock"].n_unique() > 1:
            return []
        return [way for way in _partitions(self.every) if self.explains(way)]

    @property
    def every(self) -> list[int]:
        """The numbers of all workers."""
        return self.workers["number"].to_list()

    def explains(self, way: Way, *, anyhow: bool = False) -> bool:
        """No answer refutes it, with what unknown writes may have written."""
        unknown = self.unknown
        for block in sorted(way, key=len):
            unknown -= self.granted(block, anyhow)
            if unknown < 0:
                return False
        return True

    def granted(self, block: frozenset[int], anyhow: bool) -> int:
        """Return the fewest unknown writes that this block needs.

        The state is read and then written, or it loses nothing and answers late; with `anyhow` it
        may both lose and answer late.
        """
        mine = self.workers.filter(pl.col("number").is_in(block))
        changes = max(0, mine["reads"].explode().drop_nulls().n_unique() - 1)
        n, read, top = int(mine["n"].sum()), mine["read"].max(), most(mine["top"])
        told = max(top, read) if isinstance(read, int) else top
        more = max(0, told - n)
        if anyhow:
            return max(changes, more)
        strayed, late = self.strayed(block)
        late = late and (not isinstance(read, int) or n <= read)
        steps = max(0, strayed - int(mine["blind"].sum()))
        return max(changes, min(steps, more) if late else steps)

    def common(self, ways: list[Way]) -> Division:
        """Return the division that all these ways have in common."""
        if any(1 < len(way) < self.workers.height for way in ways):
            ways = [way for way in _partitions(self.every) if self.explains(way, anyhow=True)]
        (way, *others) = ways
        each = not others and len(way) == self.workers.height > 1
        # unknown writes would let many a state pass for that
        exactly = (pl.col("top") == pl.col("n")) & (pl.col("n") >= MANY)
        believed = self.written.height > self.read and self.workers.select(exactly.all()).item()
        if each or (believed and self.exact("worker")):
            return self.several("worker")
        threads = self.exact("thread")
        if others or threads:
            lost = 0 if threads else min(map(self.lost, ways))
            return self.unclear(lost, "", min(map(self.live, ways)))
        return self.one() if len(way) == 1 else self.grouped(way)

    def strayed(self, block: frozenset[int]) -> tuple[int, bool]:
        """Count reads of the block that its writes do not explain.

        The second value says whether they can be late answers of a state that loses nothing: of
        any n reads, one is n or more.
        """
        if block not in self.known:
            mine = self.workers.filter(pl.col("number").is_in(block))
            answered = self.early.join(mine, on=LEVELS["worker"], how="semi", nulls_equal=True)
            told = answered.filter("write")["value"].drop_nulls().sort()
            late = bool((told > pl.int_range(told.len(), eager=True)).all())
            self.known[block] = _strayed(answered, []), late
        return self.known[block]

    @cached_property
    def early(self) -> pl.DataFrame:
        """The answers that came first, and what had begun by then; `early`, which these are."""
        over = self.answered["end"].bottom_k(ENOUGH).max()
        begun = self.answered.filter(pl.col("start") <= over)
        return begun.with_columns(pl.col("boot").cast(pl.String), early=pl.col("end") <= over)

    @cached_property
    def known(self) -> dict[frozenset[int], tuple[int, bool]]:
        return {}

    def live(self, way: Way) -> int:
        """Count the copies that did not end with their workers."""
        gone = self.workers.filter(pl.col("boot").is_in(list(self.gone)))["number"]
        return sum(not block <= set(gone) for block in way)

    def lost(self, way: Way) -> int:
        """Return the fewest acknowledged writes that are gone if this way is right."""
        lost = 0
        for block in way:
            mine = self.workers.filter(pl.col("number").is_in(block))
            if mine["read"].count():
                lost += max(0, int(mine["n"].sum()) - max(0, most(mine["read"])))
        return lost

    def strays(self, by: list[str]) -> bool:
        """Some copy was read to have what no state has that is read and then written, unless
        writes whose value nobody knows have done it. Of several clocks nothing is said."""
        if self.answered["clock"].n_unique() > 1:
            return False
        early, nobody_knows = self.early, self.unknown + self.written["value"].null_count()
        if by in (LEVELS["worker"], LEVELS["thread"]):
            early = early.filter(LABELLED)
            nobody_knows += self.written.filter(~LABELLED).height
        return _strayed(early, by) > nobody_knows

    def grouped(self, way: Way) -> Division:
        """Workers that share in pairs or more, or by themselves."""
        copies = []
        for block in way:
            mine = self.workers.filter(pl.col("number").is_in(block))
            names = self.names(mine)
            n, read = int(mine["n"].sum()), mine["read"].max()
            audited = max(0, read) if isinstance(read, int) else None
            lost = max(0, n - audited) if audited is not None else 0
            gone = audited is None and set(mine["boot"]) <= self.gone
            label = f"{'worker' if len(names) == 1 else 'workers'} {both(sorted(names))}"
            copies.append(Copy(label, None, None, None, n, audited, lost, gone=gone))
        copies.sort(key=lambda copy: copy.label)
        return Division("group", tuple(copies), self.say("group", tuple(copies)), self.what)

    def evenly(self) -> bool:
        """Copies that are shared by several workers each would have told just this: every number
        up to what was read, equally often."""
        if self.written.select(LEVELS["worker"]).n_unique() == 1 and self.named(
            self.written, "worker"
        ):
            return False
        times = self.written["value"].drop_nulls().value_counts()
        copies = most(times["count"])
        if self.written["value"].has_nulls():
            copies = -(-self.written.height // self.read)
        missing = copies * self.read - self.written.height
        return copies > 1 and 0 <= missing <= self.unknown and most(times["value"]) <= self.read

    def whole(self, of: Of) -> bool:
        """There are several copies, and each was asked for as many as were read there."""
        by = LEVELS[of]
        if not self.named(self.answered, of):
            return False
        asked = self.written.group_by(by).agg(n=pl.len().cast(pl.Int64))
        reads = self.audit.group_by(by).agg(read=pl.col("value").max())
        both = asked.join(reads, on=by, how="full", coalesce=True, nulls_equal=True)
        n, read = pl.col("n").fill_null(0), pl.col("read")
        return bool(
            both.height > 1
            and both.select((read.is_null() | (n <= read)).all()).item()
            and total(both.select((read - n).clip(0)).to_series()) <= self.unknown
        )

    def apart(self) -> Division | None:
        """The audits differ."""
        possible = [of for of in LABELS if self.possible(of)]
        apart = "thread" in possible and self.strays(LEVELS["worker"])
        if apart and not self.strays(LEVELS["thread"]):
            return self.several("thread")
        if ways := self.ways:
            return self.common(ways)
        return self.several(possible[0]) if possible else self.groups()

    def one(self) -> Division:
        n, read = self.written.height, self.read
        lost = max(0, n - read)
        more = f" ({read - n:,} never acknowledged)" if read > n else ""
        # unknown writes may stand for acknowledged ones that are gone
        doubtful = min(n, self.unknown, n + self.unknown - read)
        rest = f"{lost:,} lost." if lost else "Nothing lost."
        if not lost and doubtful > 0:
            rest = f"Nothing is certainly lost; {doubtful:,} may be."
        shown = most(self.audit["value"])
        sentence = f"1 {self.what}: {n:,} acknowledged, {shown:,} read{more}. {rest}"
        told = self.written["value"].drop_nulls()
        late = self.late(told.len() - told.n_unique(), n, read, self.unknown)
        copy = Copy(f"the {self.what}", None, None, None, n, read, lost, late)
        return Division("none", (copy,), sentence, self.what)

    @staticmethod
    def late(twice: int, acknowledged: int, read: int, unknown: int) -> int:
        """Count answers that repeat another without an update undone.

        Each missing update can explain one repetition, and an unknown write may stand for a
        missing one.
        """
        undone = max(0, acknowledged + unknown - read)
        return 0 if read < acknowledged else max(0, twice - undone)

    def unclear(self, lost: int, which: str, at_least: int = 1) -> Division:
        n, reads = self.written.height, self.audit["value"].clip(0).unique().sort().to_list()
        read: int | None = reads[-1]
        shown = self.audit["value"].unique().sort().to_list()
        said = f"{n:,} acknowledged, {both(f'{each:,}' for each in shown)} read"
        if len(reads) == 1 and n > reads[0] and at_least == 1:
            sentence = f"{said}: {n - reads[0]:,} lost, or several copies{which}."
        elif at_least == 1:
            sentence = f"{said}: one copy, or several."
        else:
            read = None
            sentence = f"{at_least} {self.what}s or more: {said}, but who shares one is not clear."
        if lost:
            sentence += f" {lost:,} {'is' if lost == 1 else 'are'} lost in any case."
        copy = Copy(f"the {self.what}", None, None, None, n, read, lost)
        return Division("unclear", (copy,), sentence, self.what, at_least)

    def several(self, of: Of) -> Division:
        copies = self.copies(LEVELS[of])
        if of == "worker":
            copies = tuple(self.certain(copy) if copy.lost else copy for copy in copies)
        return Division(of, copies, self.say(of, copies), self.what)

    def certain(self, copy: Copy) -> Copy:
        """Nothing is certainly lost of a worker's copy if each of its threads may have its own."""
        here = pl.lit(True)
        for name, label in (("boot", copy.boot), ("worker", copy.worker)):
            here &= pl.col(name).cast(pl.String).eq_missing(pl.lit(label).cast(pl.String))
        answered, audit = self.answered.filter(here), self.audit.filter(here)
        unlabelled = self.written.filter(~LABELLED)
        unknown = self.unknown + unlabelled.height
        mine = Seen(self.what, answered, audit, unknown, self.gone)
        return replace(copy, lost=0, late=0) if mine.exact("thread") else copy

    def groups(self) -> Division | None:
        """Workers that read the same share a copy, if each by itself holds more than it was
        asked."""
        by = LEVELS["worker"]
        if not (self.named(self.audit, "worker") and self.agree(by)):
            return None
        last = self.audit.sort("value").group_by(by).last()
        last = last.select(*by, group="value")
        if last["group"].n_unique() in (1, last.height):
            return None
        copies = []
        for (read,), workers in last.group_by("group", maintain_order=True):
            mine = self.written.join(workers, on=by, how="semi", nulls_equal=True).height
            names = both(sorted(self.names(workers)))
            lost = max(0, mine - max(0, read))
            copies.append(Copy(f"workers {names}", None, None, None, mine, read, lost))
        over = sum(max(0, (copy.audited or 0) - copy.acknowledged) for copy in copies)
        without = self.written.height - sum(copy.acknowledged for copy in copies)
        if over > self.unknown + without:
            return None
        copies.sort(key=lambda copy: copy.label)
        return Division("group", tuple(copies), self.say("group", tuple(copies)), self.what)

    def names(self, workers: pl.DataFrame) -> list[str]:
        return [
            str(worker if worker is not None else f"of boot {boot}")
            for boot, worker in workers.select("boot", "worker").iter_rows()
        ]

    def agree(self, by: list[str]) -> bool:
        """The reads of each group are reads of one state, which only unknown writes still
        change."""
        keys = [pl.col(name) for name in by] or [pl.lit(0).alias("all")]
        audit = self.audit.with_columns(keys).sort("value", "start")
        names = by or ["all"]
        spread = audit.group_by(names).agg(spread=pl.col("value").max() - pl.col("value").min())
        larger = pl.col("end").cum_min(reverse=True).shift(-1)
        larger_ended = larger.over(list(dict.fromkeys([*names, "clock"])))
        late = (larger_ended < pl.col("start")).fill_null(False)
        return bool(
            total(spread["spread"]) <= self.unknown
            and not audit.select(late.any()).item()
            and _begin_alike(audit, names)
        )

    def excess(self, of: Of) -> int:
        """Count answers and reads above what each copy had been asked by then."""
        by = LEVELS[of]
        labelled = self.answered.filter(pl.col(by[-1]).is_not_null() | pl.col(by[0]).is_not_null())
        begun = labelled.filter("write").sort("start")
        begun = begun.select(*by, at="start", asked=pl.int_range(1, pl.len() + 1).over(by))
        # a null is no key to join by
        key = pl.concat_str(
            [pl.col(name).cast(pl.String) for name in by], separator="/", ignore_nulls=True
        )
        begun = begun.select("at", pl.col("asked").cast(pl.Int64), key=key)
        told = labelled.select("value", at="end", key=key).drop_nulls("value").sort("at")
        if self.answered["clock"].n_unique() > 1:  # when is not known, but how many in all
            begun = begun.group_by("key").agg(pl.col("asked").max())
            over = told.join(begun, on="key", how="left")
        else:
            over = told.join_asof(begun, on="at", by="key", check_sortedness=False)
        over = over.group_by("key").agg(
            over=(pl.col("value") - pl.col("asked").fill_null(0)).max().clip(0)
        )
        return total(over["over"])

    def possible(self, of: Of) -> bool:
        """The audit's reads agree, and no copy holds more than it was asked, unless unknown writes
        or such without a label went there."""
        by = LEVELS[of]
        if not (self.named(self.audit, of) and self.agree(by)):
            return False
        label = pl.any_horizontal(pl.col(name).is_not_null() for name in by[:2])
        without = self.written.filter(~label).height
        return self.excess(of) <= self.unknown + without

    def exact(self, of: Of) -> bool:
        """There are several, each of which was told exactly 1, 2, 3 … up to what was read there."""
        by, written = LEVELS[of], self.written
        if not self.whole(of):
            return False
        value = pl.col("value")
        told = written.group_by(by).agg(
            n=pl.len().cast(pl.Int64),
            twice=value.drop_nulls().is_duplicated().any(),
            most=value.max().fill_null(0),
            least=value.min().fill_null(1),
        )
        return bool(
            told.select((~pl.col("twice") & (pl.col("least") > 0)).all()).item()
            and total(told.select((pl.col("most") - pl.col("n")).clip(0)).to_series())
            <= self.unknown
        )

    def copies(self, by: list[str]) -> tuple[Copy, ...]:
        label = pl.any_horizontal(pl.col(name).is_not_null() for name in by[:2])
        told = pl.col("value").drop_nulls()
        twice = (told.len() - told.n_unique()).cast(pl.Int64)
        written = self.written.filter(label).group_by(by)
        asked = written.agg(acknowledged=pl.len().cast(pl.Int64), twice=twice)
        read = self.audit.group_by(by).agg(audited=pl.col("value").max().clip(0))
        without = self.written.filter(~label).height
        joined = asked.join(read, on=by, how="full", coalesce=True, nulls_equal=True)
        joined = joined.with_columns(pl.col("acknowledged", "twice").fill_null(0))
        if by == LEVELS["client"]:
            joined = joined.filter(pl.col("acknowledged") > 0).sort("clock", "client")
        else:
            joined = joined.with_columns(pl.col("boot").cast(pl.String))
            joined = joined.sort("worker", *by, nulls_last=True)
        rows = list(joined.iter_rows(named=True))
        lives: dict[int | None, int] = {}
        for row in rows:
            lives[row.get("worker")] = lives.get(row.get("worker"), 0) + ("thread" not in row)
        copies = []
        for row in rows:
            boot, worker, thread = row.get("boot"), row.get("worker"), row.get("thread")
            name = f"boot {boot}" if worker is None else f"worker {worker}"
            if worker is not None and lives[worker] > 1 and boot is not None:
                name += f" (boot {boot})"
            if "client" in row:
                name = f"client {row['client']}"
            name += "" if thread is None else f" thread {thread}"
            acknowledged, audited = row["acknowledged"], row["audited"]
            lost = 0 if audited is None else max(0, acknowledged - audited)
            gone = audited is None and boot in self.gone
            late = 0
            if audited is not None:
                late = self.late(row["twice"], acknowledged, audited, self.unknown + without)
            copies.append(Copy(name, boot, worker, thread, acknowledged, audited, lost, late, gone))
        return tuple(copies)

    def say(self, of: Of, copies: tuple[Copy, ...]) -> str:
        total = "total" if self.what == COUNTER.name else "whole"
        acknowledged = sum(copy.acknowledged for copy in copies)
        lost = sum(copy.lost for copy in copies)
        gone = [copy for copy in copies if copy.gone]
        missed = [copy for copy in copies if copy.audited is None and not copy.gone]
        title = f"{len(copies)} {self.what}s, one per {of}: "
        if of == "group":
            title = f"{len(copies)} {self.what}s: {', '.join(copy.label for copy in copies)}: "
        if len(copies) - len(gone) == 1:
            title = f"{len(copies)} {self.what}s, one after the other: "
        without = self.written.height - acknowledged
        rest = f", and {without:,} without a label" if without else ""
        if of == "client":
            parts = _sum([copy.acknowledged for copy in copies])
            return f"{title}{parts} = {acknowledged:,} acknowledged. No answer is the {total}."
        clauses = [f"{lost:,} lost"] if lost else []
        doubtful = sum(
            c.acknowledged - c.lost - (c.audited or 0)
            for c in copies
            if c.audited is not None and c.acknowledged > c.audited
        )
        more = " more" if lost else ""
        doubt = f"{doubtful:,}{more} lost, or in a copy of another thread"
        clauses += [doubt] if doubtful > 0 else []
        if gone:
            forgotten = sum(copy.acknowledged for copy in gone)
            clauses.append(f"{forgotten:,} forgotten by {_named(gone)}, which answered no more")
        if missed:
            count = sum(copy.acknowledged for copy in missed)
            clauses.append(f"{count:,} not audited, of {_named(missed)}")
        nowhere = f"no answer is the {total}"
        if not clauses:
            parts = _sum([copy.acknowledged for copy in copies])
            said = f"{title}{parts} = {acknowledged:,} acknowledged{rest}."
            if without:
                held = sum(copy.audited or 0 for copy in copies)
                return f"{said} The copies hold {held:,}, and {nowhere}."
            return f"{said} Nothing lost, but {nowhere}."
        left = [min(c.acknowledged, c.audited) for c in copies if c.audited is not None]
        shown = f"{_sum(left)} = " if len(left) > 1 else ""
        said = f"{title}{shown}{sum(left):,} left of {acknowledged:,} acknowledged{rest}."
        if len(copies) - len(gone) > 1:
            clauses.append(nowhere)
        *first_, last = clauses
        return f"{said} {', '.join(first_)}, and {last}." if first_ else f"{said} {last}."


def _partitions(numbers: list[int]) -> Iterator[Way]:
    """All ways to put them into blocks."""
    if not numbers:
        yield []
        return
    first, *rest = numbers
    for blocks in _partitions(rest):
        yield [frozenset([first]), *blocks]
        for n, block in enumerate(blocks):
            yield [*blocks[:n], block | {first}, *blocks[n + 1 :]]


def _strayed(answered: pl.DataFrame, by: list[str]) -> int:
    """Count the values that a copy shows too early or too late for one state.

    A value counts if no write of the copy had been answered with it by then, or if another write
    had come after it.

    A write that was told v read v − 1. One state, however much its writes undo one another, shows
    none of these unless it is set back, but for one for each write whose value nobody knows; none
    at all of 0, which nobody writes.
    """
    keys = [pl.col(name).cast(pl.String) for name in by] or [pl.lit("all")]
    key = pl.concat_str(keys, separator="/", ignore_nulls=True)
    answered = answered.select("start", "end", "value", "write", "early", key=key)
    told = answered.drop_nulls("value")
    read = told.filter("early").with_columns(pl.col("value") - pl.col("write")).sort("end")
    if read.is_empty():
        return 0
    tops = read.group_by("key").agg(top=pl.col("value").max().clip(0))
    written = told.filter("write").sort("start")
    began = written.select(
        "key", "value", at="start", last=pl.col("end").cum_max().over("key", "value")
    )
    ended = answered.filter("write").sort("end")
    ended = ended.select("key", at="end", since=pl.col("start").cum_max().over("key"))
    on: dict[str, Any] = {"right_on": "at", "check_sortedness": False}
    read = read.join_asof(began, left_on="end", by=["key", "value"], **on)
    read = read.sort("start").join_asof(
        ended, left_on="start", by="key", allow_exact_matches=False, **on
    )
    # an empty state was written by nobody
    fresh = pl.when(pl.col("value") > 0).then(
        pl.col("last").is_not_null() & (pl.col("last") >= pl.col("since")).fill_null(True)
    )
    read = read.filter(~fresh.otherwise(pl.col("since").is_null()))
    none = IMPOSSIBLE if read.select((pl.col("value") < 1).any()).item() else 0
    values = told.filter("write").select("key", "value").unique()
    again = read.select("key", "value").unique().join(values, on=["key", "value"], how="semi")
    # to whoever has v, somebody wrote each number up to v
    written = values.filter(pl.col("value") > 0).join(tops, on="key")
    never = total(tops["top"]) - written.filter(pl.col("value") <= pl.col("top")).height
    return none + again.height + never


def total(values: pl.Series) -> int:
    """Their sum. A few of the largest that can be told are more than a column can hold."""
    return sum(values.drop_nulls().to_list())


def most(values: pl.Series) -> int:
    """The largest of these whole numbers, or 0."""
    largest = values.max()
    return largest if isinstance(largest, int) else 0


def _named(copies: list[Copy]) -> str:
    names = [copy.label for copy in copies]
    return both(names if len(names) <= 4 else [*names[:3], number(len(names) - 3, "other")])


def _sum(numbers: list[int]) -> str:
    shown = [f"{each:,}" for each in numbers]
    return " + ".join(shown if len(shown) <= 8 else [*shown[:4], "…", shown[-1]])


def _begin_alike(reads: pl.DataFrame, names: list[str]) -> bool:
    """Each group's reads of a list, in the order of their lengths, are beginnings of the last."""
    reads = reads.select(*names, "items").filter(pl.col("items").list.len() > 0)
    longest = reads.group_by(names, maintain_order=True).agg(longest=pl.col("items").last())
    length = pl.col("longest").list.len().cast(pl.Int64)
    begins = longest.select(*names, begin=length.cum_sum() - length)
    # the longest is not put beside each read: that would be as many items as reads times items
    position = pl.int_ranges(0, pl.col("items").list.len().cast(pl.Int64))
    items = reads.join(begins, on=names, nulls_equal=True).select("items", "begin", at=position)
    items = items.explode("items", "at")
    other = longest["longest"].explode().gather(items["begin"] + items["at"])
    return bool((items["items"] == other).all())
