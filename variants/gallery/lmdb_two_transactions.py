"""A key in LMDB, read in one transaction and written in another.

Lives in: machine. The file is mapped into the memory of every worker that opens it.
Guard: none. Each transaction is one step; the two of them are not.
Loses: updates. Between the transaction that reads and the one that writes others may write.
  Except under gevent, one write transaction for both fixes it: lmdb_transaction has that.
Survives: store. LMDB syncs the file before a commit returns; no power cut has tried it here.
Steps: loses, explored: A reads 0, and pauses; B reads 0, and pauses; A writes 1, is answered 1; B
  writes 1, is answered 1; the count is 1
Seen in: tessl.io/registry/tessl/pypi-lmdb/1.7.0/files/docs/transactions.md (read, then write)
Instead: redis_key
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
    with env.begin() as transaction:
        seen = number(transaction.get(b"count"))
    pause()
    with env.begin(write=True) as transaction:
        transaction.put(b"count", b"%d" % (seen + 1))
        return seen + 1


def read() -> int:
    with env.begin() as transaction:
        return number(transaction.get(b"count"))


def append(item: str) -> int:
    with env.begin() as transaction:
        seen = transaction.stat(entries)["entries"]
    pause()
    with env.begin(write=True) as transaction:
        transaction.put(key(seen + 1), item.encode(), db=entries)
        return seen + 1


def items() -> list[str]:
    with env.begin(db=entries) as transaction:
        return [bytes(item).decode() for _, item in transaction.cursor()]
