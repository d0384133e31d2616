"""Histories: requests and their answers. `contract` defines the format."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loadtest.history.contract import SCHEMA as SCHEMA
    from loadtest.history.contract import Incomplete as Incomplete
    from loadtest.history.contract import Malformed as Malformed
    from loadtest.history.contract import frame as frame
    from loadtest.history.contract import operations as operations
    from loadtest.history.operation import Op as Op
    from loadtest.history.operation import Operation as Operation
    from loadtest.history.operation import line as line
    from loadtest.history.reading import CHUNK as CHUNK
    from loadtest.history.reading import parse as parse
    from loadtest.history.reading import read as read
    from loadtest.history.writing import save as save
    from loadtest.history.writing import write as write


PLACES = {
    "CHUNK": "reading",
    "Incomplete": "contract",
    "Malformed": "contract",
    "Op": "operation",
    "Operation": "operation",
    "SCHEMA": "contract",
    "frame": "contract",
    "line": "operation",
    "operations": "contract",
    "parse": "reading",
    "read": "reading",
    "save": "writing",
    "write": "writing",
}
"""The module of each name."""


def __getattr__(name: str) -> Any:
    # only when asked for: locust's process records operations without polars
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{PLACES[name]}"), name)
