"""A key in LMDB, read and written in one write transaction.

Lives in: machine. The file is mapped into the memory of every worker that opens it.
Guard: transaction. LMDB has one writer at a time, in all threads and processes; the others wait.
Loses: nothing. The count is read by the transaction that alone may write.
Survives: store. LMDB syncs the file before a commit returns; no power cut has tried it here.
Served: not by gevent. A greenlet that waits for the writer stops the one that is the writer.
Seen in: tessl.io/registry/tessl/pypi-lmdb/1.7.0/files/docs/transactions.md ("exclusive")
Instead: redis_key on two machines
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import lmdb

from variants.pause import pause

PATH = Path(os.environ.get("STATE_PATH", "state"))
PATH.mkdir(parents=True, exist_ok=True)
env = lmdb.open(str(PATH), max_dbs=1)
entries = env.open_db(b"entries", integerkey=True)


def number(found: bytes | None) -> int:
    return int(found or 0)


def key(position: int) -> bytes:
    return position.to_bytes(8, sys.byteorder)


def create() -> int:
    with env.begin(write=True) as transaction:
        transaction.put(b"count", b"0")
        transaction.drop(entries, delete=False)
        return 0


def increment() -> int:
    with env.begin(write=True) as transaction:
        seen = number(transaction.get(b"count"))
        pause()
        transaction.put(b"count", b"%d" % (seen + 1))
        return seen + 1


def read() -> int:
    with env.begin() as transaction:
        return number(transaction.get(b"count"))


def append(item: str) -> int:
    with env.begin(write=True) as transaction:
        seen = transaction.stat(entries)["entries"]
        pause()
        transaction.put(key(seen + 1), item.encode(), db=entries)
        return seen + 1


def items() -> list[str]:
    with env.begin(db=entries) as transaction:
        return [bytes(item).decode() for _, item in transaction.cursor()]
