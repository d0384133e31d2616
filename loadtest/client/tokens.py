"""Tokens: texts that are sent and recognized in any answer, whatever stands around them.

A token is made of small letters and digits, and ends with a letter, so that it survives URLs, HTML
and redirects, and none is a part of another. Those of other runs are recognized, too.
"""

from __future__ import annotations

import re
import secrets

RUN = secrets.token_hex(3)
"""Different in each process that sends tokens."""
TOKEN = re.compile(r"zq[0-9a-f]{6}x[0-9]+x[0-9]+q", re.IGNORECASE)


def token(client: int, number: int) -> str:
    """Return the token of a client's request."""
    return f"zq{RUN}x{client}x{number}q"


def tokens(text: str) -> list[str]:
    """Return the tokens in a text, each once, in order."""
    return list(dict.fromkeys(found.lower() for found in TOKEN.findall(text)))
