"""A trial → what must come out of it: one rule, from what the variant says of itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from loadtest.checker import Fault, Verdict
from loadtest.trial import Server, Trial
from variants import VARIANTS
from variants.facts import facts


@dataclass(frozen=True)
class Promise:
    """The faults that a verdict must name, and those that it may name."""

    must: frozenset[Fault]
    may: frozenset[Fault]
    why: str

    @property
    def expect(self) -> Literal["holds", "breaks", "no promise"]:
        return "breaks" if self.must else "no promise" if self.may else "holds"

    def kept(self, verdict: Verdict) -> bool:
        """Whether a verdict is as promised; never for an inconclusive one."""
        if verdict.inconclusive:
            return False
        if self.expect == "holds":
            return verdict.linearizable and not verdict.faults
        return self.must <= verdict.faults <= self.must | self.may


def promise(trial: Trial) -> Promise:
    """The rule. A module that says nothing of itself is held to the strictest promise.

    Raises ValueError if there is no such variant.
    """
    said = facts(trial.variant)
    if said is None:
        return promised(why=f"{trial.variant} says nothing of itself, so it must be linearizable")
    server = trial.server
    place = said.preloaded if server.preload else said.lives_in
    if place == "request":
        return promised(Fault.LOSES, why="the state ends with each request")
    own = place == "worker"
    at_once = server.at_once * (1 if own else server.workers)
    must = [Fault.DIVIDED] if own and server.workers > 1 else []
    whole = "nothing comes between a read and its write"
    if at_once > 1 and said.answers == "read again":
        must.append(Fault.ANSWERS_LATE)
        whole += ", but the answer is read again afterwards"
    if said.guard != "none" or at_once == 1:
        why = f"each worker counts for itself; {whole}" if Fault.DIVIDED in must else whole
        return promised(*must, why=why)
    if trial.load.pause_ms == 0:
        return promised(
            *must,
            may=[Fault.LOSES],
            why="without a pause threads seldom take turns between read and write, but they can",
        )
    return promised(Fault.LOSES, *must, why="others read between a read and its write")


def promised(*must: Fault, may: Iterable[Fault] = (), why: str) -> Promise:
    return Promise(frozenset(must), frozenset(may), why)


def markdown(servers: Sequence[Server]) -> str:
    """The table of promises, as the guide in this folder shows it."""
    rows = [["variant", *map(str, servers)], ["---"] * (len(servers) + 1)]
    for variant in VARIANTS:
        promises = (promise(Trial(variant, server)) for server in servers)
        said = (", ".join(sorted(each.must, reverse=True)) for each in promises)
        link = f"[`{variant}`](../variants/{variant}.py)"
        rows.append([link, *(faults or "**linearizable**" for faults in said)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
