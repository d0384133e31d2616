"""For each wrong idiom, the shortest order of steps in which it goes wrong, one actor a line.

Where two requests take turns at the idiom's pause there are six orders; the tests go through them
all, and see these go wrong and those one after the other not. Where somebody has to stand still
for longer, or where greenlets take turns, a test does just that. Where the gap lies elsewhere
(inside the database, a library, or between two workers) the steps were written by hand.
"""

from __future__ import annotations

from typing import NamedTuple

from loadtest.checker import Failure
from variants.facts import Facts, facts
from variants.gallery import GALLERY

Steps = tuple[str, ...]
TRIED = "all six orders at the pause were tried"
TESTED = "a test does just this"


class Order(NamedTuple):
    """Steps that end in a fault, how they are known, and where they happen, if not everywhere."""

    fault: Failure
    steps: Steps
    known: str = "by hand"
    where: str = ""


TWO_READ_THE_SAME = (
    "A reads 0, and pauses",
    "B reads 0, and pauses",
    "A writes 1, is told 1",
    "B writes 1, is told 1",
    "the count is 1",
)
READ_AGAIN = (
    "A counts up to 1, and pauses",
    "B counts up to 2, and pauses",
    "A reads, is told 2",
    "B reads, is told 2",
    "the count is 2",
)
EXPLORED = {
    "sqlite_default": TWO_READ_THE_SAME,
    "orm_attribute": TWO_READ_THE_SAME,
    "orm_for_update": TWO_READ_THE_SAME,
    "postgres_attribute": TWO_READ_THE_SAME,
    "redis_get_set": TWO_READ_THE_SAME,
    "redis_incr_get": READ_AGAIN,
    "json_file": TWO_READ_THE_SAME,
    "json_file_replace": TWO_READ_THE_SAME,
    "shared_value_unlocked": TWO_READ_THE_SAME,
    "server_session": TWO_READ_THE_SAME,
    "app_config": TWO_READ_THE_SAME,
    "prometheus_counter": READ_AGAIN,
    "prometheus_multiprocess": READ_AGAIN,
}
PLAYED = {
    "lru_cache": Order(
        Failure.ANSWERS_LATE,
        (
            "A reads 0 from Redis, to keep it",
            "B counts up to 1, drops what is kept, is told 1",
            "A keeps 0, is told 0",
            "C reads, is told 0",
        ),
        TESTED,
        "Within a worker",
    ),
    "redis_lock_ttl": Order(
        Failure.LOSES,
        (
            "A takes the lock, reads 0, and stands still until it has expired",
            "B takes the lock, reads 0, writes 1, is told 1",
            "C takes the lock, reads 1, writes 2, is told 2",
            "A goes on, writes 1, is told that the lock is not its own",
            "the count is 1",
        ),
        TESTED,
    ),
    "shared_value": Order(
        Failure.LOSES,
        (
            "A takes the lock, reads 0, and pauses",
            "B, a greenlet of the same thread, takes the lock again, reads 0, and pauses",
            "A writes 1, is told 1",
            "B writes 1, is told 1",
            "the count is 1",
        ),
        TESTED,
        "Under gevent",
    ),
    "thread_local": Order(
        Failure.LOSES,
        (
            "A counts up to 1, is told 1",
            "A's connection ends, and its greenlet with it",
            "B reads, is told 0",
        ),
        TESTED,
        "Under gevent",
    ),
}
BY_HAND = {
    "sqlite_deferred": Order(
        Failure.REFUSES,
        (
            "A begins, and reads 0",
            "B begins, and reads 0",
            "A writes 1; its COMMIT waits until B reads no more",
            "B wants to write, is told that the database is locked",
        ),
    ),
    "orm_expression": Order(
        Failure.ANSWERS_LATE,
        (
            "A writes count + 1, and commits",
            "B writes count + 1, and commits",
            "A reads, is told 2",
            "B reads, is told 2",
        ),
    ),
    "postgres_serializable": Order(
        Failure.REFUSES,
        (
            "A reads 0",
            "B reads 0",
            "A writes 1, and commits",
            "B wants to write, is told that access could not be serialized",
        ),
    ),
    "lru_cache": Order(
        Failure.ANSWERS_LATE,
        (
            "A at worker 1 reads 0, which worker 1 keeps",
            "B at worker 2 counts up to 1, is told 1",
            "A at worker 1 reads, is told 0",
        ),
        where="Between workers",
    ),
    "filesystem_cache": Order(
        Failure.LOSES,
        (
            "A reads 0 from the file",
            "B reads 0 from the file",
            "A replaces it by 1, is told 1",
            "B replaces it by 1, is told 1",
        ),
    ),
    "gunicorn_stash": Order(Failure.LOSES, TWO_READ_THE_SAME),
    "session_cookie": Order(
        Failure.DIVIDED,
        (
            "A brings no cookie, is told 1, and keeps a cookie that says so",
            "B brings no cookie, is told 1, and keeps a cookie that says so",
            "C brings no cookie, and reads 0",
        ),
    ),
}


def orders(idiom: str) -> list[Order]:
    """Ways in which an idiom goes wrong, with what happens on one machine first; none for what
    does not go wrong."""
    said = facts(idiom) if idiom in GALLERY else None
    if said is None:
        return []
    found = []
    if steps := EXPLORED.get(idiom):
        late = steps is READ_AGAIN
        found.append(Order(Failure.ANSWERS_LATE if late else Failure.LOSES, steps, TRIED))
    found += [BY_HAND[idiom]] if idiom in BY_HAND else []
    found += [apart(said)] if said.lives_in in ("thread", "worker") else []
    found += [PLAYED[idiom]] if idiom in PLAYED else []
    # a store on one machine is no longer one on two, whatever guards it
    return found or [apart(said)] * (said.lives_in == "machine")


def apart(said: Facts) -> Order:
    """Return the order of steps for a state that lives in several places."""
    place = said.lives_in
    where = "Between " + ("two machines" if place == "machine" else f"{place}s")
    where += ", without --preload" * (said.preloaded != place)
    in_ = "in" if place == "thread" else "at"
    steps = (
        f"A {in_} {place} 1 counts up to 1, is told 1",
        f"B {in_} {place} 2 counts up to 1, is told 1",
        f"{place} 1 has 1, {place} 2 has 1",
    )
    return Order(Failure.DIVIDED, steps, where=where)
