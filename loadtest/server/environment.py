"""The environment of a server and its load: nothing that could change the experiment."""

import os
from pathlib import Path

from loadtest import ROOT
from loadtest.server.servers import SETTINGS

OPTIONS = (*SETTINGS, "FLASK_DEBUG", "FLASK_ENV", "GUNICORN_", "LOCUST_", "PYTHON")
"""The prefixes of variables that set options which we did not give."""
HARMLESS = {"PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"}
PROXIES = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}


def for_server(**more: str) -> dict[str, str]:
    """Return the environment of an app.

    Its modules are found in our folders first, then where the caller finds them.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in HARMLESS or not name.startswith(OPTIONS)
    }
    path = (str(ROOT), str(Path.cwd()), os.environ.get("PYTHONPATH"))
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, path))} | more


def for_load(home: Path) -> dict[str, str]:
    """Return the environment of locust, with no modules but ours.

    Locust also reads files in its folder and its home, so `home` has to be a folder without any.
    """
    kept = {name: value for name, value in for_server().items() if name.upper() not in PROXIES}
    return kept | {"HOME": str(home.absolute()), "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
