"""Let the server replace each worker after some hundred requests."""

import re
from collections import deque
from pathlib import Path

from loadtest.server.fault import Fault, Injection, Quotation
from loadtest.server.labels import ENDS, SERVES

EVENT = re.compile(rf"Worker (\d+) ({SERVES}|{ENDS}) \((\d+) ns\)")


def recycles(log: Path) -> list[Injection]:
    """Return the recycled workers in a server's log.

    Each injection lasts from a worker's end until its successor has loaded the app.
    """
    ended: deque[tuple[str, int]] = deque()
    found = []
    for worker, event, ns in EVENT.findall(log.read_text(errors="replace")):
        if event == ENDS:
            ended.append((worker, int(ns)))
        elif ended:
            gone, since = ended.popleft()
            found.append(Injection("recycle", since, int(ns), f"worker {gone}"))
    return found


FAULT = Fault(
    "recycle",
    row=1,
    called="the memory-leak setting, `--max-requests`",
    ends="worker",
    max_requests=200,
    lacking=lambda adapter: "" if adapter.recycles else "cannot replace a worker by itself",
    found_in_log=recycles,
    documented=(
        Quotation(
            "gunicorn",
            "Any value greater than zero will limit the number of requests a worker will process "
            "before automatically restarting.",
            "docs.gunicorn.org/en/stable/settings.html#max-requests",
            # a run in which no worker was recycled is inconclusive
            lambda verdict: not verdict.inconclusive,
        ),
    ),
)
