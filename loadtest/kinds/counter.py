"""A count, which has to be linearizable: one count, whichever worker answers."""

from loadtest.kinds.kind import Kind, Operation

INCREMENT = Operation("increment", "POST", "/increment", "count", weight=10, writes=True)
READ = Operation("read", "GET", "/read", "count", weight=3)
COUNTER = Kind(
    name="counter",
    functions=("increment", "read"),
    operations=(INCREMENT, READ),
    unit="increments",
    audited="increments",
)
