"""The answers of a reader who has understood, by chapter and by the name of the cell.

Predictions that depend on the machine have the answer that is most likely.
"""

GUESSES = {
    "1": {"predict-orders": "c", "predict-threads": "ac", "predict-log-line": "b"},
    "2": {
        "predict-lock": "a",
        "predict-cost": "c",
        "predict-workers": "c",
        "predict-both": "c",
        "predict-browser": "ab",
    },
    "3": {
        "predict-g": "b",
        "predict-request": "abb",
        "predict-thread": "a",
        "predict-cookie": "b",
        "predict-visitor": "b",
        "predict-kill": "b",
        "predict-deploy": "b",
    },
    "4": {
        "predict-stores": "a",
        "predict-operation": "b",
        "predict-incr": "b",
        "predict-begin": "c",
        "predict-cost": "c",
        "predict-machines": "b",
    },
    "5": {"predict-six": "a", "predict-twice": "b", "predict-alone": "c", "predict-rare": "b"},
    "A": {"predict-bare": "a", "predict-no-pause": "b"},
    "B": {"predict-window": "b"},
    "C": {"predict-threads": "a", "predict-processes": "c"},
}
ORDERS = {"1": ("AABB", "ABBA"), "5": ("abcdef", "bcadfe")}

# chapter: cell, what is typed over what, and what is printed then
BREAKS = {
    "1": ("your-window", 'window = "None"', 'window = "time.sleep(0)"', r"^[1-9]\d* of \d+ lost"),
    "2": ("your-lock", '"with lock:"})', '"with Lock():"})', r"^[1-9]\d* of \d+ lost"),
    "3": ("your-path", '"results/mine/my.sqlite3"', '":memory:"', r"^0$"),
    "4": (
        "your-step",
        '''    pause()
    counted = "UPDATE cache SET count = count + 1 RETURNING count"
    (count,) = connection().execute(counted).fetchone()
    return count"""''',
        '''    connection().execute("UPDATE cache SET count = count + 1")
    pause()
    return read()"""''',
        r"^lost 0; [1-9]\d* of \d+ answers twice",
    ),
}

LADDER = {
    "preload": "divided",
    "value": "divided",
    "gevent": "refuses",
    "cookie": "divided",
    "recycle": "forgets",
    "redis": "forgets",
    "orm_attribute": "loses",
    "orm_expression": "answers late",
}
REPAIRS = {
    "repair-places": 'variant="sqlite_row"',
    "repair-gevent": 'variant="sqlite_row", worker_class="gthread", threads=8',
    "repair-value": "preload=True",
    "repair-redis": 'fault="kill-store"',
    "repair-orm": 'variant="orm_returning"',
}

# chapter: prediction, and a piece of what explains its answer, which no reader has met before it
TOLD = {
    "1": {
        "predict-orders": "before either *writes*",
        "predict-threads": "one request at a time",
        "predict-log-line": "One log line is enough",
    },
    "2": {
        "predict-lock": "One thread at a time",
        "predict-cost": "makes a queue",
        "predict-workers": "its own memory",
        "predict-both": "| both |",
        "predict-browser": "belongs to the worker that accepted it",
    },
    "3": {
        "predict-g": "for each request",
        "predict-request": "let go between",
        "predict-thread": "outlives its requests",
        "predict-cookie": "lives with the **client**",
        "predict-visitor": "its copy has no text",
        "predict-kill": "any worker can go on",
        "predict-deploy": "dies with it",
    },
    "4": {
        "predict-stores": "*before* the read",
        "predict-operation": "wrong operation",
        "predict-incr": "where the pause stands",
        "predict-begin": "refuses",
        "predict-cost": "a long tail",
        "predict-machines": "one for each",
    },
    "5": {
        "predict-six": "may happen in either order",
        "predict-twice": "**answers late**",
        "predict-alone": "No request ever met another",
        "predict-rare": "rule of three",
    },
    "6": {
        "preload-rung": "copies the memory",
        "value-rung": "makes one of its own",
        "cookie-rung": "one count for each client",
        "recycle-rung": "begins anew",
        "gevent-rung": "stands still",
        "redis-rung": "no append-only file",
        "orm-rung": "expires the object",
    },
}
