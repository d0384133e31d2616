"""Nothing around an experiment changes it."""

import os
import re
import subprocess
import sys

import pytest

from loadtest import ROOT

FAILS = "raise SystemExit('somebody else was asked')\n"
FILES = {
    "gunicorn.conf.py": FAILS,
    "locust.conf": "users = 1\nlocustfile = nowhere.py\n",
    "pyproject.toml": '[tool.locust]\nheadless = true\nhost = "http://127.0.0.1:9"\n',
    ".locust.conf": "users = 1\nonly-summary = maybe\n",
    ".env": "WEB_CONCURRENCY=7\nPAUSE_MS=0\n",
    ".flaskenv": "FLASK_APP=nowhere\n",
    ".netrc": "machine 127.0.0.1 login somebody password secret\n",
    **{
        f"path/{name}.py": FAILS
        for name in ("variants", "loadtest", "locustfile", "cell", "trial", "history", "labels")
    },
}
AGAINST_US = {
    **{f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "all")},
    **{f"{kind}_PROXY": "http://127.0.0.1:9" for kind in ("HTTP", "HTTPS", "ALL")},
    "no_proxy": "",
    "GUNICORN_CMD_ARGS": "--workers 7 --chdir /nowhere",
    "WEB_CONCURRENCY": "7",
    "FORWARDED_ALLOW_IPS": "*",
    "SCRIPT_NAME": "/nowhere",
    "LOCUST_USERS": "1",
    "LOCUST_HOST": "http://127.0.0.1:9",
    "LOCUST_RUN_TIME": "1",
    "LOCUST_LOCUSTFILE": "nowhere.py",
    "LOCUST_PROCESSES": "2",
    "LOCUST_SKIP_LOG_SETUP": "1",
    "FLASK_APP": "nowhere",
    "FLASK_DEBUG": "1",
    "FLASK_ENV": "development",
    "PYTHONOPTIMIZE": "2",
}


@pytest.fixture
def hostile(tmp_path):
    """A folder and an environment in which everything is set against us, but a variant there."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    ours = (ROOT / "variants" / "locked_global.py").read_text(encoding="utf-8")
    (tmp_path / "path" / "mine.py").write_text(ours, encoding="utf-8")
    (tmp_path / "here.py").write_text(
        "from mine import append, create, increment, items, read\n", encoding="utf-8"
    )
    paths = os.pathsep.join((str(ROOT), str(tmp_path / "path")))
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": paths} | AGAINST_US


def test_hostile_environment(hostile, tmp_path):
    """An environment that is set against us changes no verdict."""
    command = f"{sys.executable} -m loadtest check here --workers 1 --threads 4 <&- >out 2>err"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=hostile, timeout=110)
    out, err = (tmp_path / "out").read_text(), (tmp_path / "err").read_text()
    assert done.returncode == 0, out + err
    assert re.search(r"here\s+✓ linearizable", out)
    assert "Everything as expected: 1 of 1 cell." in out
    (log,) = (tmp_path / "results" / "latest").glob("*.server.log")
    assert log.read_text().count("Booting worker") == 1
