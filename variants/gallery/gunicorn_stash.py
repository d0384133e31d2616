"""gunicorn's own stash, by its recipe for global counters.

Lives in: machine. The dirty arbiter, a process beside the workers, keeps it for all of them.
Guard: none. Its documentation says so: get and put are two messages, and others may come between.
Loses: updates. Two get the same count, and both put back one more. Before anybody has put one, get
  raises, although the recipe names a default (gunicorn 27).
Survives: worker. It ends with the arbiter.
Served: with --dirty-app variants.gallery.gunicorn_stash:Nothing --dirty-workers 1
Steps: loses, by hand: A reads 0, and pauses; B reads 0, and pauses; A writes 1, is answered 1; B
  writes 1, is answered 1; the count is 1
Seen in: github.com/benoitc/gunicorn (docs/content/dirty.md, Global Counters)
Instead: redis_key
"""

from gunicorn.dirty import DirtyApp, stash

from variants.pause import pause


class Nothing(DirtyApp):
    # the arbiter runs for the sake of an app
    pass


def create() -> int:
    stash.put("cache", "count", 0)
    stash.put("cache", "entries", [])
    return 0


def increment() -> int:
    seen = stash.get("cache", "count", 0)
    pause()
    stash.put("cache", "count", seen + 1)
    return seen + 1


def read() -> int:
    return stash.get("cache", "count", 0)


def append(item: str) -> int:
    entries = stash.get("cache", "entries", [])
    pause()
    stash.put("cache", "entries", [*entries, item])
    return len(entries) + 1


def items() -> list[str]:
    return stash.get("cache", "entries", [])
