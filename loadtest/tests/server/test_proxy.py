"""Tests of the commands whose answer the proxy drops."""

import pytest

from loadtest.server.proxy import is_write, wrote


def sent(*commands):
    """Return commands in Redis's protocol, as a client sends them at once."""
    parts = []
    for command in commands:
        words = command.split()
        parts.append(f"*{len(words)}\r\n" + "".join(f"${len(w)}\r\n{w}\r\n" for w in words))
    return "".join(parts).encode()


@pytest.mark.parametrize(
    ("commands", "writes"),
    [
        (["INCR count"], True),
        (["incrby count 1"], True),
        (["EVAL script 1 count"], True),
        (["MULTI", "SET count 8", "EXEC"], True),
        (["GET count"], False),
        (["WATCH count"], False),
        (["SET count 8", "GET count"], False),
        (["GET INCR"], False),
    ],
)
def test_answer_to_a_write(commands, writes):
    """Only the answer to a command that writes is dropped, a transaction's included."""
    assert is_write(sent(*commands)) is writes


def test_failed_transaction_wrote_nothing():
    """The answer to an EXEC whose keys had changed is let through, in either protocol."""
    queued = b"+OK\r\n+QUEUED\r\n"
    assert wrote(queued + b"*1\r\n+OK\r\n")
    assert wrote(b":7\r\n")
    assert not wrote(queued + b"*-1\r\n")
    assert not wrote(queued + b"_\r\n")
