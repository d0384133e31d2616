"""Drop the answer to a write on its way from Redis, as a network that breaks does."""

from pathlib import Path

from loadtest.server.fault import Fault, Target
from loadtest.server.workers import until


def inject(target: Target) -> str:
    assert target.lose
    file = Path(target.lose)
    file.touch()
    until(lambda: not file.exists(), "no answer was dropped")
    return "the answer to a write"


FAULT = Fault(
    "lose-reply",
    row=12,
    called="a network that breaks",
    ends="nothing",
    needs="Redis",
    inject=inject,
    loses_replies=True,
)
