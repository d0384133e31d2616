"""A server of raw sockets that counts, in as many copies as a test wants."""

import itertools
import threading
from contextlib import contextmanager

from loadtest.tests.sockets import serving


@contextmanager
def counting(counts=(0,), *, post=lambda before, after: str(after), turn=None, read=None):
    """Serve a count in copies that begin at `counts`; yields the address.

    A POST adds one and is answered `post(before, after)`, a GET is answered `read(count)`. The
    n-th request meets the copy with the number `turn(n)`, by default the next.
    """
    counts = list(counts)
    numbers, lock = itertools.count(), threading.Lock()
    turn = turn or (lambda n: n % len(counts))

    def answer(connection):
        with connection:
            request = connection.recv(65536)
            if not request:
                return
            with lock:
                copy = turn(next(numbers)) % len(counts)
                if request.startswith(b"POST"):
                    counts[copy] += 1
                    body = post(counts[copy] - 1, counts[copy])
                else:
                    body = (read or str)(counts[copy])
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            connection.sendall(head % len(body) + body.encode())

    with serving(answer) as port:
        yield f"http://127.0.0.1:{port}"
