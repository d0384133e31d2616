"""A list of texts, which has to be linearizable: a position in it is a count with a name."""

from loadtest.kinds.kind import Kind, Operation

APPEND = Operation("append", "POST", "/append", "count", weight=3, writes=True, carries=True)
ITEMS = Operation("items", "GET", "/items", "items", weight=1)
LIST = Kind(
    name="list",
    functions=("append", "items"),
    operations=(APPEND, ITEMS),
    title="a list",
    audited="items of the list",
)
