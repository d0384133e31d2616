"""Add a worker, then end one, as autoscaling does."""

import signal
import time

from loadtest.server.fault import Fault, Target
from loadtest.server.workers import APART_S, master, serving, wait_until_back


def inject(target: Target) -> str:
    before = serving(target)
    master(target).send_signal(signal.SIGTTIN)
    wait_until_back(target, [], len(before) + 1)
    time.sleep(APART_S)
    master(target).send_signal(signal.SIGTTOU)
    # gunicorn ends the oldest
    wait_until_back(target, before[:1], len(before))
    return f"one more, then worker {before[0]} ends"


FAULT = Fault("scale", row=5, called="autoscaling", ends="worker", inject=inject)
