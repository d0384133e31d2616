"""Count in eight shaken threads, with one window between read and write a line.

    python shaken_windows.py SHAKE.PY SWITCH_POINTS.PY FOLDER switches|anywhere

Prints JSON: for each window, whether any update was lost (see switch_points.py).
Runs on Python 3.9 and newer, with nothing but the standard library.
"""

import json
import os
import runpy
import sys
import threading
from pathlib import Path

APP = """
class Thing:
    x = 1

    def __init__(self):
        pass

    @property
    def p(self):
        return 1


thing, c, rows = Thing(), {"n": 0}, []


def nothing():
    pass


def read():
    return c["n"]
"""
shake, points, folder, where = sys.argv[1:]
windows = runpy.run_path(points)["WINDOWS"]
lines = [APP]
for number, window in enumerate(windows.values()):
    lines.append(f"def window_{number}(environ, start):\n    {window}\n    return []\n")
Path(folder, "app.py").write_text("\n".join(lines))
plan = {
    "folders": [folder],
    "packages": [],
    "where": where,
    "blocking": True,
    "seed": 1,
    "log": str(Path(folder, "log")),
}
os.environ["SHAKE_PLAN"] = json.dumps(plan)
sys.path.insert(0, folder)
import app  # noqa: E402

current = None
shaken = runpy.run_path(shake)["around_wsgi"](lambda *asked: current(*asked), None)


def count():
    for _ in range(15):
        shaken({}, None)


lost = {}
for number, name in enumerate(windows):
    current = getattr(app, f"window_{number}")
    # eight threads that never meet in a window lose nothing: look again
    for _ in range(20):
        app.c["n"] = 0
        threads = [threading.Thread(target=count) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lost[name] = app.c["n"] < 8 * 15
        if lost[name]:
            break
print(json.dumps(lost))
