"""A server of raw sockets, for answers that no well-behaved server gives."""

import socket
import threading
from contextlib import contextmanager


@contextmanager
def serving(answer):
    """Call `answer` with each connection, in a thread of its own; yields the port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
