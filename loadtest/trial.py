"""The shape of a server: W×T, gunicorn workers × threads."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Topology:
    workers: int
    threads: int

    def __str__(self) -> str:
        return f"{self.workers}×{self.threads}"

    @classmethod
    def parse(cls, text: str) -> "Topology":
        """From "4x8" or "4×8". Raises ValueError for anything else, and for less than 1×1."""
        match = re.fullmatch(r"(\d+)[x×](\d+)", text)
        if not match or "0" in match.groups():
            raise ValueError(f"not a topology: {text!r}; write workers×threads, such as 4x8")
        return cls(int(match[1]), int(match[2]))


TOPOLOGIES = tuple(Topology(*shape) for shape in ((1, 1), (1, 8), (4, 1), (4, 8)))
