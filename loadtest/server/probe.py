"""Describe an app before it is served; run by the interpreter that will serve it.

    python -c "…this text…" MODULE:APP SERVER FOLDER LABELS FILE

FOLDER has what is lent to an interpreter that lacks the module SERVER, and LABELS is the path of
labels.py, which imports the app. Writes JSON to FILE. It runs on Python 3.8 and newer, with
nothing but the standard library.
"""

import inspect
import json
import os
import platform
import runpy
import sys
from importlib.util import find_spec


def main(target: str, server: str, folder: str, labels: str) -> "dict[str, object]":
    answer: dict[str, object] = {"python": platform.python_version(), "lent": False}
    try:
        if not find_spec(server):
            sys.path.append(folder)
            answer["lent"] = True
        # a server's first step, too, before it imports the app
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
        ours = runpy.run_path(labels)
        app = ours["load"](target)
        answer["asgi"] = ours["is_asgi"](app)
        if inspect.isfunction(app) and not answer["asgi"]:
            try:
                inspect.signature(app).bind({}, None)
            except TypeError:
                answer["error"] = f"it is a function that makes an app; write {target}()"
    except BaseException as error:
        answer["error"] = "{}: {}".format(type(error).__name__, " ".join(str(error).split()))
    return answer


if __name__ == "__main__":
    text = json.dumps(main(*sys.argv[1:5]))
    with open(sys.argv[5], "w") as file:  # noqa: PTH123
        file.write(text)
    # whatever threads the app has begun
    os._exit(0)
