"""A server that somebody describes by its command: `SERVE='{python} -m granian … {port} {app}'`."""

from __future__ import annotations

import re
import shlex

from loadtest.server.adapter import Adapter, Start

NAMES = ("python", "workers", "threads", "port", "app")
NEEDED = {"port", "app"}


def adapter(template: str) -> Adapter:
    """Return the adapter of a template. Raise ValueError for one that cannot be filled in."""
    names = re.findall(r"\{(\w*)\}", template)
    if unknown := [name for name in names if name not in NAMES]:
        there_are = " ".join(f"{{{name}}}" for name in NAMES)
        raise ValueError(f"SERVE has {{{unknown[0]}}}, which means nothing; there are {there_are}")
    for lacking in sorted(NEEDED - {*names}):
        raise ValueError(f"SERVE has no {{{lacking}}}, so nothing tells the server its {lacking}")
    try:
        words = shlex.split(template)
    except ValueError as error:
        raise ValueError(f"SERVE cannot be split into words: {error}") from None

    def command(start: Start) -> list[str]:
        values = {
            "python": start.python,
            "workers": str(start.server.workers),
            "threads": str(start.server.threads),
            "port": str(start.port),
            "app": start.app,
        }
        # each word is filled in after the split, so that no value becomes two words
        return [re.sub(r"\{(\w+)\}", lambda found: values[found[1]], word) for word in words]

    return Adapter(
        "template",
        title="the server of SERVE",
        module="",
        command=command,
        classes=("gthread", "asgi"),
        processes="workers" in names,
        pools="threads" in names,
        supervises="workers" in names,
    )
