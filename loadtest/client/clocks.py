"""Clocks of several machines: their names, and the bounds between two of them.

Python's monotonic clock counts from the start of the machine and goes on in every process and
container of it, unless that has a time namespace of its own.
"""

from __future__ import annotations

import platform
import re
import subprocess
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from loadtest.history.operation import Operation

DRIFT = 1e-3
"""Two clocks are believed to drift apart by less than this; a kernel slews at most half of it."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TIME_NAMESPACE = Path("/proc/self/ns/time")


@cache
def clock_name() -> str:
    """Return the name of this machine's clock: the machine's start and the time namespace."""
    with suppress(OSError):
        namespace = TIME_NAMESPACE.stat().st_ino if TIME_NAMESPACE.exists() else 0
        return f"{BOOT_ID.read_text().strip()[:8]}-{namespace}"
    with suppress(OSError, subprocess.SubprocessError):
        # macOS
        command = ["sysctl", "-n", "kern.bootsessionuuid"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5)
        return re.sub(r"[^\w-]", "", done.stdout)[:8]
    return platform.node()


@dataclass(frozen=True)
class Bounds:
    """The least and the most to add to another clock's time for ours, in nanoseconds.

    A message that is sent after an event arrives after it: what we sent at our time s and the other
    received at its time r shows that at least s − r is to be added, and the reverse the most.
    """

    least: int
    most: int
    least_at: int
    most_at: int

    @classmethod
    def of(cls, sent: int, received: int, sent_back: int, received_back: int) -> Bounds:
        """From a message of ours, and one that came back, each with both clocks' times."""
        return cls(sent - received, received_back - sent_back, sent, received_back)

    def at(self, now: int) -> Bounds:
        """Return the bounds at a time of ours, wider by what the clocks may have drifted since."""
        return replace(
            self,
            least=self.least - int(DRIFT * (now - self.least_at)),
            most=self.most + int(DRIFT * (now - self.most_at)),
            least_at=now,
            most_at=now,
        )

    def tightened(self, other: Bounds) -> Bounds:
        """Return the bounds that follow from both, at the later time."""
        now = max(self.least_at, self.most_at, other.least_at, other.most_at)
        one, two = self.at(now), other.at(now)
        least, most = max(one.least, two.least), min(one.most, two.most)
        # clocks that drift more than is believed: either may be right
        return replace(one, least=min(least, most), most=max(least, most))

    def shifted(self, operation: Operation, clock: str, earliest: int, latest: int) -> Operation:
        """Return the operation in our time, as long as it may have been, within two moments.

        So two operations that are apart now were apart.
        """
        # the bounds are of the moment of a message, and the clocks may have drifted before it too
        age = max(0, self.most_at - (operation.start + self.least))
        slack = int(DRIFT * age) + 1
        start = max(earliest, operation.start + self.least - slack)
        end = operation.end
        if end is not None:
            end = max(start, min(latest, end + self.most + slack))
        return replace(operation, clock=clock, start=start, end=end)
