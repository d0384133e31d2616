"""What the rest of the project needs to know of a kind of state, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Answers = Literal["count", "items", "nothing"]


@dataclass(frozen=True)
class Operation:
    """One request about a kind of state.

    name      its name in a history
    method    } its route in `variants.app`; what writes is a POST, because a client library may
    path      } send a GET twice
    answers   what its answer holds: a count (a whole number, `value` in a history), items (a list
              of texts), or nothing that is read
    weight    its share of a load
    writes    True if it changes the state
    carries   True if it sends an item, a text that nobody else sends
    """

    name: str
    method: Literal["GET", "POST"]
    path: str
    answers: Answers
    weight: int = 0
    writes: bool = False
    carries: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of state: something that an app keeps.

    name         its name in tables and settings
    functions    what a variant has that keeps it (`variants.store`)
    operations   its requests, those that write first
    unit         what its write adds, in words for people
    audited      how the final reads name what they read
    """

    name: str
    functions: tuple[str, ...]
    operations: tuple[Operation, ...]
    unit: str
    audited: str

    @property
    def ops(self) -> tuple[str, ...]:
        """The names of its operations."""
        return tuple(operation.name for operation in self.operations)

    @property
    def write(self) -> str:
        """The name of the operation that changes it; "" if there is none."""
        return next((operation.name for operation in self.operations if operation.writes), "")

    @property
    def read(self) -> str:
        """The name of the operation that reads it; "" if there is none."""
        return next((operation.name for operation in self.operations if not operation.writes), "")
