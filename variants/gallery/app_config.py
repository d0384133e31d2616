"""The app's own configuration as a place to keep things.

Lives in: worker. Each worker has an app of its own.
Guard: none. While one thread pauses, another reads the same count.
Loses: updates between the threads of a worker, and the total between workers.
Survives: request.
Steps: loses, explored: A reads 0, and pauses; B reads 0, and pauses; A writes 1, is answered 1; B
  writes 1, is answered 1; the count is 1
Seen in: github.com/fastapi/fastapi/issues/592 (app.counter)
Instead: redis_key
"""

from flask import current_app

from variants.pause import pause


def create() -> int:
    current_app.config["COUNT"] = 0
    current_app.config["ENTRIES"] = []
    return 0


def increment() -> int:
    seen = current_app.config.setdefault("COUNT", 0)
    pause()
    current_app.config["COUNT"] = seen + 1
    return seen + 1


def read() -> int:
    return current_app.config.setdefault("COUNT", 0)


def append(item: str) -> int:
    entries = current_app.config.setdefault("ENTRIES", [])
    seen = len(entries)
    pause()
    entries.append(item)
    return seen + 1


def items() -> list[str]:
    return list(current_app.config.setdefault("ENTRIES", []))
