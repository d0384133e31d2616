"""A text that a visitor saves: the visitor's last one has to come back, in a later request."""

from loadtest.kinds.kind import Kind, Operation

SAVE = Operation("save", "POST", "/save", "nothing", writes=True, carries=True)
LOAD = Operation("load", "GET", "/load", "text")
VISITOR = Kind(
    name="visitor",
    functions=("save", "load"),
    operations=(SAVE, LOAD),
    title="of a visitor",
    together=True,
    of_a_visitor=True,
)
