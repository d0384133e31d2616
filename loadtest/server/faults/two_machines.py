"""Share the load between two servers, each with a disk of its own."""

import time

from loadtest.server.fault import Fault, Target
from loadtest.server.workers import APART_S


def inject(_: Target) -> str:
    """Both machines are there all the time; the wait gives the injection a length."""
    time.sleep(APART_S)
    return "two servers, each with a disk of its own"


FAULT = Fault(
    "two-machines",
    row=7,
    called="the second container",
    ends="nothing",
    inject=inject,
    times=1,
    machines=2,
)
