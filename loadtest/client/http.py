"""A client of requests' kind, which knows its app and never sends a request twice."""

from __future__ import annotations

from typing import Any

import requests

TIMEOUT_S = 10


class Http(requests.Session):
    """Takes paths for addresses, and stays with its host, wherever that redirects it.

    Each request has a connection of its own unless `keep_alive`: a client that keeps its
    connection stays with one worker. What surrounds it (proxies, .netrc) changes nothing.
    """

    def __init__(
        self, host: str, headers: dict[str, str] | None = None, *, keep_alive: bool = False
    ) -> None:
        super().__init__()
        self.host = host.rstrip("/")
        self.trust_env = False
        self.headers.update(headers or {})
        self.keep_alive = keep_alive
        if not keep_alive:
            self.headers["Connection"] = "close"
        self.raises = False
        """True if an answer from 400 on raises HTTPError."""
        self.seen: list[requests.Response] = []
        """All answers since it was last emptied, those that redirected too."""

    def request(self, method: str, url: str, **more: Any) -> requests.Response:  # type: ignore[override]
        more.setdefault("timeout", TIMEOUT_S)
        reply = super().request(method, self.host + url if url.startswith("/") else url, **more)
        self.seen += [*reply.history, reply]
        if self.raises:
            reply.raise_for_status()
        return reply

    def send(self, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        # redirects come through here, too
        if not f"{request.url}/".startswith(f"{self.host}/"):
            raise requests.exceptions.InvalidURL(f"{request.url} is not at {self.host}")
        try:
            return super().send(request, **more)
        finally:
            if not self.keep_alive:
                # some servers close without saying so, and the pool would use a dead connection
                self.close()
