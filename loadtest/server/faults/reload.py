"""Replace all workers by new ones, as a deploy does."""

from loadtest.server.fault import Fault, Quotation, Target
from loadtest.server.servers import ADAPTERS
from loadtest.server.workers import master, serving, wait_until_back


def inject(target: Target) -> str:
    reloads = ADAPTERS[target.adapter].reloads
    assert reloads
    before = serving(target)
    master(target).send_signal(reloads)
    wait_until_back(target, before, len(before))
    return f"all {len(before)}" if len(before) > 1 else f"worker {before[0]}"


FAULT = Fault(
    "reload",
    row=2,
    called="a deploy",
    ends="worker",
    inject=inject,
    lacking=lambda adapter: "" if adapter.reloads else "cannot replace its workers while it runs",
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
