"""The gap between read and write, the same in every variant.

A real handler does something there: it asks a database, it writes a log line. That is when
another thread gets its turn. `PAUSE_MS` is how long this takes in milliseconds, 1 if unset;
0 means that nothing is called at all.
"""

import os
import time

SECONDS = float(os.environ.get("PAUSE_MS", "1")) / 1000


def pause() -> None:
    if SECONDS:
        time.sleep(SECONDS)
