"""Signals that end a command, and what is done when one comes."""

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def stop_at_once(number: int, _: FrameType | None) -> NoReturn:
    """While there is nothing to clean up: during imports, and at the end."""
    os.write(2, b"stopped\n")
    os._exit(128 + number)


def on_signals(do: Callable[[int, FrameType | None], NoReturn] | signal.Handlers) -> None:
    for each in SIGNALS:
        # such as the one that nohup takes away
        if signal.getsignal(each) != signal.SIG_IGN:
            signal.signal(each, do)
