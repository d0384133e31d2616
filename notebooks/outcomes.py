"""Describe trials in words, and compare predictions with their outcomes."""

import ast
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from course import Stop, folder, running

from loadtest import cell
from loadtest.cell import Cell
from loadtest.checker import Failure
from loadtest.errors import CouldNotRun
from loadtest.server.faults import FAULTS
from loadtest.server.redis import redis_server
from loadtest.trial import Trial
from variants.facts import bound, facts, module_name

WORDS = ("holds", *Failure)
# on a machine that is busy a load may not begin, or meet too little
TRIES = 3
# long, and says nothing of how it counts
HIDDEN = ("SCHEMA",)


@dataclass(frozen=True)
class Found:
    """The outcome of a trial, in WORDS; `may` are outcomes that were possible, too."""

    words: frozenset[str]
    may: frozenset[str]
    cell: Cell

    def __str__(self) -> str:
        verdict = self.cell.verdict
        answered = f" {verdict.ok:,} of {verdict.asked:,} requests were answered ok."
        return f"{together(self.words)}. {verdict.why}" + answered * verdict.refuses

    def predicted_by(self, said: frozenset[str]) -> bool:
        """Return True if the prediction is right.

        An outcome that may or may not come is never a mistake, and "holds" has no other word.
        """
        return bool(said) and not (said ^ self.words) - self.may - {"holds"}


def words(said: str) -> frozenset[str]:
    """Return the words of a prediction such as "loses, divided"; none for "?".

    Raises Stop for another word.
    """
    spoken = frozenset(word.strip() for word in said.split(",")) - {"?", ""}
    if unknown := spoken - {*WORDS}:
        raise Stop(f"{sorted(unknown)[0]!r} is none of these: {' · '.join(WORDS)}")
    return spoken


def together(said: frozenset[str]) -> str:
    return ", ".join(word for word in WORDS if word in said)


def source(variant: str) -> str:
    spec = find_spec(module_name(variant))
    return Path(spec.origin).read_text(encoding="utf-8") if spec and spec.origin else ""


def counting(variant: str) -> str:
    """Return the source of `increment`, and of what it uses from its file."""
    text = source(variant)
    named = {name: node for node in ast.parse(text).body for name in [*bound(node), *own(node)]}
    wanted: list[ast.stmt] = []
    names, seen = ["increment"], set(HIDDEN)
    while names:
        if (name := names.pop()) in seen:
            continue
        seen.add(name)
        node = named.get(name)
        if node and node not in wanted and not isinstance(node, ast.ImportFrom):
            wanted.append(node)
            names += [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]
    lines = text.splitlines()
    return "\n".join(
        line
        for node in sorted(wanted, key=lambda node: node.lineno)
        for line in lines[first(node) - 1 : node.end_lineno]
        if not line.lstrip().startswith("#")
    )


def own(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def first(node: ast.stmt) -> int:
    return min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])


def card(trial: Trial) -> str:
    """Show the code to predict from, without what its docstring says of it."""
    server = trial.server
    plural = "s" * (server.workers > 1), "s" * (server.threads > 1)
    at = f"{server.workers} worker{plural[0]} of {server.threads} thread{plural[1]}"
    at += f", {server.worker_class}" + ", --preload" * server.preload
    meanwhile = f"; meanwhile: {FAULTS[trial.fault].called} ({trial.fault})" if trial.fault else ""
    code = "\n".join("    " + line for line in counting(trial.variant).splitlines())
    return f"{trial.variant} at {server}: {at}{meanwhile}\n\n{code}\n"


def come_out(trial: Trial) -> Found:
    """Runs it. Raises Stop if that shows nothing."""
    for _ in range(TRIES):
        try:
            done = cell.run(trial, folder(), redis_url=redis_url())
        except ValueError as error:
            raise Stop(f"{trial.name} cannot be run: {error}") from None
        except CouldNotRun as error:
            why = str(error)
            continue
        why = done.verdict.why
        if not done.verdict.inconclusive:
            return Found(
                frozenset(map(str, done.verdict.failures)) or frozenset(["holds"]),
                frozenset(map(str, done.expectation.may)),
                done,
            )
    raise Stop(f"{trial.name} showed nothing: {why} Run the cell again.")


@cache
def redis_url() -> str:
    """A Redis that runs until the notebook ends. A fault makes one of its own."""
    return running.enter_context(redis_server(folder() / "redis.log"))


def facts_of(variant: str) -> dict[str, str]:
    said = facts(variant)
    return said.lines if said else {}
