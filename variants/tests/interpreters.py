"""The Pythons that are here."""

import os
import re
import shutil
import sys
from pathlib import Path

import pytest


def interpreters():
    """The one that runs the tests, those on PATH, and pyenv's, from 3.9 on."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    minor = [f"3.{n}" for n in range(9, 16)]
    names = [f"python{each}{t}" for each in minor for t in ("", "t")] + ["pypy3"]
    # a shim of pyenv's is no interpreter
    on_path = [path for path in map(shutil.which, names) if path and "shims" not in path]
    kept = [path for each in minor for path in (pyenv / "versions").glob(f"{each}.*/bin/python3")]
    found = [sys.executable, *on_path, *map(str, kept)]
    by_name = {}
    for path in found:
        version = re.search(r"/versions/([^/]+)/", str(Path(path).resolve()))
        by_name.setdefault(version[1] if version else Path(path).name, path)
    return [pytest.param(path, id=name) for name, path in by_name.items()]
