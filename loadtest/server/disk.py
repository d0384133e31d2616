"""A disk whose power can be cut, where a file system of one's own can be had."""

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from importlib.util import find_spec
from pathlib import Path

from loadtest.errors import CouldNotRun
from loadtest.server.guardian import guarded, last_line

PROCESS = Path(__file__).with_name("disk_process.py")


class DiskError(CouldNotRun):
    """The disk could not be mounted; the message says why, in one line."""


def missing() -> str:
    """Return what such a disk lacks here; empty if nothing."""
    if sys.platform != "linux":
        return "only Linux has it"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse cannot be opened"
    if os.geteuid() and not shutil.which("fusermount3"):
        return "who is not root needs fusermount3"
    if find_spec("mfusepy") is None:
        return "pip's mfusepy is not installed"
    if not (os.environ.get("FUSE_LIBRARY_PATH") or find_library("fuse3") or find_library("fuse")):
        return "apt's fuse3 is not installed"
    return ""


@contextmanager
def disk(log: Path) -> Iterator[Path]:
    """A folder that is such a disk until the end of the block. Raises DiskError."""
    folder = Path(tempfile.gettempdir()) / f"disk-{secrets.token_hex(4)}"
    command = [sys.executable, str(PROCESS), str(folder)]

    def refusal() -> DiskError:
        return DiskError(f"the disk could not be mounted: {last_line(log)}")

    with guarded(command, log=log, folder=folder, ready=folder.is_mount, refusal=refusal):
        yield folder
