"""Expectations of the kinds of state that all clients ask about together."""

import pytest

from loadtest.checker import Failure, KindVerdict
from loadtest.expected_kinds import RULES, expectations
from loadtest.kinds import KINDS
from loadtest.trial import SERVERS, Load, Server, Trial
from variants import VARIANTS

HOLDS = "holds"
# of each variant at 1×1, 1×8, 4×1 and 4×8; "or" is either way
TABLE = {
    "request": {
        "plain_global": (HOLDS, "leaks", HOLDS, "leaks"),
        "flask_g": (HOLDS, HOLDS, HOLDS, HOLDS),
        "locked_global": (HOLDS, "leaks", HOLDS, "leaks"),
        "sqlite_row": (HOLDS, "or leaks", "or leaks", "or leaks"),
        "redis_key": (HOLDS, "leaks", "leaks", "leaks"),
    },
    "visitor": {
        "plain_global": (HOLDS, HOLDS, "divided", "divided"),
        "flask_g": ("forgets", "forgets", "forgets", "forgets"),
        "locked_global": (HOLDS, HOLDS, "divided", "divided"),
        "sqlite_row": (HOLDS, HOLDS, HOLDS, HOLDS),
        "redis_key": (HOLDS, HOLDS, HOLDS, HOLDS),
    },
    "claim": {
        "plain_global": (HOLDS, "oversells", "oversells", "oversells"),
        "flask_g": ("oversells", "oversells", "oversells", "oversells"),
        "locked_global": (HOLDS, HOLDS, "oversells", "oversells"),
        "sqlite_row": (HOLDS, HOLDS, HOLDS, HOLDS),
        "redis_key": (HOLDS, HOLDS, HOLDS, HOLDS),
    },
}


def words(expectation):
    if expectation.must:
        return ", ".join(sorted(expectation.must))
    return " ".join(["or", *sorted(expectation.may)]) if expectation.may else HOLDS


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", TABLE)
def test_expectations_follow_from_facts(kind, variant):
    """The place and the guard of a variant decide what comes out at each topology."""
    each = [expectations(Trial(variant, server))[kind] for server in SERVERS]
    assert tuple(map(words, each)) == TABLE[kind][variant]


def test_each_kind_has_a_rule():
    """A kind of a variant that is asked by all clients together has a rule."""
    kept = {kind.name for kind in KINDS.values() if kind.functions}
    assert set(RULES) == {name for name in kept if KINDS[name].together}


def test_nothing_is_certain_without_a_pause():
    """Without a pause threads seldom meet, but they can."""
    trial = Trial("plain_global", Server(1, 8), Load(pause_ms=0))
    assert words(expectations(trial)["claim"]) == "or oversells"
    assert words(expectations(trial)["request"]) == "or leaks"


def test_unknown_module_must_be_right(tmp_path, monkeypatch):
    """A module that states no facts is expected to be right."""
    (tmp_path / "mine.py").write_text("from variants.plain_global import *\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    found = expectations(Trial("mine", Server(4, 8)))
    assert {words(each) for each in found.values()} == {HOLDS}


def test_greenlets_share_no_thread_local():
    """Under gevent a thread's state ends with each request."""
    found = expectations(Trial("thread_local", Server(1, 1, "gevent")))
    assert (words(found["request"]), words(found["visitor"])) == (HOLDS, "forgets")


@pytest.mark.parametrize(
    ("variant", "fault", "may"),
    [
        ("locked_global", "kill-worker", True),
        ("sqlite_row", "kill-worker", False),
        ("redis_key", "kill-store", False),
        ("redis_key", "kill-defaults", True),
        ("flask_g", "kill-worker", False),
    ],
)
def test_items_are_sold_again_after_a_fault(variant, fault, may):
    """State that ends with what the fault ends may be sold again."""
    alone = expectations(Trial(variant, Server(1, 8)))["claim"]
    under = expectations(Trial(variant, Server(1, 8), fault=fault))["claim"]
    assert (Failure.OVERSELLS in under.may - alone.may) == may


def test_two_machines_have_two_files():
    """A file on each of two machines sells every item twice."""
    found = expectations(Trial("sqlite_row", Server(1, 8), fault="two-machines"))
    assert words(found["claim"]) == "oversells"
    assert words(found["visitor"]) == "divided"


def test_verdict_is_compared():
    """A verdict is as expected if it names what must come out, and nothing that must not."""
    leaks = expectations(Trial("redis_key", Server(4, 8)))["request"]
    holds = expectations(Trial("flask_g", Server(4, 8)))["request"]
    bad = KindVerdict("request", "violated", "", frozenset({Failure.LEAKS}))
    good = KindVerdict("request", "holds", "")
    unclear = KindVerdict("request", "violated", "")
    nothing = KindVerdict("request", "inconclusive", "")
    verdicts = (bad, good, unclear, nothing)
    assert list(map(leaks.kept_by, verdicts)) == [True, False, False, False]
    assert list(map(holds.kept_by, verdicts)) == [False, True, False, False]
