"""The rule, against what theory says cell by cell."""

from dataclasses import replace

import pytest

from loadtest import history, trial
from loadtest.checker import judge
from loadtest.expected import expectation
from loadtest.history import Operation
from loadtest.report import terminal
from loadtest.tests.timelines import drawn
from loadtest.trial import Load, Server, Trial
from variants.facts import facts

THEORY = {
    "plain_global": ["", "loses", "divided", "divided loses"],
    "flask_g": ["loses", "loses", "loses", "loses"],
    "locked_global": ["", "", "divided", "divided"],
    "sqlite_row": ["", "", "", ""],
    "redis_key": ["", "", "", ""],
}


@pytest.mark.parametrize("variant", THEORY)
def test_the_rule_gives_what_theory_says(variant):
    given = [expectation(Trial(variant, shape)) for shape in trial.SERVERS]
    assert [" ".join(sorted(each.must)) for each in given] == THEORY[variant]
    assert not any(each.may for each in given)


@pytest.mark.parametrize("variant", ["flask_g", "locked_global", "sqlite_row", "redis_key"])
def test_no_pause_changes_nothing_else(variant):
    """Without a pause the same is expected of the other variants."""
    for shape in trial.SERVERS:
        assert expectation(Trial(variant, shape, Load(pause_ms=0))) == expectation(
            Trial(variant, shape)
        )


def test_no_pause_plain_global():
    """Without a pause nothing is expected of a plain global's threads."""
    assert expectation(Trial("plain_global", Server(1, 1), Load(pause_ms=0))).expect == "holds"
    assert expectation(Trial("plain_global", Server(1, 8), Load(pause_ms=0))).expect == "either"
    assert expectation(Trial("plain_global", Server(4, 8), Load(pause_ms=0))).must == {"divided"}
    assert expectation(Trial("plain_global", Server(4, 8), Load(pause_ms=0))).may == {"loses"}


def test_cookie_is_divided_by_client():
    """A cookie is divided by client, wherever it is served."""
    for shape in trial.SERVERS:
        assert expectation(Trial("session_cookie", shape)).must == {"divided"}


def test_expiring_lock_may_lose():
    """A lock that expires may lose if its holder stands still."""
    still = expectation(Trial("redis_lock_ttl", Server(4, 8), fault="pause-worker"))
    assert (still.must, still.expect) == (set(), "either")
    assert still.may >= {"loses"}
    assert expectation(Trial("redis_lock_ttl", Server(4, 8))).expect == "holds"
    assert expectation(Trial("redis_lock_ttl", Server(4, 8), fault="kill-worker")).expect == "holds"


def test_refusing_behind_a_lock():
    """A variant that may refuse may do so behind a lock, too."""
    each = expectation(Trial("prometheus_multiprocess", Server(4, 8)))
    assert (each.must, each.may) == ({"answers late"}, {"refuses"})


def test_read_again_in_several_copies():
    """Each of several copies that are read again may answer late."""
    assert expectation(Trial("prometheus_counter", Server(1, 8))).must == {"answers late"}
    several = expectation(Trial("prometheus_counter", Server(4, 8)))
    assert (several.must, several.may) == ({"divided"}, {"answers late"})


def test_greenlets_answer_late():
    """Greenlets answer late if they pause before they read again."""
    greenlets = Server(2, 1, worker_class="gevent")
    assert expectation(Trial("redis_incr_get", greenlets)).must == {"answers late"}
    assert expectation(Trial("prometheus_multiprocess", greenlets)).must == {"answers late"}
    # nothing waits between its commit and its reading again
    expression = expectation(Trial("orm_expression", greenlets))
    assert (expression.must, expression.may) == (set(), {"answers late"})
    assert not expectation(Trial("redis_incr_get", greenlets, Load(pause_ms=0))).must


def answers(*reads):
    """Three increments, a read that shows one of them, and the final reads."""
    drawing = """
        A@1.1, boot a  |-- increment → 1 --|  |-- increment → 2 --|
        C@1.2, boot a                           |-- increment → 3 --|
        B@2, boot b                                                     |-- read → 1 --|
        audit@1, boot a                                                                                   |-- read → {} --|
        audit@2, boot b                                                                                   |-- read → {} --|
        """  # noqa: E501
    return judge(history.frame(drawn(drawing.format(*reads))))


@pytest.mark.parametrize("reads", [(3, 3), (2, 1), (2, 2)])
def test_stale_copy_may_hide_writes(reads):
    """A copy that stays old may hide a write."""
    several = expectation(Trial("lru_cache", Server(2, 1)))
    assert several.must == {"answers late"}
    assert several.kept(answers(*reads))
    # it is no excuse for what does not say so
    assert not expectation(Trial("plain_global", Server(1, 8))).kept(answers(2, 1))
    assert not expectation(Trial("redis_key", Server(2, 1))).kept(answers(*reads))


ENDED = """
    A@1.1, boot a    |-- increment → 1 --|   |-- increment → 2 --|
    B@1.2, boot a     |-- increment → 1 --|   |-- increment → 2 --|
    A@2.1, boot b                                                    |-- increment → 1 --|   |-- increment → 2 --|
    B@2.2, boot b                                                     |-- increment → 1 --|   |-- increment → 2 --|
    audit@3.1, boot c                                                                                                |-- read → 0 --|
    """  # noqa: E501


def test_ended_workers_hide_losses():
    """Workers that have all ended need not show a loss."""
    verdict = judge(history.frame(drawn(ENDED)), workers=1)
    assert verdict.failures == {"forgets"}
    recycled = replace(Trial("plain_global", Server(1, 8)), fault="recycle")
    assert expectation(recycled).must == {"forgets", "loses"}
    assert expectation(recycled).kept(verdict)
    # what it forgets has to be seen, and so has what is lost where somebody can tell
    assert not expectation(replace(recycled, fault=None)).kept(verdict)
    assert not expectation(recycled).kept(answers(2, 1))
    assert not expectation(replace(recycled, variant="sqlite_row")).kept(verdict)
    assert terminal.figures(verdict) == ("forgets", "gone? 8/8")


def in_step(*read):
    """Two workers that count for themselves, 25 each, and an audit of those boots."""
    counted = [
        Operation(client=n, op="increment", start=10 * v + n, end=10 * v + 5, value=v, boot=boot)
        for v in range(1, 26)
        for n, boot in enumerate("ab")
    ]
    audit = [
        Operation(client=2, op="read", start=300, end=301, value=25, boot=boot, phase="audit")
        for boot in read
    ]
    return judge(history.frame([*counted, *audit]))


def test_unread_copy_may_be_forgotten():
    """A copy that nobody reads any more may have been forgotten."""
    killed = expectation(replace(Trial("locked_global", Server(2, 1)), fault="kill-worker"))
    assert killed.must == {"divided", "forgets"}
    assert in_step("b").failures == in_step("a", "b").failures == {"divided"}
    assert killed.kept(in_step("b"))
    assert not killed.kept(in_step("a", "b"))


def module(tmp_path, monkeypatch, docstring):
    (tmp_path / "mine.py").write_text(
        f'"""{docstring}"""\nfrom variants.plain_global import *\n', encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    return "mine"


def test_stated_facts_count(tmp_path, monkeypatch):
    """A module that states its facts is held to them."""
    mine = module(tmp_path, monkeypatch, "Mine.\n\nLives in: machine. A file.\nGuard: none.\n")
    assert expectation(Trial(mine, Server(1, 1))).expect == "holds"
    assert expectation(Trial(mine, Server(4, 1))).must == {"loses"}


def test_no_facts_means_linearizable(tmp_path, monkeypatch):
    """A module that states no facts must be linearizable."""
    mine = module(tmp_path, monkeypatch, "Mine.")
    assert all(expectation(Trial(mine, shape)).expect == "holds" for shape in trial.SERVERS)


def test_unknown_place_is_refused(tmp_path, monkeypatch):
    """A module with an unknown place of state is refused."""
    mine = module(tmp_path, monkeypatch, "Mine.\n\nLives in: clouds.\nGuard: none.\n")
    with pytest.raises(ValueError, match="'clouds', which is none of request, client, thread, "):
        expectation(Trial(mine, Server(1, 1)))


@pytest.mark.parametrize("name", ["redis", "no_such_module", "", "a.b", "sys", ".."])
def test_unknown_variant_lists_names(name):
    """An unknown variant is refused with the names that exist."""
    with pytest.raises(ValueError, match=rf"unknown variant '{name}'; variants: plain_global, "):
        facts(name)


def test_missing_function_is_named(tmp_path, monkeypatch):
    """A module that lacks a function is refused by its name."""
    (tmp_path / "half.py").write_text("def create(): ...\ndef read(): ...\nitems = append = read\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="half has no increment; "):
        facts("half")


@pytest.mark.parametrize("text", ["4x8", "4×8"])
def test_a_topology_is_workers_by_threads(text):
    assert Server.parse(text) == Server(4, 8)
    assert str(Server.parse(text)) == "4×8"


@pytest.mark.parametrize("text", ["", "4", "4x", "0x1", "1x0", "-1x2", "4 x 8", "axb", "4x8x2"])
def test_what_is_no_topology_is_refused(text):
    with pytest.raises(ValueError, match="write workers×threads, such as 4x8"):
        Server.parse(text)
