"""Explain a check of somebody's own app, and say what to do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path
from urllib.parse import quote

from loadtest import ROOT
from loadtest.cell import Cell
from loadtest.checker import Failure, Verdict
from loadtest.checker.words import both, percent
from loadtest.history.operation import printable
from loadtest.trial import Server

FIXED_BY = {
    Failure.LOSES: ("locked_global", "sqlite_row", "redis_key"),
    Failure.DIVIDED: ("sqlite_row", "redis_key"),
    Failure.ANSWERS_LATE: ("redis_key",),
    Failure.FORGETS: ("sqlite_row",),
    Failure.LEAKS: ("flask_g",),
    Failure.OVERSELLS: ("sqlite_row", "redis_key"),
    Failure.TURNS_AWAY: ("sqlite_row", "redis_key"),
    Failure.REFUSES: ("redis_key",),
    Failure.REPEATS: ("sqlite_row", "redis_key"),
}
"""The variants that show a fix; a lock is one if there is one worker."""
EXPLAINED = {
    (Failure.LOSES, "request"): (
        "each request has a state of its own, which ends with it",
        "keep it in a place that outlives the request; no lock helps",
        ("sqlite_row", "redis_key"),
    ),
    (Failure.LOSES, "overlap"): (
        "two requests read the same state, and both wrote",
        Failure.LOSES.fix,
        FIXED_BY[Failure.LOSES],
    ),
    (Failure.LOSES, "coroutine"): (
        "two requests read the same state, and both wrote; in one process they overlap at each "
        "await of an async def, and a def runs in a pool of threads",
        "make read and write one step: in async def hold an asyncio.Lock, in def a threading.Lock "
        "(which hangs the app if it is held across an await); with several workers, a "
        "transaction or one command of the store",
        ("sqlite_row", "redis_key"),
    ),
    (Failure.LEAKS, "connection"): (
        "workers answer with each other's replies",
        "open connections in each worker, at first use or in a post_fork hook; what is opened at "
        "import is shared after a fork",
        ("redis_key",),
    ),
    (Failure.REFUSES, "broken"): (
        "from some moment on every request or every write failed",
        "look at the first failure; what one request left half written stops all later ones",
        ("sqlite_row", "redis_key"),
    ),
    (Failure.DIVIDED, "worker"): (
        "each worker has a copy, and no answer is the total",
        "keep it in one place that all workers share; one worker is such a place",
        FIXED_BY[Failure.DIVIDED],
    ),
    (Failure.DIVIDED, "thread"): (
        "each thread has a copy, and no answer is the total",
        "keep it in one place that all threads share; one worker has several threads, too",
        ("locked_global", *FIXED_BY[Failure.DIVIDED]),
    ),
    (Failure.DIVIDED, "client"): (
        "each client keeps a copy, and the server has no total",
        "keep it on the server; for something of one visitor, a copy per client is right",
        FIXED_BY[Failure.DIVIDED],
    ),
    (Failure.DIVIDED, "group"): (
        "each group of workers has a copy, such as those of one machine",
        "keep it in one place that all machines share",
        ("redis_key",),
    ),
}
"""Meaning, fix and variants of a failure, if the verdict shows its cause."""
OF_KINDS = {
    (Failure.LEAKS, "request"): (
        "a request is answered with what another left in a place that both share",
        "keep it in flask.g, or hand it on as an argument",
        ("flask_g",),
    ),
    (Failure.LEAKS, "visitor"): (
        "a visitor is answered what another wrote",
        "keep it under a key of the visitor, such as a row of their own, or in their cookie",
        ("sqlite_row", "redis_key"),
    ),
    (Failure.LOSES, "request"): (
        "what a request put there does not come back in its answer",
        "keep it in flask.g, or hand it on as an argument",
        ("flask_g",),
    ),
    (Failure.DIVIDED, "visitor"): (
        "the other workers do not have what a visitor wrote to one",
        "keep it in one place that all workers share, or in the visitor's cookie",
        ("sqlite_row", "redis_key"),
    ),
    (Failure.FORGETS, "visitor"): (
        "what a visitor wrote is gone, though it was acknowledged",
        "keep it in a place that outlives the request and the worker",
        ("sqlite_row",),
    ),
}
"""Like EXPLAINED, of the kinds of state that are no count."""
HELD = {
    "request": "each request was answered with its own data",
    "visitor": "each visitor's last text came back",
    "claim": "no more claims succeeded than there are places",
    "check": "every check passed",
}
"""The kinds of state that are no count, in a sentence about cells in which nothing is wrong."""


SLOW_MS = 1000
"""The median of answers, in milliseconds, that is mentioned."""


@dataclass(frozen=True)
class Advice:
    """A failure of an app, the servers that show it, its fix, and variants that show the fix."""

    failure: Failure
    where: str
    cause: str
    remedy: str
    variants: tuple[str, ...]

    def __str__(self) -> str:
        files = ", ".join(f"variants/{variant}.py" for variant in self.variants)
        return f"{self.meaning} {self.fix}" + (f" See {files}." if files else "")

    @property
    def meaning(self) -> str:
        does = "is divided" if self.failure is Failure.DIVIDED else str(self.failure)
        return f"It {does} at {self.where}: {self.cause}."

    def links(self, page: Path) -> Iterator[tuple[str, str]]:
        """Yield the variants, and their addresses as seen from a page."""
        for variant in self.variants:
            file = ROOT / "variants" / f"{variant}.py"
            yield variant, quote(relpath(file, page.absolute().parent))

    @property
    def fix(self) -> str:
        return f"Fix: {self.remedy}."


@dataclass(frozen=True)
class Meaning:
    """The meaning of cells for an app, in the order in which it is printed."""

    before: tuple[str, ...]
    advice: tuple[Advice, ...]
    summary: str
    refused: tuple[str, ...]

    @property
    def sentences(self) -> list[str]:
        rest = [self.summary] if self.summary else []
        return [*self.before, *map(str, self.advice), *rest, *self.refused]


def meaning(cells: Sequence[Cell]) -> Meaning | None:
    """Return the meaning of these cells; None if they are not of somebody's own app."""
    own = [cell for cell in cells if cell.trial.own]
    if not own:
        return None
    return Meaning(tuple(before(own)), tuple(advice(own)), summary(own), tuple(refused(own)))


def advice(cells: Sequence[Cell]) -> Iterator[Advice]:
    """Yield the advice on each failure and cause, in the order in which to fix them."""
    for failure in Failure:
        servers: dict[tuple[str, str, tuple[str, ...]], list[Server]] = {}
        for cell in cells:
            if failure in cell.verdict.failures:
                asgi = cell.trial.server.worker_class == "asgi"
                explained = explain(failure, cell.verdict, asgi=asgi)
                servers.setdefault(explained, []).append(cell.trial.server)
        for (cause, remedy, variants), where in servers.items():
            several = any(server.workers != 1 for server in where)
            shown = tuple(each for each in variants if not (several and each == "locked_global"))
            yield Advice(failure, ", ".join(map(str, where)), cause, remedy, shown)


def explain(
    failure: Failure, verdict: Verdict, *, asgi: bool = False
) -> tuple[str, str, tuple[str, ...]]:
    """Return cause, fix and variants of a failure, as far as the verdict shows its cause."""
    if verdict.only_kinds:
        of_kinds = [(failure, each.kind) for each in verdict.kinds if failure in each.failures]
        known = [OF_KINDS[each] for each in of_kinds if each in OF_KINDS]
        return [*known, (failure.meaning, failure.fix, FIXED_BY.get(failure, ()))][0]
    of = str(verdict.division.of) if verdict.division else ""
    if failure is Failure.LOSES and of != "request":
        names = {anomaly.name for anomaly in verdict.anomalies}
        of = ("coroutine" if asgi else "overlap") if "lost update" in names else ""
    if failure is Failure.REFUSES and verdict.broken_since is not None:
        of = "broken"
    if failure is Failure.LEAKS and verdict.mixed_replies:
        of = "connection"
    general = (failure.meaning, failure.fix, FIXED_BY.get(failure, ()))
    return EXPLAINED.get((failure, of), general)


def summary(cells: Sequence[Cell]) -> str:
    """Summarize cells in which nothing is wrong or nothing is shown."""
    kinds = {each.kind: HELD[each.kind] for cell in cells for each in cell.verdict.kinds}
    if all(cell.verdict.verdict == "holds" for cell in cells):
        return f"Nothing went wrong: {both(kinds.values())}. What no request did is not shown."
    if all(cell.verdict.linearizable for cell in cells):
        if failed := [cell for cell in cells if cell.verdict.mostly_failed]:
            return " ".join(
                f"{cell.name}: {cell.verdict.ok:,} of {cell.verdict.asked:,} requests were "
                "answered ok, and nothing is wrong among these."
                for cell in failed
            )
        if any(cell.verdict.refuses for cell in cells):
            return ""
        whoever = "Nothing went wrong: one count, whoever was asked"
        if all(cell.trial.after_restart for cell in cells):
            return f"{whoever}, after a restart too. What no request did is not shown."
        return (
            f"{whoever}. What no request did while this ran is not shown, nor what a restart would "
            "do (AUDIT_AFTER_RESTART=1)."
        )
    unclear = [cell for cell in cells if cell.verdict.violated and not cell.verdict.failures]
    if checks := of_checks(cells):
        return checks
    if unclear:
        said = " ".join(f"{cell.name}: {printable(cell.verdict.why)}" for cell in unclear)
        theirs = any(cell.trial.own and cell.trial.own.runs_already for cell in unclear)
        return (
            f"{said} Served from here, with APP=…, each answer names its worker, so that lost "
            "updates and several copies can be distinguished."
            if theirs
            else said
        )
    if any(cell.verdict.inconclusive for cell in cells):
        return "Not everything could be shown; longer runs (DURATION=5) or more clients may."
    return ""


def of_checks(cells: Sequence[Cell]) -> str:
    """Compare a check of one's own over the topologies, and say what would explain the shares."""
    shares: dict[Server, float] = {}
    for cell in cells:
        for each in cell.verdict.kinds:
            if each.kind == "check" and each.judged:
                shares[cell.trial.server] = each.wrong / each.judged
    failing = {server: share for server, share in shares.items() if share}
    if not failing:
        return ""
    shown = ", ".join(
        f"{'none' if not share else percent(share)} at {server}" for server, share in shares.items()
    )
    alone = [server for server in shares if server.workers == 1]
    if alone and not any(shares[server] for server in alone):
        # of n copies, n - 1 do not have what another was given
        copied = all(
            abs(share - (1 - 1 / server.workers)) < 0.5 / server.workers
            for server, share in failing.items()
        )
        why = "a copy per worker explains it" if copied else "several workers explain it"
    elif any(server.threads == 1 and not shares[server] for server in alone):
        why = "requests that overlap in one worker explain it"
    else:
        why = "neither threads nor workers explain it"
    return f"Checks that failed: {shown}: {why}."


def before(cells: Sequence[Cell]) -> Iterator[str]:
    """Yield sentences on workers that disagreed before the load."""
    for cell in cells:
        if len(set(cell.before)) > 1:
            counts = ", ".join(f"{count:,}" for count in cell.before)
            yield f"{cell.name}: divided before the load; its workers answered {counts}."


def refused(cells: Sequence[Cell]) -> Iterator[str]:
    """Yield sentences on requests that the app refused on purpose, and on slow answers."""
    for cell in cells:
        verdict = cell.verdict
        if verdict.refused:
            statuses = f" ({cell.refusals.refused})" if cell.refusals.refused else ""
            yield (
                f"{cell.name}: {verdict.refused:,} of {verdict.asked:,} requests were answered "
                f"4xx{statuses}. That is an answer, not a failure."
            )
        slowest = max((kind.median or 0 for kind in verdict.answered), default=0)
        if slowest >= SLOW_MS:
            yield f"{cell.name}: half of the answers took {slowest / 1000:.1f} s or longer."
