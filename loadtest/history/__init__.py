"""Histories: requests and their answers. `schema` defines the format."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loadtest.history.operation import Op as Op
    from loadtest.history.operation import Operation as Operation
    from loadtest.history.operation import line as line
    from loadtest.history.schema import CHUNK as CHUNK
    from loadtest.history.schema import SCHEMA as SCHEMA
    from loadtest.history.schema import Incomplete as Incomplete
    from loadtest.history.schema import Malformed as Malformed
    from loadtest.history.schema import frame as frame
    from loadtest.history.schema import operations as operations
    from loadtest.history.schema import parse as parse
    from loadtest.history.schema import read as read
    from loadtest.history.schema import save as save
    from loadtest.history.schema import write as write


__all__ = [
    "CHUNK",
    "SCHEMA",
    "Incomplete",
    "Malformed",
    "Op",
    "Operation",
    "frame",
    "line",
    "operations",
    "parse",
    "read",
    "save",
    "write",
]


def __getattr__(name: str) -> Any:
    # only when asked for: locust's process records operations without polars
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("loadtest.history.schema"), name)
