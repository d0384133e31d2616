"""An object of which each thread has its own.

Lives in: thread. Each thread that touches it gets one that is empty; so does each connection under
  gevent, where it has a greenlet of its own.
Guard: none. It needs none: no other thread can see it.
Loses: nothing within a thread, but the total between threads, and between workers. Under gevent all
  that a connection has counted ends with it.
Survives: request. Under flask run each connection has a thread of its own, so that it ends with the
  request.
Steps: loses, tested, under gevent: A counts up to 1, is answered 1; A's connection ends, and its
  greenlet with it; B reads, is answered 0
Seen in: github.com/arXiv/arxiv-base/pull/125 (as a fix), github.com/feincms/feincms/issues/454
Instead: redis_key
"""

import threading

from variants.pause import pause


class State(threading.local):
    count = 0

    def __init__(self) -> None:
        self.entries: list[str] = []


state = State()


def create() -> int:
    state.count = 0
    state.entries.clear()
    return 0


def increment() -> int:
    seen = state.count
    pause()
    state.count = seen + 1
    return seen + 1


def read() -> int:
    return state.count


def append(item: str) -> int:
    seen = len(state.entries)
    pause()
    state.entries.append(item)
    return seen + 1


def items() -> list[str]:
    return list(state.entries)


def remember(name: str) -> None:
    state.name = name


def recall() -> str:
    return state.name
