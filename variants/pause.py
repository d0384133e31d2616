"""The gap between read and write, the same in every variant that has one.

A real handler does something there: it asks a database, it writes a log line. That is when
another thread gets its turn. `PAUSE_MS` is how long this takes in milliseconds, 1 if unset;
0 means that `pause` returns at once. It is called all the same, and at the call of a Python
function threads may take turns, too.
"""

import os
import time

SECONDS = float(os.environ.get("PAUSE_MS", "1")) / 1000


def pause() -> None:
    if SECONDS:
        time.sleep(SECONDS)
