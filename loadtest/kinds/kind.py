"""The description of a kind of state, for the rest of the project, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Answers = Literal["count", "items", "text", "flag", "nothing"]


@dataclass(frozen=True)
class Operation:
    """One request about a kind of state.

    name      its name in a history
    method    } its route in `variants.app`; what writes is a POST, because a client library may
    path      } send a GET twice; {item} in it is the item that is sent; "" if only an app of
                one's own is asked
    answers   what its answer holds: a count (a whole number, `value` in a history), items (a list
              of texts), a text or null (`answer`), a flag (true or false, 1 or 0 as `value`), or
              nothing that is read
    weight    its share of a load, among the kinds whose requests mix
    writes    True if it changes the state
    carries   True if it sends an item, in place of {item} in the path or as JSON
    flags     the words for false and true, if it answers a flag
    """

    name: str
    method: Literal["GET", "POST"]
    path: str
    answers: Answers
    weight: int = 0
    writes: bool = False
    carries: bool = False
    flags: tuple[str, str] = ("refused", "taken")


@dataclass(frozen=True)
class Kind:
    """A kind of state: something that an app keeps.

    name         its name in tables and settings
    functions    what a variant has that keeps it (`variants.store`); none if no variant does
    operations   its requests, those that write first
    title        the kind in words for people, at the head of a table
    audited      how the final reads name what they read; "" if there are none
    together     True if all clients ask about it at once, some requests each, since only requests
                 that overlap can meet; the requests of the other kinds mix
    of_a_visitor True if its requests name the visitor, a client of the load
    rivals       how many requests in a row are for one item; 1 if each has its own
    """

    name: str
    functions: tuple[str, ...]
    operations: tuple[Operation, ...]
    title: str
    audited: str = ""
    together: bool = False
    of_a_visitor: bool = False
    rivals: int = 1

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
