"""Count in eight threads, with one window between read and write a line.

    python switch_points.py

Prints JSON: for each window, whether any update was lost. A short switch interval makes the
interpreter take every chance that it has to hand over to another thread. Runs on Python 3.9 and
newer, with nothing but the standard library.
"""

import json
import sys
import threading

THREADS, TIMES, ROUNDS = 8, 5_000, 20
WINDOWS = {
    'c["n"] += 1': 'c["n"] += 1',
    'c["n"] = c.get("n", 0) + 1': 'c["n"] = c.get("n", 0) + 1',
    "int()": 'c["n"] = int(c["n"]) + 1',
    "abs()": 'seen = c["n"]; abs(-1); c["n"] = seen + 1',
    "hash()": 'seen = c["n"]; hash("x"); c["n"] = seen + 1',
    '"x".upper()': 'seen = c["n"]; "x".upper(); c["n"] = seen + 1',
    "len()": 'seen = c["n"]; len("x"); c["n"] = seen + 1',
    "isinstance()": 'seen = c["n"]; isinstance(seen, int); c["n"] = seen + 1',
    "type()": 'seen = c["n"]; type(seen); c["n"] = seen + 1',
    "[].append()": 'seen = c["n"]; rows.append(1); c["n"] = seen + 1',
    "an attribute": 'seen = c["n"]; thing.x; c["n"] = seen + 1',
    "a property": 'seen = c["n"]; thing.p; c["n"] = seen + 1',
    "a comprehension": 'seen = c["n"]; [each for each in (1,)]; c["n"] = seen + 1',
    "a class": 'seen = c["n"]; Thing(); c["n"] = seen + 1',
    "a C class": 'seen = c["n"]; bytearray(3); c["n"] = seen + 1',
    "read in a function": 'c["n"] = read() + 1',
    "a if b else c": 'seen = c["n"]; other = 1 if seen < 0 else 2; c["n"] = seen + 1',
    "an f-string": 'seen = c["n"]; f"{seen}"; c["n"] = seen + 1',
    "an empty Python function": 'seen = c["n"]; nothing(); c["n"] = seen + 1',
}


class Thing:
    x = 1

    def __init__(self):
        pass

    @property
    def p(self):
        return 1


def loses(window: str) -> bool:
    """Return whether threads that count through this window lose an update."""
    c = {"n": 0}
    names = {"c": c, "rows": [], "nothing": lambda: None, "read": lambda: c["n"]}
    names |= {"Thing": Thing, "thing": Thing()}
    exec(f"def count():\n for _ in range({TIMES}):\n  {window}", names)
    for _ in range(ROUNDS):
        c["n"] = 0
        names["rows"].clear()
        threads = [threading.Thread(target=names["count"]) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if c["n"] < THREADS * TIMES:
            return True
    return False


if __name__ == "__main__":
    sys.setswitchinterval(1e-5)
    print(json.dumps({name: loses(window) for name, window in WINDOWS.items()}))
