"""The contract of a variant: a module with these five functions, in this order.

A variant's docstring says in labelled lines what is expected of it; `facts` has the questions.

A variant whose store can be down or busy also names the exceptions that say so:
`UNAVAILABLE: dict[type[Exception], str]`, from the exception to what the reader should do.
One that is built on an extension of Flask has `init_app(app)`, as the extensions have.
"""

from typing import Protocol

KINDS = {"counter": ("increment", "read"), "list": ("append", "items")}
"""The functions of each kind of state; `create` is of all kinds."""
FUNCTIONS = ("create", *(name for functions in KINDS.values() for name in functions))


class Store(Protocol):
    def create(self) -> int:
        """Start over: the count is 0 and the list is empty. Returns 0."""

    def increment(self) -> int:
        """Add one. Returns the new count."""

    def read(self) -> int:
        """The count; 0 if nobody ever created it."""

    def append(self, item: str) -> int:
        """Add item at the end of the list. Returns its position, from 1."""

    def items(self) -> list[str]:
        """The list, in order."""
