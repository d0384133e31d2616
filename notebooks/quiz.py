"""The closing quiz: ten cells of the gallery and the faults, other ones each time, scored by
running them.

    paper = draw()                       ten trials, as many different outcomes as there are
    mark(paper, {1: "loses", …})         runs them, and says how many were predicted
"""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from random import Random

from course import Stop, reading, tell
from ladder import RUNGS
from outcomes import WORDS, Found, card, come_out, facts_of, redis_url, source, together, words

from loadtest import gallery
from loadtest.expected import expectation, refusal
from loadtest.server.faults import FAULTS
from loadtest.trial import ALONE, SERVERS, Server, Trial
from variants import VARIANTS
from variants.gallery import GALLERY

QUESTIONS = 10
# what else has to be there does not come with the course
NEEDS = {"", "Redis"}
IN_A_CHAPTER = {
    "plain_global": [(1, 1), (1, 8), (4, 8)],
    "locked_global": [(1, 8), (4, 1)],
}
SEEN = {(trial.variant, trial.server, trial.fault) for trial in RUNGS.values()} | {
    (variant, Server(*shape), None) for variant, shapes in IN_A_CHAPTER.items() for shape in shapes
}
"""The trials whose outcome a reader of all chapters has seen."""


@cache
def pool() -> dict[str, list[Trial]]:
    """Return the trials that may be drawn, by the last word of their expectation: by all words, a
    lonely one would be in each paper. None has been seen before."""
    trials = gallery.trials(filter(runs_here, GALLERY))
    trials += [Trial(variant, server, gallery.LOAD) for variant in VARIANTS for server in SERVERS]
    trials += [Trial(variant, ALONE, fault=fault) for variant in VARIANTS for fault in FAULTS]
    found: dict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        if (trial.variant, trial.server, trial.fault) in SEEN or refusal(trial):
            continue
        if (rule := expectation(trial)).expect != "either":
            expected = together(frozenset(map(str, rule.must))) or "holds"
            found[expected.split(", ")[-1]].append(trial)
    return dict(found)


def runs_here(variant: str) -> bool:
    """Return True if its imports are installed and the store that it needs starts by itself."""
    names = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(source(variant)))
        for name in imported(node)
    }
    needs = facts_of(variant).get("Needs", "").strip(". ")
    return needs in NEEDS and all(find_spec(name) for name in names)


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module]
    return []


def draw(seed: int | None = None) -> list[Trial]:
    """Ten trials of different variants, one outcome after the other, so that no word is the answer
    to most. The same ones for the same seed."""
    random = Random(seed)
    outcomes = {outcome: random.sample(trials, len(trials)) for outcome, trials in pool().items()}
    paper: list[Trial] = []
    while len(paper) < QUESTIONS:
        for outcome in random.sample([*outcomes], len(outcomes)):
            taken = {(trial.variant, trial.fault) for trial in paper}
            variants = {trial.variant for trial in paper}
            fresh = [trial for trial in outcomes[outcome] if trial.variant not in variants] or [
                trial for trial in outcomes[outcome] if (trial.variant, trial.fault) not in taken
            ]
            if fresh and len(paper) < QUESTIONS:
                paper.append(fresh[0])
    return random.sample(paper, QUESTIONS)


def show(paper: Sequence[Trial]) -> None:
    for number, trial in enumerate(paper, 1):
        print(f"{number}. {card(trial)}")
    print("The words:", " · ".join(WORDS))


def all_come_out(paper: Sequence[Trial]) -> Iterator[Found]:
    """Yield the outcome of each trial, in order.

    Two run at a time, because one alone waits half of its time.
    """
    redis_url()
    pool = ThreadPoolExecutor(2)
    try:
        yield from pool.map(come_out, paper)
    finally:
        # who interrupts it waits for these two alone
        pool.shutdown(cancel_futures=True)


def mark(paper: Sequence[Trial], answers: Mapping[int, str]) -> int:
    """Runs the ten, and returns how many were predicted.

    A cell that came out unexpectedly is our mistake, and counts for the reader.
    """
    said = {number: words(answers.get(number, "?")) for number in range(1, len(paper) + 1)}
    if not reading() and (empty := [str(number) for number in said if not said[number]]):
        raise Stop(f"not answered yet: {', '.join(empty)}. A guess is better than nothing.")
    right = 0
    for number, (trial, found) in enumerate(zip(paper, all_come_out(paper), strict=True), 1):
        predicted = found.predicted_by(said[number]) or not found.cell.as_expected
        right += predicted
        sign = "✓" if predicted else "✗"
        tell(f"{sign} {number:2}. {trial.name}: {found}", " " * 6)
        why = found.cell.expectation.why
        if not found.cell.as_expected:
            tell(f"      not as expected ({why}); that is not your mistake", " " * 6)
        elif not predicted:
            guard = facts_of(trial.variant)["Guard"]
            told = f"You said {together(said[number]) or 'nothing'}. Why: {why}. Guard: {guard}"
            tell(f"      {told}", " " * 6)
    print(f"\n{right} of {len(paper)}")
    return right
