"""The contract of a variant: a module with `create` and the functions of the kinds that it keeps.

A kind of state is a count, a list, what one request hands on, something of one visitor, or
places that can be claimed. The five variants have all functions, in this order.

A variant's docstring says in labelled lines what is expected of it; `facts` has the questions.

A variant whose store can be down or busy also names the exceptions that say so:
`UNAVAILABLE: dict[type[Exception], str]`, from the exception to what the reader should do.
One that is built on an extension of Flask has `init_app(app)`, as the extensions have.
"""

from __future__ import annotations

from typing import Protocol

KINDS = {
    "counter": ("increment", "read"),
    "list": ("append", "items"),
    "request": ("remember", "recall"),
    "visitor": ("save", "load"),
    "claim": ("claim",),
}
"""The functions of each kind of state; `create` is of all kinds."""
FUNCTIONS = ("create", *(name for functions in KINDS.values() for name in functions))


class Store(Protocol):
    def create(self) -> int:
        """Start over: the count is 0, and nothing else is kept. Returns 0."""

    def increment(self) -> int:
        """Add one. Returns the new count."""

    def read(self) -> int:
        """The count; 0 if nobody ever created it."""

    def append(self, item: str) -> int:
        """Add item at the end of the list. Returns its position, from 1."""

    def items(self) -> list[str]:
        """The list, in order."""

    def remember(self, name: str) -> None:
        """Put a name aside, for later in this request."""

    def recall(self) -> str:
        """The name that this request put aside."""

    def save(self, visitor: str, text: str) -> None:
        """Keep a text for a visitor, in place of the one before."""

    def load(self, visitor: str) -> str | None:
        """The text that a visitor saved last; None if there is none."""

    def claim(self, item: str) -> bool:
        """Take an item, which one may have. Returns True if it was free."""
