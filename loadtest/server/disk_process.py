"""A disk in memory, of which only what was synced survives a power cut.

    python disk_process.py FOLDER

It is mounted on FOLDER until this process is told to end. Whoever makes the folder `cut` there cuts
the power: each file has what it had when it was last synced, and those that never were are gone. A
file that was removed comes back, unless its folder was synced since. New and changed names are
durable at once, which a real disk does not guarantee: what is lost here is lost there.
"""

import errno
import stat
import sys
from typing import Any

from mfusepy import FUSE, FuseOSError, Operations

CUT = "/cut"
ROOM = {"f_bsize": 4096, "f_frsize": 4096, "f_namemax": 255}
ROOM |= dict.fromkeys(("f_blocks", "f_bfree", "f_bavail"), 1 << 20)


class File:
    """Its bytes as processes see them, and as they were last synced; None if they never were."""

    def __init__(self) -> None:
        self.seen = bytearray()
        self.synced: bytes | None = None


class Disk(Operations):  # type: ignore[misc]
    use_ns = True

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.removed: dict[str, File] = {}
        """Files whose removal is not durable yet."""
        self.folders = {"/"}

    def cut(self) -> None:
        durable = {path: each for path, each in self.files.items() if each.synced is not None}
        self.files, self.removed = self.removed | durable, {}
        for each in self.files.values():
            each.seen = bytearray(each.synced or b"")

    def file(self, path: str) -> File:
        if path not in self.files:
            raise FuseOSError(errno.ENOENT)
        return self.files[path]

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        if path in self.folders:
            return {"st_mode": stat.S_IFDIR | 0o700, "st_nlink": 2}
        size = len(self.file(path).seen)
        return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": size}

    def readdir(self, path: str, fh: int) -> list[str]:
        above = path.rstrip("/") + "/"
        below = (each.removeprefix(above) for each in [*self.files, *self.folders] if above in each)
        return [".", "..", *(name for name in below if name and "/" not in name)]

    def mkdir(self, path: str, mode: int) -> int:
        self.folders.add(path)
        if path == CUT:
            self.cut()
        return 0

    def rmdir(self, path: str) -> int:
        self.folders.discard(path)
        return 0

    def create(self, path: str, mode: int, fi: Any = None) -> int:
        self.files[path] = File()
        return 0

    def open(self, path: str, flags: int) -> int:
        self.file(path)
        return 0

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return bytes(self.file(path).seen[offset : offset + size])

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        seen = self.file(path).seen
        seen.extend(bytes(max(0, offset - len(seen))))
        seen[offset : offset + len(data)] = data
        return len(data)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        seen = self.file(path).seen
        del seen[length:]
        seen.extend(bytes(length - len(seen)))
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        file = self.file(path)
        file.synced = bytes(file.seen)
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        below = path.rstrip("/") + "/"
        for name in [name for name in self.removed if name.rpartition("/")[0] + "/" == below]:
            del self.removed[name]
        return 0

    def rename(self, old: str, new: str, flags: int = 0) -> int:
        self.files[new] = self.files.pop(old)
        return 0

    def unlink(self, path: str) -> int:
        file = self.file(path)
        del self.files[path]
        if file.synced is not None:
            self.removed[path] = file
        return 0

    def chmod(self, path: str, mode: int) -> int:
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        return 0

    def utimens(self, path: str, times: Any = None) -> int:
        return 0

    def statfs(self, path: str) -> dict[str, int]:
        return ROOM


if __name__ == "__main__":
    try:
        FUSE(Disk(), sys.argv[1], foreground=True, nothreads=True, attr_timeout=0, entry_timeout=0)
    except RuntimeError as error:
        # the expected end: fuse_main returns 8 after a signal
        if error.args != (8,):
            raise
