"""Describe an app before it is served; run by the interpreter that will serve it.

    python -c "…this text…" MODULE:APP SERVER PROVIDED LABELS FILE

SERVER is the server's module, PROVIDED a module that an app can import under this server alone, or
"". LABELS is the path of labels.py, which imports the app. Writes JSON to FILE. It runs on Python
3.8 and newer, with nothing but the standard library.
"""

import inspect
import json
import os
import platform
import runpy
import sys
from importlib.util import find_spec


def main(target: str, server: str, provided: str, labels: str) -> "dict[str, object]":
    answer: dict[str, object] = {"python": platform.python_version(), "asgi": False}
    try:
        answer["lacks"] = bool(server) and not find_spec(server)
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
    except ImportError as error:
        if not provided or error.name != provided:
            answer["error"] = in_a_line(error)
    except BaseException as error:
        answer["error"] = in_a_line(error)
    return answer


def in_a_line(error: BaseException) -> str:
    return "{}: {}".format(type(error).__name__, " ".join(str(error).split()))


if __name__ == "__main__":
    text = json.dumps(main(*sys.argv[1:5]))
    with open(sys.argv[5], "w") as file:  # noqa: PTH123
        file.write(text)
    # whatever threads the app has begun
    os._exit(0)
