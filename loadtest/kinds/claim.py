"""Places that can be taken, LIMIT times each: no more may be sold, and none refused before."""

from loadtest.kinds.kind import Kind, Operation

CLAIM = Operation("claim", "POST", "/claim", "flag", writes=True, carries=True)
CLAIMS = Kind(
    name="claim",
    functions=("claim",),
    operations=(CLAIM,),
    title="claims",
    together=True,
    rivals=4,
)
LIMIT = 1
"""The number of claims of an item of `variants.app` that may succeed."""
