"""The log of a shaken server: the instructions that requests rested at, and who met whom."""

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from loadtest.history import Operation

AT_ONCE = 64
"""So many requests before one may still be there when it comes."""
TIMED_OUT = ("timeout", "timed out", "locked")
"""The words of an error that rests may have caused, because they made others wait."""
NEAR = 20
"""So many lines apart a rest may belong to a write that no read precedes."""
PATIENCE_NS = 1_000_000_000


Step = tuple[int, str, str, str]
"""An access: its time, place, kind ("read" or "write") and name."""


@dataclass(frozen=True, eq=False)
class Shaken:
    """A request, as its worker logged it: the fields of shake.py."""

    worker: int
    thread: int | None
    start: int
    end: int
    status: int | None
    error: tuple[str, str, str] | None
    rests: tuple[tuple[int, int, str, str], ...]
    steps: tuple[Step, ...]
    functions: dict[str, tuple[int, int]]

    @property
    def failed(self) -> bool:
        """True if its own code raised, and it was answered 5xx, but not because others rested."""
        if not self.error or self.status is None or self.status < 500:
            return False
        words = " ".join(self.error[:2]).lower()
        waited = self.end - self.start > PATIENCE_NS
        return not waited and not any(word in words for word in TIMED_OUT)


@dataclass(frozen=True)
class Coverage:
    """The instructions that requests rested at, and those at which another request was `met`.

    A request meets another if both are inside one function.
    """

    rested: frozenset[str]
    met: frozenset[str]


@dataclass(frozen=True)
class Moment:
    """A rest into which another request came, in words, and the steps of both requests."""

    sentence: str
    steps: str = ""
    processes: bool = False
    """True if two processes met: they are never kept apart by the GIL."""


@dataclass(frozen=True)
class ShakeLog:
    """The log of a shaken server."""

    python: str
    gil: bool
    requests: tuple[Shaken, ...]


def read(path: Path) -> ShakeLog:
    """Read the log of a shaken server; a line that its worker did not finish is left out."""
    python, gil, requests = "", True, []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        with suppress(ValueError):
            found = json.loads(line)
            if "python" in found:
                python, gil = found["python"], found["gil"]
            else:
                found["steps"] = tuple(map(tuple, found["steps"]))
                requests.append(Shaken(**found))
    return ShakeLog(python, gil, tuple(requests))


def coverage(requests: Sequence[Shaken]) -> Coverage:
    """Return the instructions that requests rested at."""
    inside: dict[str, list[tuple[int, int, Shaken]]] = defaultdict(list)
    for request in requests:
        for function, (first, last) in request.functions.items():
            inside[function].append((first, last, request))
    for visits in inside.values():
        visits.sort(key=lambda visit: visit[:2])
    rested: set[str] = set()
    met: set[str] = set()
    for request in requests:
        for start, end, _, point in request.rests:
            rested.add(point)
            if point in met:
                continue
            visits = inside[point.rpartition(":")[0]]
            last_one = bisect_right(visits, end, key=lambda visit: visit[0])
            others = visits[max(0, last_one - AT_ONCE) : last_one]
            if any(last >= start and other is not request for _, last, other in others):
                met.add(point)
    return Coverage(frozenset(rested), frozenset(met))


def matching(requests: Sequence[Shaken], operations: Sequence[Operation]) -> list[Shaken]:
    """Return the requests that are these operations, which their clients timed from outside."""
    return [
        request
        for operation in operations
        for request in requests
        if (request.worker, request.thread) == (operation.worker, operation.thread)
        and request.start >= operation.start
        and (operation.end is None or request.end <= operation.end)
    ]


def overlapping(requests: Sequence[Shaken], request: Shaken) -> Iterator[Shaken]:
    """Yield the other requests that were under way at some time of this one."""
    for other in requests:
        if other is not request and other.start <= request.end and other.end >= request.start:
            yield other


def moment(requests: Sequence[Shaken], operations: Sequence[Operation] = ()) -> Moment | None:
    """Return the rest that explains why these operations, or the first that failed, went wrong."""
    requests = [request for request in requests if request.rests or request.steps]
    failed = [request for request in requests if request.failed]
    suspects = matching(requests, operations) or failed[:1]
    pairs = [(one, other) for one in suspects for other in suspects if one is not other]
    for one in suspects:
        for other in overlapping(requests, one):
            pairs += [(one, other), (other, one)]
    everybody = ((one, other) for one in requests for other in overlapping(requests, one))
    # a request that had read what another wrote says more, even if it is another request
    for has_read, candidates in ((True, pairs), (True, everybody), (False, pairs)):
        for one, other in candidates:
            if found := window(one, other, has_read):
                return found
    for one in suspects:
        # a request that failed did so soon after its last access
        first, end = (one.steps[-1][0] if one.failed and one.steps else one.start), one.end
        for other in (*overlapping(requests, one), one):
            for start, until, place, _ in other.rests:
                if start <= end and until >= first:
                    return aside(one, other, place)
    return None


def window(one: Shaken, other: Shaken, has_read: bool) -> Moment | None:
    """Return the rest of one request after which it wrote what the other had written meanwhile."""
    if one.error and not one.failed:
        return None
    for start, end, place, _ in reversed(one.rests):
        for written in other.steps:
            when, _, kind, name = written
            if kind != "write" or not start <= when <= end:
                continue
            reads = last(one, "read", name, start)
            overwrote = [
                step for step in one.steps if step[0] >= end and step[2:] == ("write", name)
            ]
            if not overwrote or bool(reads) != has_read:
                continue
            if not reads and not near(place, overwrote[0][1]):
                continue
            both = [("A", *step) for step in (*reads, overwrote[0])]
            both += [("B", *step) for step in (*last(other, "read", name, when), written)]
            between = "between reading `{}` and writing it" if reads else "before writing `{}`"
            sentence = f"{place}, {between.format(name)}, another request wrote it"
            if one.failed:
                sentence += f"; then {raised(one)}"
            steps = in_words(sorted(both, key=lambda step: step[1]))
            return Moment(f"{sentence}.", steps, one.worker != other.worker)
    return None


def near(place: str, other: str) -> bool:
    """Return True if two places are in one file, few lines apart."""
    (file, _, line), (other_file, _, other_line) = place.rpartition(":"), other.rpartition(":")
    return file == other_file and abs(int(line) - int(other_line)) <= NEAR


def last(request: Shaken, kind: str, name: str, until: int) -> list[Step]:
    """Return the last access of that kind to a name, up to a time; none if there is none."""
    return [step for step in request.steps if step[0] <= until and step[2:] == (kind, name)][-1:]


def aside(one: Shaken, other: Shaken, place: str) -> Moment:
    """Return a moment of which no more is known than who rested where."""
    if one.failed:
        who = "the same request had rested" if one is other else "another request rested"
        return Moment(f"{raised(one)}, where {who} at {place}.")
    return Moment(
        f"A request rested at {place} while another was answered.",
        processes=one.worker != other.worker,
    )


def raised(request: Shaken) -> str:
    assert request.error
    kind, text, place = request.error
    return f"{kind}: {text} at {place}" if text else f"{kind} at {place}"


def in_words(steps: Sequence[tuple[str, int, str, str, str]]) -> str:
    """Describe steps: "A read `hits` at shop.py:12, B read at :12, B wrote at :13"."""
    words: list[str] = []
    file = called = ""
    # A is the first to come
    letters = dict(zip(dict.fromkeys(step[0] for step in steps), "AB", strict=False))
    for request, _, place, kind, name in steps:
        who = letters[request]
        at, _, line = place.rpartition(":")
        what = "" if name == called else f" `{name}`"
        verb = "read" if kind == "read" else "wrote"
        words.append(f"{who} {verb}{what} at {'' if at == file else at}:{line}")
        file, called = at, name
    return ", ".join(words)
