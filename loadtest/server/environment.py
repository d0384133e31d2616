"""What a server and its load find around them: nothing that could change the experiment."""

import os
from pathlib import Path

from loadtest import ROOT

OPTIONS = ("GUNICORN_", "LOCUST_", "PYTHON")
"""Where others take options from that we did not give."""
GUNICORNS = {"GUNICORN_CMD_ARGS", "WEB_CONCURRENCY", "SCRIPT_NAME"}
ALSO = GUNICORNS | {"FORWARDED_ALLOW_IPS", "FLASK_DEBUG", "FLASK_ENV"}
HARMLESS = {"PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"}
PROXIES = {"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}


def for_server(**more: str) -> dict[str, str]:
    """What an app may want of its environment. Its modules are found where the caller finds them,
    after ours."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in HARMLESS or not (name.startswith(OPTIONS) or name in ALSO)
    }
    path = (str(ROOT), str(Path.cwd()), os.environ.get("PYTHONPATH"))
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, path))} | more


def for_load(home: Path) -> dict[str, str]:
    """What locust needs: nobody's modules but ours. It also reads files in its folder and its home,
    so that `home` has to be one where none are."""
    kept = {name: value for name, value in for_server().items() if name.upper() not in PROXIES}
    return kept | {"HOME": str(home.absolute()), "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
