"""Replace all workers by new ones, as a deploy does."""

import signal

from loadtest.server.fault import Fault, Quotation, Target
from loadtest.server.workers import master, serving, wait_until_back


def inject(target: Target) -> str:
    before = serving(target)
    master(target).send_signal(signal.SIGHUP)
    wait_until_back(target, before, len(before))
    return f"all {len(before)}" if len(before) > 1 else f"worker {before[0]}"


FAULT = Fault(
    "reload",
    row=2,
    called="a deploy",
    ends="worker",
    inject=inject,
    button=True,
    documented=(
        Quotation(
            "gunicorn",
            "start the new worker processes with a new configuration and gracefully shutdown "
            "older workers",
            "docs.gunicorn.org/en/stable/signals.html",
            lambda verdict: not any(kind.unknown for kind in verdict.answered),
        ),
    ),
)
