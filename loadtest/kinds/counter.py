"""A count, which has to be linearizable: one count, whichever worker answers."""

from loadtest.kinds.kind import Kind, Operation

INCREMENT = Operation("increment", "POST", "/increment", "count", weight=20, writes=True)
READ = Operation("read", "GET", "/read", "count", weight=4)
COUNTER = Kind(
    name="counter",
    functions=("increment", "read"),
    operations=(INCREMENT, READ),
    title="a count",
    audited="increments",
)
