"""Sentences of documentation that several faults put to the test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtest.server.fault import Quotation

if TYPE_CHECKING:
    from loadtest.checker import Verdict


def nothing_is_gone(verdict: Verdict) -> bool:
    return not verdict.failures & {"forgets", "loses"}


SQLITE_IS_DURABLE = Quotation(
    "SQLite",
    "transactions that are atomic, consistent, isolated, and durable, even if the transaction "
    "is interrupted by a program crash, an operating system crash, or a power failure to the "
    "computer.",
    "sqlite.org/transactional.html",
    nothing_is_gone,
)
REDIS_SYNCS_EACH_COMMAND = Quotation(
    "Redis",
    "fsync every time new commands are appended to the AOF. Very very slow, very safe.",
    "redis.io/docs/latest/operate/oss_and_stack/management/persistence",
    nothing_is_gone,
)
