#!/usr/bin/env bash
# granian 2.8.9: four WSGI worker processes answer, and each says `wsgi.multiprocess` is False.
#
# PEP 3333 defines the flag as "true if an equivalent application object may be simultaneously
# invoked by another process". Requests reach at least two processes here, and all of them say
# False. An app or a library that trusts the flag keeps its state per process and believes that
# there is one. (Guessed before the run: True.)
# Source: PEP 3333, "environ Variables".
set -euo pipefail
folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && cd "$folder"
"${PYTHON:-python3}" -m venv venv && venv/bin/pip install --quiet --disable-pip-version-check granian==2.8.9

cat >flags.py <<'PYTHON'
import os


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {environ['wsgi.multiprocess']}".encode()]
PYTHON
cat >ask.py <<'PYTHON'
import socket
import subprocess
import sys
import time
from urllib.request import ProxyHandler, build_opener

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--workers", "4"]
server = subprocess.Popen(
    [*command, "--port", str(port), "flags:app"],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
browser, processes, flags = build_opener(ProxyHandler({})), set(), set()
try:
    for _ in range(400):
        try:
            reply = browser.open(f"http://127.0.0.1:{port}/", timeout=5).read().decode()
        except OSError:
            time.sleep(0.05)
            continue
        process, flag = reply.split()
        processes.add(process)
        flags.add(flag)
finally:
    server.terminate()
    server.wait()
print("several processes" if len(processes) > 1 else "one process", sorted(flags))
PYTHON
seen=$(venv/bin/python ask.py)
expected="several processes ['False']"
printf '%s\n' "$seen"
[ "$seen" = "$expected" ] || { echo "this has changed; it was:"; printf '%s\n' "$expected"; exit 1; }
