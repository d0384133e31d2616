"""Describe an app before it is served; run by the interpreter that will serve it.

    python -c "…this text…" MODULE:APP FOLDER FILE

FOLDER has what is lent to an interpreter that lacks it. Writes JSON to FILE. It runs on Python 3.8
and newer, with nothing but the standard library.
"""

import inspect
import json
import os
import platform
import sys


def main(target: str, folder: str) -> "dict[str, object]":
    told: dict[str, object] = {"python": platform.python_version(), "lent": False}
    try:
        import gunicorn  # noqa: F401
    except ImportError:
        sys.path.append(folder)
        told["lent"] = True
    try:
        from gunicorn.config import make_settings
        from gunicorn.util import import_app

        flags = [setting.cli or [] for setting in make_settings().values()]
        told["flags"] = sorted(flag for each in flags for flag in each)
        # gunicorn's first step, too, before it imports the app
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
        app = import_app(target)
        told["asgi"] = any(map(inspect.iscoroutinefunction, (app, type(app).__call__)))
        if inspect.isfunction(app) and not told["asgi"]:
            try:
                inspect.signature(app).bind({}, None)
            except TypeError:
                told["error"] = f"it is a function that makes an app; write {target}()"
    except BaseException as error:
        told["error"] = "{}: {}".format(type(error).__name__, " ".join(str(error).split()))
    return told


if __name__ == "__main__":
    answer = json.dumps(main(*sys.argv[1:3]))
    with open(sys.argv[3], "w") as file:  # noqa: PTH123
        file.write(answer)
    # whatever threads the app has begun
    os._exit(0)
