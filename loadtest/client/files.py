"""The files of a run's history: one, or in a distributed run one of each locust process.

The master names the run's file. Each locust worker writes its own beside that, on its own machine,
and tells the master where, and when it is complete. At the end the master makes one file of them,
if all are on its machine; else it says which to bring together.
"""

import shutil
import socket
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gevent
from locust.env import Environment
from locust.rpc import Message
from locust.runners import MasterRunner, WorkerRunner

MACHINE = socket.gethostname()


@dataclass
class Part:
    """The file of one locust process, and the machine that it is on."""

    path: str
    machine: str = MACHINE
    complete: bool = False

    @property
    def here(self) -> bool:
        # two machines may have one name
        return self.machine == MACHINE and Path(self.path).is_file()


SILENT = Part("a locust worker that was not heard of again", machine="some machine")
"""Of one that was told to begin and has not yet told of its file."""
Told = dict[str, dict[str, Part]]
"""Run → locust process → what it told of its file."""


class Files:
    """The files of one run; `path` is the one that the whole history ends in."""

    def __init__(self, environment: Environment, told: Told, given: str | None, count: int) -> None:
        self.runner = environment.runner
        self.told = told
        self.distributed = isinstance(self.runner, MasterRunner | WorkerRunner)
        self.clock = MACHINE if self.distributed else None
        options = environment.parsed_options
        assert options
        if isinstance(self.runner, WorkerRunner):
            self.path = Path(options.run)
            self.own = self.path.with_stem(f"{self.path.stem}.{self.runner.worker_index}")
        else:
            self.path = Path(given or time.strftime("results/%Y-%m-%d_%H-%M-%S/history.jsonl"))
            if given and count > 1:
                self.path = self.path.with_stem(f"{self.path.stem}-{count}")
            self.own = self.path
            if self.distributed:
                self.own = self.path.with_stem(f"{self.path.stem}.master")
                # locust sends the master's options to its workers, those that it does not know too
                options.run = str(self.path)
        if isinstance(self.runner, MasterRunner):
            clients = self.runner.clients
            for worker in (*clients.ready, *clients.spawning, *clients.running):
                self.told[str(self.path)].setdefault(worker.id, SILENT)
        self.tell(complete=False)

    def complete(self) -> None:
        """This process's file is complete; the master makes one of all."""
        self.tell(complete=True)
        if isinstance(self.runner, MasterRunner):
            self.merge()

    @property
    def parts(self) -> Iterable[Part]:
        return self.told[str(self.path)].values()

    def tell(self, *, complete: bool) -> None:
        """Lets the master know of this process's own file."""
        part = Part(str(self.own.absolute()), complete=complete)
        if isinstance(self.runner, WorkerRunner):
            self.runner.send_message("history", {"run": str(self.path), "part": asdict(part)})
        else:
            self.told[str(self.path)]["own"] = part

    def here(self) -> list[str]:
        """The files on this machine."""
        return [part.path for part in self.parts if part.here]

    def away(self) -> int:
        """Count the files on other machines."""
        return sum(not part.here for part in self.parts)

    def whole(self) -> bool:
        """Return True if this machine has all of the history."""
        return all(part.here and part.complete for part in self.parts)

    def to_bring_together(self) -> str:
        """Name the files to bring together for a verdict."""
        lines = [
            "No verdict: the history is not all on this machine. Bring these files together,",
            "then: python -m loadtest judge FILE…  Times compare within one machine only.",
            "",
        ]
        for part in self.parts:
            where = "here" if part.here else f"on {part.machine}"
            lines.append(f"  {where}: {part.path}" + ("" if part.complete else " (it breaks off)"))
        return "\n".join(lines)

    def wait(self, seconds: float) -> None:
        """Stops the load in every locust worker, and waits until their files are complete."""
        if not isinstance(self.runner, MasterRunner):
            return
        # without a web UI the master comes to its test_stop before its workers are told to stop
        self.runner.send_message("stop load")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not all(
            part.complete for process, part in self.told[str(self.path)].items() if process != "own"
        ):
            gevent.sleep(0.05)

    def merge(self) -> None:
        """Makes one file of the parts, unless this machine lacks some."""
        if not self.whole():
            return
        with self.path.open("wb") as whole:
            for name in self.here():
                with Path(name).open("rb") as part:
                    shutil.copyfileobj(part, whole)
        for name in self.here():
            Path(name).unlink()
        self.told[str(self.path)] = {"own": Part(str(self.path.absolute()), complete=True)}


def listen(environment: Environment) -> Told:
    """Register the messages of a distributed run's processes; once, at their start."""
    runner = environment.runner
    told: Told = defaultdict(dict)

    def hear(environment: Environment, msg: Message, **_: Any) -> None:
        told[msg.data["run"]][msg.node_id] = Part(**msg.data["part"])

    if isinstance(runner, MasterRunner):
        runner.register_message("history", hear)
    elif isinstance(runner, WorkerRunner):
        runner.register_message("stop load", stop, concurrent=True)
    return told


def stop(environment: Environment, **_: Any) -> None:
    assert environment.runner
    environment.runner.stop()
