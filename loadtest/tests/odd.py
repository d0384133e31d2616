"""A server whose answers need not be right, for tests of what is asked of it."""

import json
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Odd(BaseHTTPRequestHandler):
    """A counter and a list that are right, and answers that need not be: `mischief(op, n)` says
    what becomes of the n-th request for an operation. Requests for which `shy(n)` is true go to
    another worker, which has its own state, not empty at first."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        server = self.server
        op = self.path.strip("/")
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with server.lock:
            server.asked[op] += 1
            what = server.mischief(op, server.asked[op])
            shy = server.shy(server.asked.total())
            state = server.others if shy else server.state
            if what != 404:
                state[:] = {"create": [0, []]}.get(op, state)
                state[0] += op == "increment"
                state[1] += [json.loads(sent)["item"]] if op == "append" else []
            count, items = state
            body = {"append": len(items), "items": items}.get(op, count)
        if what == "drop":
            self.close_connection = True
            return
        if what in ("slow", "hang"):
            server.over.wait(1 if what == "slow" else 20)
        status = what if isinstance(what, int) else 200
        text = what[1] if isinstance(what, tuple) else json.dumps(body)
        with suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.send_header("X-Worker", server.shy_worker if shy else "7")
            self.send_header("X-Boot", "shy" if shy else "b7")
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(text.encode())

    do_GET = do_POST = answer

    def setup(self):
        super().setup()
        self.server.connections += 1

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


@contextmanager
def odd(mischief=lambda op, n: None, shy=lambda n: False):
    server = Server(("127.0.0.1", 0), Odd)
    server.mischief, server.lock, server.over = mischief, threading.Lock(), threading.Event()
    server.state, server.asked, server.connections = [0, []], Counter(), 0
    server.others, server.shy, server.shy_worker = [500, ["old"]], shy, "7"
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
