"""Kill a Redis that runs with its default settings, and start it again."""

from loadtest.server.fault import Fault, Quotation
from loadtest.server.faults.kill_store import inject

FAULT = Fault(
    "kill-defaults",
    row=10,
    called="a crash, as most people run it",
    ends="disk",
    needs="Redis",
    inject=inject,
    store_defaults=True,
    documented=(
        Quotation(
            "Redis",
            "Snapshotting is not very durable. If your computer running Redis stops, your power "
            "line fails, or you accidentally kill -9 your instance, the latest data written to "
            "Redis will be lost.",
            "redis.io/docs/latest/operate/oss_and_stack/management/persistence",
            lambda verdict: "forgets" in verdict.failures,
        ),
    ),
)
