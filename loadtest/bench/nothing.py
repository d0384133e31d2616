"""A store that does nothing: what Flask and gunicorn cost by themselves, for the benchmark.

Lives in: request. There is no state.
Guard: none. There is nothing to guard.
Loses: everything.
"""


def create() -> int:
    return 0


def increment() -> int:
    return 1


def read() -> int:
    return 0


def append(item: str) -> int:
    return 1


def items() -> list[str]:
    return []
