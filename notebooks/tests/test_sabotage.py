"""Every assertion of the notebooks fails where what it claims is not so.

A sabotage spoils files of the project, or texts in some cells of a notebook, runs those cells, and
expects assertions to fail.
"""

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
SQLITE, REDIS, FLASK_G = variant("sqlite_row"), variant("redis_key"), variant("flask_g")
READ = '    seen = cache["count"]\n'
WRITE = 'cache["count"] = seen + 1\n'
CLOSED = spoilt(PLAIN, f"{READ}    pause()\n", f"    pause()\n{READ}")
NO_CALL = spoilt(PLAIN, "    pause()\n", "")
NO_LOCK = spoilt(LOCKED, f"with lock:\n    {READ}", f"if True:\n    {READ}")
CALLS = 'cache["calls"] = cache.get("calls", 0) + 1\n'
FORGETS = 'cache["count"] = seen + (cache["calls"] % 9 > 0)\n'
FORGETFUL = spoilt(LOCKED, WRITE, f"{CALLS}        {FORGETS}")
APPENDED = "    entries.append(item)\n"
OLD = spoilt(PLAIN, '    return cache["count"]\n', '    return max(0, cache["count"] - 5)\n')
NO_TRANSACTION = (
    spoilt(SQLITE, "with transaction() as db", "if db := connection()")
    + "# with transaction() as db"
)
INCR = "    pause()\n    return client.incr(CACHE)"
GET_THEN_SET = """    seen = int(client.get(CACHE) or 0)
    pause()
    client.set(CACHE, seen + 1)
    return seen + 1"""
NO_INCR = spoilt(REDIS, INCR, GET_THEN_SET)
DIVIDED = LOCKED + "# with transaction() as db"
VERDICT = (ROOT / "loadtest" / "checker" / "verdict.py").read_text(encoding="utf-8")
FINDS = "        found = anomalies.find(run)\n"
BLIND = {"loadtest/checker/verdict.py": spoilt(VERDICT, FINDS, "        found = ()\n")}

RUNGS = ["preload", "value", "gevent", "cookie", "orm_attribute", "orm_expression"]
QUIZ = (HERE / "quiz.py").read_text(encoding="utf-8")
LADDER = (HERE / "ladder.py").read_text(encoding="utf-8")
SAFE = 'RUNGS = dict.fromkeys(RUNGS, Trial("locked_global", Server(1, 1), Load(increments=20)))\n'
NO_LADDER = {
    "notebooks/ladder.py": spoilt(
        LADDER, "\n\ndef predict_outcome(", f"{SAFE}\n\ndef predict_outcome("
    )
}

UNSPOILT_SELECT = {'"if db := connection()"': '"with transaction() as db"'}
UNSPOILT_GET = {
    "    client.set(CACHE, seen + 1)\n    return seen + 1": "    return client.incr(CACHE)"
}


def sabotage(number, cells, fails, texts=None, files=None, **spoilt_variants):
    """`fails`: a piece of each assertion that must fail."""
    files = dict(files or {})
    files |= {f"variants/{name}.py": text for name, text in spoilt_variants.items()}
    marked = (number, cells.split(), fails.split(" | "), files, texts or {})
    return pytest.param(*marked, id=f"{number}: {fails}")


SABOTAGES = [
    sabotage(
        "1",
        "schedule predict-orders all-orders predict-threads threads predict-log-line log-line",
        "losing == | counts[order] for | assert run.verdict.lost > 0 | run.verdict.audited < | "
        "logged.lost >",
        plain_global=CLOSED,
    ),
    sabotage(
        "1",
        "predict-threads threads proof",
        "alone.lost == | run.verdict.ok == | same.witness[0].value == | max(one.start",
        texts={'"duplicate value"': '"stale read"'},
        plain_global=spoilt(OLD, APPENDED, APPENDED + "    raise OSError\n"),
    ),
    sabotage(
        "2",
        "predict-lock lock predict-cost cost",
        "assert locked.verdict.lost == | locked.verdict.linearizable | locked.verdict.audited == | "
        "within <=",
        texts={"* 1e9": "* 1e12"},
        locked_global=NO_LOCK,
    ),
    sabotage(
        "2",
        "predict-workers workers predict-both both predict-browser browser",
        'four.verdict.division.of == | group_by("client") | worst.division.of == | worst.lost > | '
        "len(sync)",
        texts={', "sync")': ")", '"locked_global", 4, 1)\nfound': '"locked_global", 1, 4)\nfound'},
        locked_global=SQLITE,
        plain_global=SQLITE,
    ),
    sabotage(
        "2",
        "predict-workers workers firsts predict-browser browser",
        "four.verdict.lost == | sum(copy.audited | len(firsts) == | len(gthread)",
        texts={"browser.post": "requests.post", "filter(value=1)": "filter(value=0)"},
        locked_global=FORGETFUL,
    ),
    sabotage(
        "3",
        "predict-g g predict-thread thread thread-answers cookie predict-cookie browsers "
        "predict-kill kill predict-deploy deploy",
        "answers == | answered == | threads.verdict | (hers, his) == | old == | killed == | "
        "deployed == | client=ada) == [4] | =FILE)",
        texts={
            'start("flask_g"': 'start("locked_global"',
            "Local(threading.local)": "Local",
            "ask(start(per_thread, 1, 1)": 'ask(start("flask_g", 1, 1)',
            "client=bob": "client=ada",
            'cookies={"count": "1"}': "cookies={}",
            "variant, 1, 1, SQLITE_PATH=FILE": "variant, 1, 1",
        },
        locked_global=SQLITE,
    ),
    sabotage(
        "3",
        "predict-request request predict-visitor visitor",
        "leaks == | kept ==",
        texts={
            '"redis_key": (4, 1)': '"redis_key": (1, 1)',
            "cell(name, 4, 1)": 'cell("sqlite_row", 4, 1)',
        },
    ),
    sabotage(
        "3",
        "predict-request request",
        "leaks ==",
        flask_g=spoilt(FLASK_G, '    g.current = {"name": name}\n', "    current.append(name)\n")
        .replace('g.current["name"]', "current[-1]")
        .replace("\n\n\ndef create", "\n\ncurrent = []\n\n\ndef create"),
    ),
    sabotage(
        "4",
        "files predict-stores stores predict-incr incr predict-begin begin predict-cost cost",
        "sqlite.verdict.lost == | redis.verdict.lost == | redis.verdict.linearizable | real == | "
        "assert answered == | deferred.verdict.lost | refused > | times > | in others",
        texts={"took(sqlite)\n": 'took(sqlite) | {"p99": 0}\n'},
        sqlite_row=NO_TRANSACTION,
        redis_key=NO_INCR,
        plain_global=SQLITE,
        locked_global=SQLITE,
    ),
    sabotage(
        "4",
        "files predict-operation operation orders",
        "all(found.lost | status == 1",
        texts=UNSPOILT_SELECT | UNSPOILT_GET,
    ),
    sabotage(
        "4",
        "files predict-operation operation predict-machines machines",
        "found.division.of for | apart ==",
        texts={', REDIS_PREFIX="shop:"': ""},
        sqlite_row=DIVIDED,
    ),
    sabotage(
        "5",
        "six predict-six explains trying late dozen agree real predict-alone alone predict-rare "
        "rare",
        "fits == | by_trying(late) | tried == written | assert linearizable(load(locked)) | "
        "locked.verdict.linearizable | not linearizable(load(plain)) | plain.verdict.violated | "
        "alone.inconclusive | < chance < | 5000) < 0.05",
        texts={
            "65, 90, 2)": "65, 90, 1)",
            "85, 95": "75, 95",
            " or one.value > len(told)": "",
            "users=1": "users=16",
            "missed(1 / 5000, 5000)": "missed(1 / 500, 5000)",
            "0.4\nassert missed(3 /": "0.4\nassert missed(2 /",
        },
        locked_global=PLAIN,
        plain_global=LOCKED,
    ),
    sabotage(
        "5",
        "six predict-six explains trying dozen agree predict-twice twice",
        "permutations(six) | judged == | twice.audited == | twice.violated | duplicate value",
        texts={
            '    "f": operation(3, "read", 65, 90, 2),\n': "",
            'again = \'cache["count"] = seen + 1': 'again = \'cache["count"] = seen',
        },
        files=BLIND,
    ),
    sabotage(
        "6",
        "preload-rung value-rung gevent-rung cookie-rung recycle-rung redis-rung orm-rung",
        " | ".join(f'came_out["{rung}"].words ==' for rung in RUNGS)
        + ' | in came_out["redis"] | in came_out["recycle"] | came_out["cookie"].cell',
        files=NO_LADDER,
    ),
    sabotage(
        "A",
        "race predict-bare bare places predict-no-pause no-pause",
        '"CALL" in | any(shares)',
        plain_global=NO_CALL,
    ),
    sabotage(
        "B",
        "predict-window windows sweep stalls",
        'how="asleep" | how="at work" | short["asleep"] > | (counted,',
        plain_global=CLOSED,
    ),
    sabotage(
        "C",
        "predict-threads threads predict-processes processes",
        "plain == 1 | locked == 0 | (immediate,",
        plain_global=LOCKED,
        locked_global=PLAIN,
        sqlite_row=NO_TRANSACTION,
    ),
    sabotage(
        "Q",
        "draw",
        "draw(1) != draw(2)",
        files={"notebooks/quiz.py": spoilt(QUIZ, "Random(seed)", "Random(1)")},
    ),
    sabotage("D", "check", "status == 1", texts={'"my_counter"': '"sqlite_row", "--threads", "2"'}),
]


def pieces(source):
    """The cell, and after it each of its assertions in a cell of its own."""
    lines = source.split("\n")
    asserts = [line for line in lines if line.startswith("assert ")]
    rest = "\n".join(line for line in lines if line not in asserts)
    return [nbformat.v4.new_code_cell(piece) for piece in (rest, *asserts)]


def notebook(number):
    (path,) = (path for path in notebooks() if path.name[0] == number)
    return {cell.id: cell.source for cell in nbformat.read(path, as_version=4).cells}


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("number", "cells", "fails", "files", "texts"), SABOTAGES)
def test_a_sabotage_makes_assertions_fail(number, cells, fails, files, texts, house, monkeypatch):
    for name, text in files.items():
        (house / name).write_text(text, encoding="utf-8")
    monkeypatch.setenv("COURSE", "read")
    sources = notebook(number)
    whole = "\n\0".join(sources[name] for name in ("setup", *cells, "claims"))
    for old, new in texts.items():
        whole = spoilt(whole, old, new)
    parts = [piece for source in whole.split("\n\0") for piece in pieces(source)]
    done = nbformat.v4.new_notebook(cells=parts)
    run(done, house / "notebooks", allow_errors=True)
    failed = [
        cell.source
        for cell in done.cells
        for output in cell.outputs
        if output.output_type == "error" and output.ename == "AssertionError"
    ]
    for piece in fails:
        assert any(piece in source for source in failed), (piece, done)


def test_no_assertion_is_left_out():
    sabotaged = {(param.values[0], piece) for param in SABOTAGES for piece in param.values[2]}
    for path in notebooks():
        for line in notebook(path.name[0])["claims"].splitlines():
            if line.startswith("assert "):
                assert any(n == path.name[0] and piece in line for n, piece in sabotaged), line
