"""What each variant promises under a topology, derived from what it says of itself."""

import ast
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from loadtest.checker import Verdict
from loadtest.trial import Topology
from variants import VARIANTS
from variants.store import FUNCTIONS

LIVES_IN = ("request", "worker", "machine")


@dataclass(frozen=True)
class Facts:
    """Where a variant's state lives, and whether its read-modify-write is atomic there."""

    lives_in: str
    atomic: bool


@dataclass(frozen=True)
class Promise:
    """The faults that a run must show, and those that it may show: `lost`, `divided`."""

    must: frozenset[str]
    may: frozenset[str]
    why: str

    @property
    def expect(self) -> Literal["holds", "breaks", "no promise"]:
        return "breaks" if self.must else "no promise" if self.may else "holds"

    def kept(self, verdict: Verdict) -> bool:
        """Whether a verdict is as promised; never for an inconclusive one."""
        if verdict.verdict == "inconclusive":
            return False
        if self.expect == "holds":
            return verdict.verdict == "linearizable"
        return self.must <= found(verdict) <= self.must | self.may


def found(verdict: Verdict) -> frozenset[str]:
    """The faults that a verdict names."""
    divided = verdict.division is not None and verdict.division.of in ("worker", "thread")
    return frozenset(["lost"] * (verdict.lost > 0) + ["divided"] * divided)


def module_name(variant: str) -> str:
    return f"variants.{variant}" if variant in VARIANTS else variant


def source(variant: str) -> ast.Module:
    """The syntax tree of a variant, read without running it. Raises ValueError if it is none."""
    text = b""
    with suppress(ImportError, ValueError, OSError):
        if (spec := find_spec(module_name(variant))) and spec.origin:
            text = Path(spec.origin).read_bytes()
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"{variant} does not compile: {error}") from None
    names = {name for node in tree.body for name in bound(node)}
    missing = [name for name in FUNCTIONS if name not in names and "*" not in names]
    if len(missing) == len(FUNCTIONS):
        raise ValueError(f"unknown variant {variant!r}; variants: {', '.join(VARIANTS)}")
    if missing:
        raise ValueError(
            f"{variant} has no {', '.join(missing)}; variants/store.py has the contract"
        )
    return tree


def bound(node: ast.stmt) -> Iterable[str]:
    """The names that a statement at the top of a module defines or imports."""
    match node:
        case ast.FunctionDef(name=name):
            return [name]
        case ast.ImportFrom(names=names):
            return [alias.asname or alias.name for alias in names]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
    return []


def facts(variant: str) -> Facts | None:
    """From the labelled lines of its docstring; None for a module that says nothing of itself.

    Raises ValueError if there is no such variant, or if a line names a place that is none.
    """
    docstring = ast.get_docstring(source(variant)) or ""
    lines = (line.partition(":") for line in docstring.splitlines())
    said = {label: (text.split() or [""])[0].strip(".,;") for label, _, text in lines}
    if "Lives in" not in said:
        return None
    if said["Lives in"] not in LIVES_IN:
        raise ValueError(
            f"{variant} lives in {said['Lives in']!r}, which is none of {', '.join(LIVES_IN)}"
        )
    return Facts(said["Lives in"], said.get("Guard", "none") != "none")


def promise(variant: str, topology: Topology, pause_ms: float) -> Promise:
    """The rule. A module that says nothing of itself is held to the strictest promise."""
    said = facts(variant)
    if said is None:
        return promised(why=f"{variant} says nothing of itself, so it must be linearizable")
    if said.lives_in == "request":
        return promised("lost", why="the state ends with each request")
    workers = topology.workers if said.lives_in == "worker" else 1
    sharing = topology.threads if said.lives_in == "worker" else topology.workers * topology.threads
    divided = ("divided",) if workers > 1 else ()
    if said.atomic or sharing == 1:
        whole = "nothing comes between a read and its write"
        return promised(
            *divided, why=f"each worker counts for itself; {whole}" if divided else whole
        )
    if pause_ms == 0:
        return promised(
            *divided,
            may=["lost"],
            why="without a pause today's interpreter does not switch threads between read and "
            "write, but nothing promises that",
        )
    return promised("lost", *divided, why="others read between a read and its write")


def promised(*must: str, may: Iterable[str] = (), why: str) -> Promise:
    return Promise(frozenset(must), frozenset(may), why)


def markdown(topologies: tuple[Topology, ...], pause_ms: float = 1) -> str:
    """The table of promises, as the README shows it."""
    words = {
        (): "**linearizable**",
        ("lost",): "loses",
        ("divided",): "divided",
        ("divided", "lost"): "loses, divided",
    }
    rows = [["variant", *map(str, topologies)], ["---"] * (len(topologies) + 1)]
    for variant in VARIANTS:
        cells = (promise(variant, topology, pause_ms) for topology in topologies)
        said = (
            "no promise" if cell.expect == "no promise" else words[tuple(sorted(cell.must))]
            for cell in cells
        )
        rows.append([f"[`{variant}`](variants/{variant}.py)", *said])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
