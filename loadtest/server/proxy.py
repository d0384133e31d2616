"""A proxy between clients and servers, which can break at the wrong moment.

    python proxy.py FD SERVER… [--lose FILE]

Connections to the listening socket FD go to the servers in turn, each HOST:PORT or a socket's
path. As soon as there is a FILE, the next Redis command that writes is let through and its answer
dropped, together with the connection; FILE is removed then.
"""

import argparse
import asyncio
import itertools
import re
import socket
from contextlib import suppress
from pathlib import Path

COMMAND = re.compile(rb"\*\d+\r\n\$\d+\r\n([A-Za-z]+)\r\n")
"""The name of a Redis command, in the protocol's words for an array of strings."""
WRITES = {b"INCR", b"INCRBY", b"HINCRBY", b"SET", b"HSET", b"RPUSH", b"EVAL", b"EVALSHA", b"EXEC"}
"""The commands that write; what stands between MULTI and EXEC is written by EXEC."""


async def connect(server: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if server.startswith("/"):
        return await asyncio.open_unix_connection(server)
    host, _, port = server.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def main(listener: socket.socket, servers: list[str], lose: Path | None) -> None:
    in_turn = itertools.cycle(servers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        losing = False

        async def upwards() -> None:
            nonlocal losing
            with suppress(OSError):
                while data := await reader.read(1 << 16):
                    losing = lose is not None and is_write(data) and lose.exists()
                    to.write(data)
                    await to.drain()
                to.write_eof()

        async def downwards() -> None:
            with suppress(OSError):
                while data := await source.read(1 << 16):
                    # of several that are under way the first
                    if losing and wrote(data) and lose is not None and lose.exists():
                        lose.unlink()
                        return
                    writer.write(data)
                    await writer.drain()

        try:
            source, to = await connect(next(in_turn))
        except OSError:
            writer.close()
            return
        up = asyncio.create_task(upwards())
        try:
            # the server is the one that hangs up
            await downwards()
        finally:
            up.cancel()
            writer.close()
            to.close()

    server = await asyncio.start_server(serve, sock=listener)
    await server.serve_forever()


def wrote(answer: bytes) -> bool:
    """Return False for the answer to an EXEC that did nothing, since its keys had changed."""
    return not answer.endswith((b"*-1\r\n", b"_\r\n"))


def is_write(sent: bytes) -> bool:
    """Return True if the Redis commands that were sent at once end with one that writes."""
    names = COMMAND.findall(sent)
    return bool(names) and names[-1].upper() in WRITES


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("fd", type=int)
    options.add_argument("servers", nargs="+")
    options.add_argument("--lose", type=Path)
    given = options.parse_args()
    asyncio.run(main(socket.socket(fileno=given.fd), given.servers, given.lose))
