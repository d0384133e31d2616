"""A name that one function of a request hands to another: it has to be this request's own."""

from loadtest.kinds.kind import Kind, Operation

WHOAMI = Operation("whoami", "GET", "/whoami?name={item}", "text", carries=True)
REQUEST = Kind(
    name="request",
    functions=("remember", "recall"),
    operations=(WHOAMI,),
    title="within a request",
    together=True,
)
