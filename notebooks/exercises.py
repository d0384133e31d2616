"""The exercises of appendix D: what the checker must say of a solution."""

import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from loadtest import cell
from loadtest.checker import Verdict
from loadtest.checker.words import timeline
from loadtest.errors import CouldNotRun
from loadtest.trial import Server, Trial

ABOUT_READS = {"stale read", "non-monotonic read", "read-your-writes", "not linearizable"}
# the audit reads, too: what it does not see yet counts as lost
ABOUT_READS |= {"lost increment", "lost item"}


def is_linearizable(verdict: Verdict) -> bool:
    return verdict.linearizable


def only_reads_are_wrong(verdict: Verdict) -> bool:
    found = {anomaly.name for anomaly in verdict.anomalies}
    return "stale read" in found and found <= ABOUT_READS


@dataclass(frozen=True)
class Exercise:
    server: Server
    wanted: str = "linearizable"
    solved: Callable[[Verdict], bool] = is_linearizable
    without: tuple[str, ...] = ()


EXERCISES = {
    "survive_threads": Exercise(Server(1, 8)),
    "share_without_a_server": Exercise(Server(4, 2), without=("redis", "sqlite")),
    "keep_the_order": Exercise(Server(1, 8)),
    "only_stale_reads": Exercise(
        Server(1, 8), "stale reads, and no other anomaly", only_reads_are_wrong
    ),
}


def grade(name: str, folder: Path = Path("results/notebooks/D")) -> bool:
    """Has the variant `name` judged, and says whether it solves its exercise."""
    exercise = EXERCISES[name]
    spec = find_spec(name)
    text = Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""
    if used := [store for store in exercise.without if store in text]:
        print(f"not yet: it uses {used[0]}")
        return False
    try:
        run = cell.run(Trial(name, exercise.server), folder)
    except (CouldNotRun, ValueError) as error:
        print(f"not yet: {error}")
        return False
    solved = exercise.solved(run.verdict)
    print(
        f"{'solved' if solved else 'not yet'}: at {exercise.server} {name} is {run.verdict.verdict}"
    )
    print(f"wanted: {exercise.wanted}")
    print(textwrap.fill(f"found:  {run.verdict.why}", subsequent_indent=" " * 8))
    for anomaly in run.verdict.anomalies:
        print(f"        {anomaly.name}: {anomaly.count:,}")
    for anomaly in run.verdict.anomalies[:1]:
        print("\n".join(["", *timeline(anomaly.witness)]))
    return solved
