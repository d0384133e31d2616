"""Apps that are wrong in ways a load seldom meets, each with its fixed twin.

Every source is an app that counts; `# window` marks the lines that a report has to name.
"""

from dataclasses import dataclass

HEAD = """
import threading
from functools import lru_cache

from flask import Flask

app = Flask(__name__)
lock = threading.Lock()
"""
ROUTES = """

@app.post("/hits")
def hit():
    return str(add())


@app.get("/hits")
def show():
    return str(shown())
"""


@dataclass(frozen=True)
class Pair:
    """An app and its fixed twin."""

    wrong: str
    right: str

    def source(self, fixed: bool = False) -> str:
        return HEAD + (self.right if fixed else self.wrong) + ROUTES

    def lines(self) -> set[int]:
        """Return the numbers of the lines that are marked in the wrong one."""
        lines = self.source().splitlines()
        return {number for number, line in enumerate(lines, start=1) if "# window" in line}


ONE_LINER = Pair(
    wrong="""
hits = 0


def add():
    global hits
    hits += 1  # window
    return hits  # window


def shown():
    return hits
""",
    right="""
hits = 0


def add():
    global hits
    with lock:
        hits += 1
        return hits


def shown():
    return hits
""",
)
RACY = Pair(
    wrong="""
state = {}


def current():
    return state.get("hits", 0)  # window


def add():
    seen = current()  # window
    state["hits"] = seen + 1  # window
    return seen + 1


def shown():
    return current()
""",
    right="""
state = {}


def current():
    return state.get("hits", 0)


def add():
    with lock:
        seen = current()
        state["hits"] = seen + 1
        return seen + 1


def shown():
    return current()
""",
)
CHECK_THEN_SET = Pair(
    wrong="""
counts = {}


def zero():
    return {"n": 0}  # window


def add():
    if "hits" not in counts:  # window
        counts["hits"] = zero()  # window
    with lock:
        counts["hits"]["n"] += 1  # window
        return counts["hits"]["n"]  # window


def shown():
    return counts["hits"]["n"] if "hits" in counts else 0
""",
    right="""
counts = {}


def zero():
    return {"n": 0}


def add():
    with lock:
        if "hits" not in counts:
            counts["hits"] = zero()
        counts["hits"]["n"] += 1
        return counts["hits"]["n"]


def shown():
    return counts["hits"]["n"] if "hits" in counts else 0
""",
)
SINGLETON = Pair(
    wrong="""
class Counter:
    def __init__(self):
        self.n = 0  # window

    def add(self):
        with lock:
            self.n += 1  # window
            return self.n  # window


only = None


def counter():
    global only
    if only is None:  # window
        only = Counter()  # window
    return only  # window


def add():
    return counter().add()  # window


def shown():
    return only.n if only else 0
""",
    right="""
class Counter:
    def __init__(self):
        self.n = 0

    def add(self):
        with lock:
            self.n += 1
            return self.n


only = None
making = threading.Lock()


def counter():
    global only
    with making:
        if only is None:
            only = Counter()
    return only


def add():
    return counter().add()


def shown():
    return only.n if only else 0
""",
)
POP = Pair(
    wrong="""
hits = 0
pens = ["pen"]


def add():
    global hits
    pen = None
    if len(pens) > 0:  # window
        pen = pens.pop()  # window
    with lock:
        hits += 1  # window
        answer = hits  # window
    if pen:
        pens.append(pen)  # window
    return answer  # window


def shown():
    return hits
""",
    right="""
hits = 0
pens = ["pen"]


def add():
    global hits
    try:
        pen = pens.pop()
    except IndexError:
        pen = None
    with lock:
        hits += 1
        answer = hits
    if pen:
        pens.append(pen)
    return answer


def shown():
    return hits
""",
)
GENERATOR = Pair(
    wrong="""
hits = 0


def numbers():
    global hits
    while True:  # window
        hits += 1  # window
        yield hits  # window


number = numbers()


def add():
    return next(number)  # window


def shown():
    return hits
""",
    right="""
hits = 0


def numbers():
    global hits
    while True:
        hits += 1
        yield hits


number = numbers()


def add():
    with lock:
        return next(number)


def shown():
    return hits
""",
)
CACHED_EFFECT = Pair(
    wrong="""
counts = {}


@lru_cache
def opened(name):
    counts[name] = zero()  # window
    return name  # window


def zero():
    return 0  # window


def add():
    name = opened("hits")  # window
    with lock:
        counts[name] += 1  # window
        return counts[name]  # window


def shown():
    return counts.get("hits", 0)
""",
    right="""
counts = {}


@lru_cache
def opened(name):
    counts[name] = zero()
    return name


def zero():
    return 0


def add():
    with lock:
        name = opened("hits")
        counts[name] += 1
        return counts[name]


def shown():
    return counts.get("hits", 0)
""",
)
PAIRS = {
    "one_liner": ONE_LINER,
    "racy": RACY,
    "check_then_set": CHECK_THEN_SET,
    "singleton": SINGLETON,
    "pop_after_len": POP,
    "shared_generator": GENERATOR,
    "cached_effect": CACHED_EFFECT,
}
