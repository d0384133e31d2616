"""The files of a run's history: one, or in a distributed run one of each locust process.

Each locust worker writes its operations to a file of its own, and sends its lines to the master
over locust's connection while it runs. The master writes them to files that it names itself, in the
time of its own clock, and at the end makes one file of all. So one machine never reads, writes or
removes a path that another machine has named. The workers' files stay where they are.
"""

import json
import re
import secrets
import shutil
import socket
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gevent
from locust.env import Environment
from locust.rpc import Message
from locust.runners import MasterRunner, WorkerRunner

from loadtest.client.clocks import Bounds, clock_name
from loadtest.history.operation import Operation, line, printable, short

LARGEST = 200_000_000
"""The most bytes of a run that are taken over locust's connection."""
PIECE = 250_000
SILENCE_S = 10.0
"""A master that has not answered for so long is gone."""
NAME = re.compile(r"[\w-]{1,80}")


@dataclass
class Part:
    """The operations of one locust process, as far as this process has them.

    `who` names the process for people, `file` is its part on this machine.
    """

    who: str
    file: Path | None = None
    complete: bool = False
    broken: str = ""
    pieces: int = 0
    bounds: Bounds | None = None

    @property
    def whole(self) -> bool:
        return self.file is not None and self.complete and not self.broken


@dataclass
class Exchange:
    """The messages of a distributed run: `parts` by run and locust process, and the current run."""

    parts: dict[str, dict[str, Part]] = field(default_factory=dict)
    files: "Files | None" = None


class Files:
    """The files of one run; `path` is the one that the whole history ends in."""

    def __init__(
        self, environment: Environment, exchange: Exchange, given: str | None, count: int
    ) -> None:
        self.runner = environment.runner
        self.distributed = isinstance(self.runner, MasterRunner | WorkerRunner)
        self.clock = clock_name() if self.distributed else None
        self.options = environment.parsed_options
        assert self.options
        if isinstance(self.runner, WorkerRunner):
            # the name of a run, and no path, comes from the master
            self.run = self.options.run if NAME.fullmatch(str(self.options.run)) else "run"
            self.path = Path(given or f"results/{self.run}/history.jsonl")
            self.own = self.path.with_stem(f"{self.path.stem}.{self.runner.worker_index}")
        else:
            self.run = f"{time.strftime('%Y-%m-%d_%H-%M-%S')}-{secrets.token_hex(4)}"
            self.path = Path(given or time.strftime("results/%Y-%m-%d_%H-%M-%S/history.jsonl"))
            if given and count > 1:
                self.path = self.path.with_stem(f"{self.path.stem}-{count}")
            self.own = self.path
            if self.distributed:
                self.own = self.path.with_stem(f"{self.path.stem}.master")
                # locust sends the master's options to its workers, those that it does not know too
                self.options.run = self.run
        self.offset = self.sent = self.taken = self.began = 0
        self.heard: list[int] = []
        exchange.files = self
        self.parts = exchange.parts.setdefault(self.run, {})
        if isinstance(self.runner, WorkerRunner):
            self.heard = [int(self.options.run_begins), time.monotonic_ns()]
        if isinstance(self.runner, MasterRunner):
            clients = self.runner.clients
            for worker in (*clients.ready, *clients.spawning, *clients.running):
                number = self.runner.worker_indexes.get(worker.id, 0)
                self.parts[worker.id] = Part(f"locust worker {number}")
        if not isinstance(self.runner, WorkerRunner):
            self.parts["own"] = Part("this process", self.own)

    def begins(self) -> None:
        """The state is empty: what the workers do from now on is the load."""
        self.began = time.monotonic_ns()
        if self.distributed and self.options:
            self.options.run_begins = self.began

    def send(self, *, last: bool = False) -> None:
        """Send the lines that were written since, from a locust worker to its master."""
        if not isinstance(self.runner, WorkerRunner):
            return
        with self.own.open(encoding="utf-8") as file:
            file.seek(self.offset)
            lines = file.readlines()
        if lines and not lines[-1].endswith("\n"):
            lines.pop()
        self.offset += sum(len(each.encode()) for each in lines)
        # also without a line: the master's reply shows that it is there
        while True:
            text = ""
            while lines and len(text) < PIECE:
                text += lines.pop(0)
            last_piece = last and not lines
            self.send_piece(text, last=last_piece)
            if not lines:
                return

    def deserted(self) -> bool:
        """Return True in a locust worker whose master has not answered for a while."""
        silence = (time.monotonic_ns() - self.heard[1]) / 1e9 if self.heard else 0.0
        return silence > SILENCE_S

    def send_piece(self, text: str, *, last: bool) -> None:
        piece = {
            "run": self.run,
            "number": self.sent,
            "text": text,
            "clock": self.clock,
            "heard": self.heard,
            "sent": time.monotonic_ns(),
            "machine": socket.gethostname(),
            "last": last,
        }
        self.sent += 1
        assert self.runner
        self.runner.send_message("history", piece)

    def take(self, node: str, piece: dict[str, Any]) -> None:
        """Write a piece that a locust worker sent to its part; anything odd breaks the part."""
        part = self.parts[node]
        received = time.monotonic_ns()
        text, clock, number = piece.get("text"), piece.get("clock"), piece.get("number")
        heard, sent = piece.get("heard"), piece.get("sent")
        odd = not (isinstance(text, str) and isinstance(clock, str) and number == part.pieces)
        times = [*heard, sent] if isinstance(heard, list | tuple) else []
        if odd or len(times) != 3 or not all(type(each) is int for each in times):
            part.broken = part.broken or "a piece of it is not as it should be"
            return
        assert isinstance(text, str)
        part.who = part.who.partition(" on ")[0] + f" on {host(piece.get('machine'))}"
        part.pieces += 1
        self.taken += len(text)
        if self.taken > LARGEST:
            part.broken = f"the run has more than {LARGEST // 1_000_000} MB"
        if part.broken:
            return
        first, heard_at, sent_at = times
        bounds = Bounds.of(first, heard_at, sent_at, received).at(received)
        part.bounds = part.bounds.tightened(bounds) if part.bounds else bounds
        if clock != self.clock:
            try:
                text = "".join(self.ours(each, part.bounds, received) for each in text.splitlines())
            except (ValueError, TypeError, KeyError):
                part.broken = "a line of it is not as it should be"
                return
        if part.file is None:
            index = list(self.parts).index(node)
            part.file = self.path.with_stem(f"{self.path.stem}.part{index}")
            part.file.unlink(missing_ok=True)
        with part.file.open("a", encoding="utf-8") as file:
            file.write(text)
        part.complete = piece.get("last") is True

    def ours(self, text: str, bounds: Bounds, received: int) -> str:
        """Return a line in the time of this machine's clock."""
        fields = json.loads(text)
        if "recorded" in fields:
            return f"{text}\n"
        if fields.get("items") is not None:
            fields["items"] = tuple(fields["items"])
        operation = Operation(**fields)
        assert self.clock
        return line(bounds.shifted(operation, self.clock, self.began, received))

    def complete(self) -> None:
        """This process's file is complete; the master makes one of all."""
        if isinstance(self.runner, WorkerRunner):
            self.send(last=True)
            return
        self.parts["own"].complete = True
        if isinstance(self.runner, MasterRunner):
            self.merge()

    def here(self) -> list[str]:
        """The files on this machine."""
        return [str(part.file) for part in self.parts.values() if part.file]

    def away(self) -> int:
        """Count the parts that are not whole."""
        return sum(part.file is None or bool(part.broken) for part in self.parts.values())

    def whole(self) -> bool:
        """Return True if this machine has all of the history."""
        return all(part.whole for part in self.parts.values())

    def to_bring_together(self) -> str:
        """Name the parts that are missing, for a verdict that cannot be given."""
        lines = ["No verdict: a part of the history is missing.", ""]
        for part in self.parts.values():
            state = "complete" if part.whole else part.broken or "it breaks off"
            if part.file is None:
                state = part.broken or "nothing was heard of it"
            lines.append(f"  {part.who}: {state}" + (f" ({part.file})" if part.file else ""))
        lines += [
            "",
            "Each locust worker has the whole of its own part in its folder, results/"
            f"{self.run} if it was started without --history.",
        ]
        return "\n".join(lines)

    def wait(self, seconds: float) -> None:
        """Stops the load in every locust worker, and waits until their parts are complete."""
        if not isinstance(self.runner, MasterRunner):
            return
        # without a web UI the master comes to its test_stop before its workers are told to stop
        self.runner.send_message("stop load")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not all(
            part.complete or part.broken for node, part in self.parts.items() if node != "own"
        ):
            gevent.sleep(0.05)

    def merge(self) -> None:
        """Makes one file of the parts, unless some are missing."""
        if not self.whole():
            return
        with self.path.open("wb") as whole:
            for name in self.here():
                with Path(name).open("rb") as part:
                    shutil.copyfileobj(part, whole)
        for name in self.here():
            Path(name).unlink()
        self.parts.clear()
        self.parts["own"] = Part("this process", self.path, complete=True)
        assert self.runner
        self.runner.send_message("merged", {"run": self.run})


def host(name: object) -> str:
    """Return the name of a machine as it may be shown."""
    return short(printable(name), 64) if isinstance(name, str) else "some machine"


def listen(environment: Environment) -> Exchange:
    """Register the messages of a distributed run's processes; once, at their start."""
    runner = environment.runner
    exchange = Exchange()

    def history(environment: Environment, msg: Message, **_: Any) -> None:
        files, piece = exchange.files, msg.data
        of_this_run = files and isinstance(piece, dict) and piece.get("run") == files.run
        if files and of_this_run and msg.node_id in files.parts and msg.node_id != "own":
            files.take(msg.node_id, piece)
            reply = {"run": files.run, "sent": time.monotonic_ns()}
            assert runner
            runner.send_message("heard", reply, msg.node_id)

    def heard(environment: Environment, msg: Message, **_: Any) -> None:
        files = exchange.files
        if files and msg.data["run"] == files.run:
            files.heard = [int(msg.data["sent"]), time.monotonic_ns()]

    def merged(environment: Environment, msg: Message, **_: Any) -> None:
        files, options = exchange.files, environment.parsed_options
        # forked from the master: it has the whole of it in the same folder
        if files and options and options.processes and msg.data["run"] == files.run:
            with suppress(FileNotFoundError):
                files.own.unlink()

    if isinstance(runner, MasterRunner):
        runner.register_message("history", history)
    elif isinstance(runner, WorkerRunner):
        runner.register_message("stop load", stop, concurrent=True)
        runner.register_message("heard", heard)
        runner.register_message("merged", merged)
    return exchange


def stop(environment: Environment, **_: Any) -> None:
    assert environment.runner
    environment.runner.stop()
