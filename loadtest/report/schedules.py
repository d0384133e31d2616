"""For each wrong idiom, the shortest order of steps in which it goes wrong, one actor a line.

Where two requests take turns at the idiom's pause there are six orders; the tests go through them
all, and see these go wrong and those one after the other not. Where somebody has to stand still
for longer, a test does just that. Where the gap lies elsewhere (inside the database, a library, or
between two workers) the steps were written by hand.
"""

from __future__ import annotations

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
    "redis_lock_ttl": (
        "A takes the lock, reads 0, and stands still until it has expired",
        "B takes the lock, reads 0, writes 1, is told 1",
        "C takes the lock, reads 1, writes 2, is told 2",
        "A goes on, writes 1, is told that the lock is not its own",
        "the count is 1",
    ),
}
APART = (
    "A at worker 1 counts up to 1, is told 1",
    "B at worker 2 counts up to 1, is told 1",
    "worker 1 has 1, worker 2 has 1",
)
BY_HAND = {
    "sqlite_deferred": (
        "A begins, and reads 0",
        "B begins, and reads 0",
        "A writes 1; its COMMIT waits until B reads no more",
        "B wants to write, is told that the database is locked",
    ),
    "orm_expression": (
        "A writes count + 1, and commits",
        "B writes count + 1, and commits",
        "A reads, is told 2",
        "B reads, is told 2",
    ),
    "postgres_serializable": (
        "A reads 0",
        "B reads 0",
        "A writes 1, and commits",
        "B wants to write, is told that access could not be serialized",
    ),
    "lru_cache": (
        "A at worker 1 reads 0, which worker 1 keeps",
        "B at worker 2 counts up to 1, is told 1",
        "A at worker 1 reads, is told 0",
    ),
    "filesystem_cache": (
        "A reads 0 from the file",
        "B reads 0 from the file",
        "A replaces it by 1, is told 1",
        "B replaces it by 1, is told 1",
    ),
    "gunicorn_stash": TWO_READ_THE_SAME,
    "shared_value": APART,
    "manager": APART,
    "simple_cache": APART,
    "session_cookie": (
        "A brings no cookie, is told 1, and keeps a cookie that says so",
        "B brings no cookie, is told 1, and keeps a cookie that says so",
        "C brings no cookie, and reads 0",
    ),
    "thread_local": (
        "A in thread 1 counts up to 1, is told 1",
        "B in thread 2 counts up to 1, is told 1",
        "thread 1 has 1, thread 2 has 1",
    ),
}


def schedule(idiom: str) -> tuple[str, ...]:
    """The steps, and where they are from; nothing for an idiom that does not go wrong."""
    if idiom in EXPLORED:
        return (*EXPLORED[idiom], "(all six orders at the pause were tried)")
    if idiom in PLAYED:
        return (*PLAYED[idiom], "(a test does just this)")
    if idiom in BY_HAND:
        return (*BY_HAND[idiom], "(by hand)")
    return ()
