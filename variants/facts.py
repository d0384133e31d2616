"""Read the facts of a variant from its docstring, without running it.

Five questions, a labelled line each; what follows the first words is for people:

    Lives in   request · client · thread · worker · machine · network
               ("worker, or machine if preloaded")
    Guard      none · lock · transaction · server    what makes read-modify-write one step there
               ("transaction that refuses", "none, may refuse": requests are turned
               away; "lock that expires"; "lock, or none under gevent")
    Answers    inside · read again · cached · nothing    the answer comes out of that step (the
               default), or is read again after it ("read again after the pause": others have had
               their turn by then); reads come from a copy; or there is none
    Sends      once · again    a write whose reply is lost is sent again, by a client or a loop of
               one's own, and may happen twice; once is the default
    Survives   nothing · request · worker · server · store · machine    whose end it outlives, at
               the most ("worker if preloaded": a request, if not)

What goes wrong somewhere also says what to write `Instead`: "sqlite_returning", "redis_key on two
machines", or both: "sqlite_returning, or redis_key on two machines".
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Literal

from variants import VARIANTS
from variants.store import FUNCTIONS, KINDS

PLACES = ("request", "client", "thread", "worker", "machine", "network")
GUARDS = ("none", "lock", "transaction", "server")
SENDS = ("once", "again")
ANSWERS = ("inside", "read again", "cached", "nothing")
SURVIVES = ("nothing", "request", "worker", "server", "store", "machine")
OUTLIVES = {
    "request": "nothing",
    "client": "machine",
    "thread": "request",
    "worker": "request",
    "machine": "server",
    "network": "server",
}
"""The longest life of state in each place, unless the docstring says otherwise."""
Refuses = Literal["no", "may", "must"]
# Python 3.11 counts the depth of its parser for all threads together: two get a SystemError
one_at_a_time = Lock()
GALLERY = Path(__file__).with_name("gallery")


@dataclass(frozen=True)
class Facts:
    """The answers to the five questions; `preloaded` is where it lives once gunicorn has loaded
    the app before it forks, `under_gevent` the guard that is left among greenlets; `refuses` is
    whether requests that overlap are turned away, `expires` whether the guard ends by itself, and
    `pauses` whether the answer is read again only after the pause. `lines` are the labelled lines,
    by label."""

    lives_in: str
    guard: str
    answers: str
    sends: str
    survives: str
    preloaded: str
    under_gevent: str
    refuses: Refuses = "no"
    expires: bool = False
    pauses: bool = False
    title: str = ""
    lines: dict[str, str] = field(default_factory=dict)

    def outlives(self, preload: bool) -> str:
        """Return the strongest end that the state survives, given whether it was preloaded."""
        forked = preload or "if preloaded" not in self.lines.get("Survives", "")
        return self.survives if forked else "request"

    def instead(self, machines: int = 1) -> str | None:
        """Return the variant to use in its place; on several machines that may be another."""
        line = self.lines.get("Instead", "")
        apart = re.search(r"(\w+) on two machines", line)
        if apart and machines > 1:
            return apart[1]
        first = re.match(r"\w+", line)
        return first[0] if first and not (apart and apart.start() == 0) else None

    @property
    def uses_redis(self) -> bool:
        """True if its store is Redis."""
        return "Redis" in self.lines.get("Needs", "")

    @property
    def uses_postgres(self) -> bool:
        """True if its store is PostgreSQL."""
        return "PostgreSQL" in self.lines.get("Needs", "")


def module_name(variant: str) -> str:
    """Return the module of a variant: ours, the gallery's, or anybody's."""
    if variant in VARIANTS:
        return f"variants.{variant}"
    if re.fullmatch(r"[a-z]\w*", variant) and (GALLERY / f"{variant}.py").exists():
        return f"variants.gallery.{variant}"
    return variant


def missing(names: Iterable[str]) -> list[str]:
    """The functions that a module with these names lacks to be a variant.

    They are `create`, and the others of a kind that it has some of. A module that has none of
    any kind, or neither `create` nor a whole kind, lacks all of the contract that it does not have.
    """
    there = set(names)
    begun = {name for functions in KINDS.values() if there & set(functions) for name in functions}
    whole = any(there >= set(functions) for functions in KINDS.values())
    if not begun or not ("create" in there or whole):
        begun = set(FUNCTIONS)
    return [name for name in FUNCTIONS if name not in there and name in {"create", *begun}]


def kept(variant: str) -> tuple[str, ...]:
    """Return the kinds of state that a variant keeps, going by the functions that it has.

    Raises ValueError if there is no such variant.
    """
    there = names(source(variant))
    return tuple(kind for kind, functions in KINDS.items() if there >= set(functions))


def names(tree: ast.Module) -> set[str]:
    """The names that a module defines or imports, those that it imports as * included."""
    there = {name for node in tree.body for name in bound(node)}
    others = [node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.module]
    return there.union(*(names(source(other)) for other in others)) if "*" in there else there


def facts(variant: str) -> Facts | None:
    """Return the facts in a variant's docstring; None for a module that states none.

    Raises ValueError if there is no such variant, or if a line holds an unknown word.
    """
    title, _, rest = (ast.get_docstring(source(variant)) or "").partition("\n")
    lines: dict[str, str] = {}
    label = ""
    for line in rest.splitlines():
        if match := re.match(r"([A-Z][a-z]*(?: [a-z]+)?): (.*)", line):
            label, lines[match[1]] = match[1], match[2]
        elif label and line:
            lines[label] += " " + line.strip()
    if "Lives in" not in lines:
        return None

    def first(label: str, known: tuple[str, ...], default: str) -> str:
        said = lines.get(label, default)
        for word in known:
            if re.match(rf"{word}\b", said):
                return word
        raise ValueError(
            f"{variant}: {label} {said.split()[0].strip('.,;')!r}, which is none of "
            f"{', '.join(known)}"
        )

    lives_in = first("Lives in", PLACES, "")
    other = re.search(r"\bor (\w+) if preloaded", lines["Lives in"])
    if other and other[1] not in PLACES:
        raise ValueError(f"{variant}: {other[1]!r} if preloaded is none of {', '.join(PLACES)}")
    guard = first("Guard", GUARDS, "none")
    said = lines.get("Guard", "")
    return Facts(
        lives_in=lives_in,
        guard=guard,
        answers=first("Answers", ANSWERS, "inside"),
        sends=first("Sends", SENDS, "once"),
        survives=first("Survives", SURVIVES, OUTLIVES[lives_in]),
        preloaded=other[1] if other else lives_in,
        under_gevent="none" if re.search(r"\bor none under gevent\b", said) else guard,
        refuses="must" if "that refuses" in said else "may" if "may refuse" in said else "no",
        expires="that expires" in said,
        pauses=lines.get("Answers", "").startswith("read again after the pause"),
        title=title.rstrip("."),
        lines=lines,
    )


def source(variant: str) -> ast.Module:
    """The syntax tree of a variant, read without running it. Raises ValueError if it is none."""
    text = b""
    with suppress(ImportError, ValueError, OSError):
        spec = find_spec(module_name(variant))
        if spec and spec.origin:
            text = Path(spec.origin).read_bytes()
    try:
        with one_at_a_time:
            tree = ast.parse(text)
    except SyntaxError as error:
        raise ValueError(f"{variant} does not compile: {error}") from None
    there = {name for node in tree.body for name in bound(node)}
    lacking = [] if "*" in there else missing(there)
    if len(lacking) == len(FUNCTIONS):
        raise ValueError(f"unknown variant {variant!r}; variants: {', '.join(VARIANTS)}")
    if lacking:
        raise ValueError(
            f"{variant} has no {', '.join(lacking)}; variants/store.py has the contract"
        )
    return tree


def bound(node: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module defines or imports."""
    if isinstance(node, ast.FunctionDef):
        return [node.name]
    if isinstance(node, ast.ImportFrom):
        return [alias.asname or alias.name for alias in node.names]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    return []
