"""Every assertion of the notebooks fails where what it claims is not so.

A sabotage spoils files of the project, or texts in some cells of a notebook, runs those cells, and
expects assertions to fail.
"""

import shutil

import nbformat
import pytest

from notebooks.run import HERE, notebooks, run

ROOT = HERE.parent


def spoilt(text, old, new):
    assert old in text, f"mend the sabotage: there is no {old!r}"
    return text.replace(old, new)


def variant(name):
    return (ROOT / "variants" / f"{name}.py").read_text(encoding="utf-8")


PLAIN, LOCKED = variant("plain_global"), variant("locked_global")
SQLITE, REDIS = variant("sqlite_row"), variant("redis_key")
NO_LOCK = spoilt(
    LOCKED, 'with lock:\n        seen = cache["count"]', 'if True:\n        seen = cache["count"]'
)
WRITE = 'cache["count"] = seen + 1\n'
ANSWER = WRITE + "        return seen + 1"
LATE = spoilt(LOCKED, ANSWER, WRITE + '    pause()\n    return cache["count"]')
CALLS = 'cache["calls"] = cache.get("calls", 0) + 1\n        '
FORGETFUL = spoilt(LOCKED, WRITE, CALLS + 'cache["count"] = seen + (cache["calls"] % 9 > 0)\n')
LIE = spoilt(LOCKED, "Lives in: worker", "Lives in: request")
STALE = (HERE / "tests" / "solutions" / "only_stale_reads.py").read_text(encoding="utf-8")
NO_TRANSACTION = spoilt(SQLITE, "with transaction() as db", "if db := connection()")
INCR = "    pause()\n    return client.incr(CACHE)"
GET_THEN_SET = """    seen = int(client.get(CACHE) or 0)
    pause()
    client.set(CACHE, seen + 1)
    return seen + 1"""
NO_INCR = spoilt(REDIS, INCR, GET_THEN_SET)
DIVIDED = LOCKED + "# with transaction() as db"
CHECKER = (ROOT / "loadtest" / "checker.py").read_text(encoding="utf-8")
BLIND = spoilt(CHECKER, "    if found:\n", "    if False:\n")

UNSPOILT_SELECT = {'"if db := connection()"': '"with transaction() as db"'}
UNSPOILT_GET = {"edited(": 'get_then_set = "    pause()\\n    return client.incr(CACHE)"\nedited('}
TALLY = {'g.count = g.get("count", 0) + 1': 'tally.n = getattr(tally, "n", 0) + 1'}
BEGIN = {
    "{'\"BEGIN IMMEDIATE\"': '\"BEGIN\"'}": '{"with transaction() as db": "if db := connection()"}'
}


def sabotage(notebook, cells, *fails, files=None, texts=None):
    """`fails`: a piece of each assertion that must fail."""
    return pytest.param(
        notebook, cells, fails, files or {}, texts or {}, id=f"{notebook}: {' | '.join(fails)}"
    )


def of(name, text):
    return {f"variants/{name}.py": text}


SABOTAGES = [
    sabotage(1, [6], "answers ==", files=of("plain_global", PLAIN.replace("+ 1", "+ 2"))),
    sabotage(1, [8, 9, 10], "found.lost > 0", files=of("plain_global", LOCKED)),
    sabotage(1, [8, 9, 12, 16, 17], "lost.name ==", files=of("plain_global", STALE)),
    sabotage(1, [8, 9, 12, 16, 17], "lost.name ==", files=of("plain_global", LATE)),
    sabotage(1, [25, 26], '"lost update" in', files=of("plain_global", LOCKED)),
    sabotage(
        *(1, [28, 29], "sweep.filter"),
        files=of("plain_global", LOCKED),
        texts={"[0, 0.01, 0.1, 0.5, 1, 3, 10]": "[10]"},
    ),
    sabotage(1, [31, 32, 33], "status == 1", files=of("plain_global", LOCKED)),
    sabotage(
        *(2, [6, 7, 8], 'run.verdict.verdict == "linearizable"', "run.verdict.audited =="),
        files=of("locked_global", PLAIN),
    ),
    sabotage(2, [10], "status == 0", files=of("locked_global", NO_LOCK)),
    sabotage(2, [14, 15, 18], 'division.of == "worker"', files=of("locked_global", SQLITE)),
    sabotage(
        *(2, [14, 15, 18], "found.lost == 0", "sum(copy.audited"),
        files=of("locked_global", FORGETFUL),
    ),
    sabotage(
        *(2, [25, 26], 'division.of == "worker"', "found.lost > 0"),
        files=of("plain_global", SQLITE),
    ),
    sabotage(
        *(2, [28, 29], "kept ==", 'reply.headers["X-Worker"]'),
        texts={"browser.post": "requests.post"},
    ),
    sabotage(3, [6, 7, 8], "answers ==", files=of("flask_g", PLAIN)),
    sabotage(
        *(3, [10, 14], "division.of ==", "found.lost ==", "run.as_promised"),
        files=of("flask_g", LIE),
    ),
    sabotage(3, [16, 17, 18], "line in lines", texts={"next(numbers)": "1"}),
    sabotage(3, [20, 21, 22], "division.of ==", texts={"Local(threading.local)": "Local"}),
    sabotage(3, [25, 26, 27], "alone ==", texts=TALLY | {"str(g.count)": "str(tally.n)"}),
    sabotage(
        *(4, [8, 9, 10], "sqlite.verdict.verdict ==", "redis.verdict.verdict =="),
        files=of("sqlite_row", NO_TRANSACTION) | of("redis_key", NO_INCR),
    ),
    sabotage(4, [13, 14, 15, 16, 17], "run.verdict.lost > 0", texts=UNSPOILT_SELECT),
    sabotage(
        4,
        [13, 14, 15, 16, 17],
        'run.verdict.division.of == "none"',
        files=of("sqlite_row", DIVIDED),
    ),
    sabotage(4, [13, 14, 15, 16, 19], '"lost update" in', texts=UNSPOILT_GET),
    sabotage(4, [14, 21, 22], '"get_then_set") == 1', texts=UNSPOILT_GET),
    sabotage(4, [13, 24], '"select_then_update") == 1', texts=UNSPOILT_SELECT),
    sabotage(
        4,
        [13, 24],
        '"sqlite_row") == 0',
        files=of("sqlite_row", NO_TRANSACTION + "# with transaction() as db"),
    ),
    sabotage(4, [26], '"redis_key") == 0', files=of("redis_key", NO_INCR)),
    sabotage(4, [28], '"plain_begin") == 0', texts=BEGIN),
    sabotage(4, [33, 34], "counts ==", files=of("locked_global", SQLITE)),
    sabotage(5, [4, 5, 10], "order(history.frame(late))", texts={"85, 95": "75, 95"}),
    sabotage(5, [4, 12, 14, 16, 17], "verdicts ==", texts={" or one.value > len(told)": ""}),
    sabotage(
        5,
        [4, 12, 14, 16, 17],
        "(judge(history.frame(one))",
        files={"loadtest/checker/verdict.py": BLIND},
    ),
    sabotage(
        *(5, [14, 19, 20], "assert linearizable(load(locked))", "locked.verdict.verdict =="),
        *("not linearizable(load(plain))", "plain.verdict.verdict =="),
        files=of("locked_global", PLAIN) | of("plain_global", LOCKED),
    ),
    sabotage(
        *(5, [22, 23, 24], "found.audited == found.ack", "found.anomalies[0].name =="),
        files=of("locked_global", NO_LOCK),
    ),
    sabotage(5, [26, 27], 'found.verdict == "inconclusive"', texts={"users=1": "users=16"}),
    sabotage(5, [29, 31], "requests) < 0.05", texts={"missed(3 /": "missed(2 /"}),
    sabotage(6, [8, 9], "status == 1", texts={'"my_counter"': '"sqlite_row", "--threads", "2"'}),
]


def pieces(source):
    """The cell, and after it each of its assertions in a cell of its own."""
    lines = source.split("\n")
    asserts = [line for line in lines if line.startswith("assert ")]
    rest = "\n".join(line for line in lines if line not in asserts)
    return [nbformat.v4.new_code_cell(piece) for piece in (rest, *asserts)]


@pytest.mark.parametrize(("number", "cells", "fails", "files", "texts"), SABOTAGES)
def test_a_sabotage_makes_assertions_fail(number, cells, fails, files, texts, tmp_path):
    for folder in ("variants", "loadtest", "notebooks"):
        ignored = shutil.ignore_patterns("tests", "*.ipynb", "__pycache__")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    by_id = {cell.id: cell for cell in nbformat.read(notebooks()[number - 1], as_version=4).cells}
    sources = [by_id[f"code-{cell:02}"].source for cell in (2, *cells)]
    whole = "\n\0".join(sources)
    for old, new in texts.items():
        whole = spoilt(whole, old, new)
    cells = [piece for source in whole.split("\n\0") for piece in pieces(source)]
    done = run(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks", allow_errors=True)
    failed = [
        cell.source
        for cell in done.cells
        for output in cell.outputs
        if output.output_type == "error" and output.ename == "AssertionError"
    ]
    for piece in fails:
        assert any(piece in source for source in failed), done


def test_no_assertion_is_left_out():
    sabotaged = {(param.values[0], piece) for param in SABOTAGES for piece in param.values[2]}
    for number, path in enumerate(notebooks(), 1):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type != "code":
                continue
            for line in cell.source.splitlines():
                if line.strip().startswith("assert "):
                    assert any(n == number and piece in line for n, piece in sabotaged), line
