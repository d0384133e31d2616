"""Add a worker, then end one, as autoscaling does."""

import time

from loadtest.server.fault import Fault, Target
from loadtest.server.servers import ADAPTERS
from loadtest.server.workers import APART_S, master, serving, wait_until_back


def inject(target: Target) -> str:
    scaling = ADAPTERS[target.adapter].scaling
    assert scaling
    before = serving(target)
    master(target).send_signal(scaling.more)
    wait_until_back(target, [], len(before) + 1)
    time.sleep(APART_S)
    ending = before[0] if scaling.ends == "oldest" else serving(target)[-1]
    master(target).send_signal(scaling.fewer)
    wait_until_back(target, [ending], len(before))
    return f"one more, then worker {ending} ends"


FAULT = Fault(
    "scale",
    row=5,
    called="autoscaling",
    ends="worker",
    inject=inject,
    lacking=lambda adapter: "" if adapter.scaling else "cannot add a worker while it runs",
)
