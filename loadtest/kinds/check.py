"""A check of somebody's own: a function that has to return True, whoever else is asking."""

from loadtest.kinds.kind import Kind, Operation

CHECK = Operation("check", "GET", "", "flag", flags=("failed", "passed"))
CHECKS = Kind(
    name="check",
    functions=(),
    operations=(CHECK,),
    title="a check of one's own",
    together=True,
)
