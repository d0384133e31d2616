"""Signals that end a command, and what is done when one comes."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def stop_at_once(number: int, _: FrameType | None) -> NoReturn:
    """While there is nothing to clean up: during imports, and at the end."""
    os.write(2, b"stopped\n")
    leave_at_once(number, None)


def leave_at_once(number: int, _: FrameType | None) -> NoReturn:
    """Once it is said already."""
    os._exit(128 + number)


def on_signals(do: Callable[[int, FrameType | None], object]) -> None:
    for each in SIGNALS:
        # such as the one that nohup takes away
        if signal.getsignal(each) != signal.SIG_IGN:
            signal.signal(each, do)


@contextmanager
def held() -> Iterator[None]:
    """Defer signals until the block ends."""
    came: list[int] = []
    before = {each: signal.getsignal(each) for each in SIGNALS}
    on_signals(lambda number, _: came.append(number))
    try:
        yield
    finally:
        for each, do in before.items():
            signal.signal(each, do)
        if came:
            signal.raise_signal(came[0])
