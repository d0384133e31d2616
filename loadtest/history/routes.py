"""Which request means which operation: the routes of `variants.app`, as a client asks for them.

Writes are POSTs, because a client library may send a GET twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.history.operation import Op


@dataclass(frozen=True)
class Route:
    """The request that asks for an operation; an append's item is the `item` of a JSON body."""

    method: str
    path: str


ROUTES: dict[Op, Route] = {
    "create": Route("POST", "/create"),
    "increment": Route("POST", "/increment"),
    "read": Route("GET", "/read"),
    "append": Route("POST", "/append"),
    "items": Route("GET", "/items"),
}
