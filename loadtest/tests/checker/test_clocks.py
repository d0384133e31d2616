"""Of two clocks nobody knows which moment of the one is which of the other."""

from dataclasses import replace

import pytest

from loadtest import checker
from loadtest import history as h
from loadtest.tests.timelines import drawn


def judge(drawing, clocks, **topology):
    """Each client on its clock, in the order in which they are drawn."""
    history = [replace(o, clock=clocks[o.client]) for o in drawn(drawing)]
    return checker.judge(h.frame(history), **topology)


def names(verdict):
    return {anomaly.name for anomaly in verdict.anomalies}


CREATED = """
    A  |-- create → 0 --|  |-- increment → 1 --|
    B                        |-- increment → 2 --|
    C                        |-- increment → {} --|
    audit                                           |-- read → 3 --|
    """


def test_other_clock_may_precede_create():
    """An operation timed by another clock may have come before a create."""
    assert judge(CREATED.format(1), [None] * 4).violated
    apart = judge(CREATED.format(1), "mmnm")
    assert apart.verdict == "inconclusive"
    assert apart.missing[0] == (
        "of several clocks one timed a create; what others timed may have come before it"
    )
    assert apart.lost == 0
    assert apart.division is None


def test_all_after_the_create_is_fine():
    """Nothing is wrong if all operations fit after the create."""
    assert judge(CREATED.format(3), "mmnm").linearizable


@pytest.mark.parametrize(("read", "clocks", "lost"), [(1, "mmm", 1), (1, "mmn", 0), (1, "mnn", 0)])
def test_audit_is_last_on_its_own_clock(read, clocks, lost):
    """An audit comes last on its own clock alone."""
    verdict = judge(
        f"""
        A@1    |-- increment → 1 --|
        B@1      |-- increment → 2 --|
        audit@1                          |-- read → {read} --|
        """,
        clocks,
    )
    assert verdict.lost == lost
    assert ("lost increment" in names(verdict)) == bool(lost)


def test_complete_audit_needs_no_clock():
    """An audit that reads everything needs no clock."""
    verdict = judge(
        """
        A      |-- increment → 1 --|
        B        |-- increment → 2 --|
        audit                          |-- read → 2 --|
        """,
        "mmn",
    )
    assert verdict.linearizable
    assert verdict.audited == 2


@pytest.mark.parametrize(("clocks", "lost"), [("mmm", True), ("mmn", False)])
def test_item_lost_before_the_audit(clocks, lost):
    """An item is lost if an audit came after it."""
    verdict = judge(
        """
        A@1      |-- append x → 1 --|
        B@1          |-- append y → 2 --|
        audit@1                             |-- items → [y] --|
        """,
        clocks,
    )
    assert ("lost item" in names(verdict)) == lost


@pytest.mark.parametrize(("clocks", "found"), [("mmmm", True), ("mnnn", False)])
def test_a_boot_went_where_one_clock_says_so(clocks, found):
    verdict = judge(
        """
        A@1, boot a  |-- increment → 1 --|  |-- increment → 2 --|
        B@2, boot b                                               |-- increment → 1 --|
        C@2, boot b                                                 |-- increment → 2 --|
        audit@2, boot b                                                                   |-- read → 2 --|
        """,  # noqa: E501
        clocks,
        workers=1,
    )
    assert ("reset" in names(verdict)) == found
    assert (verdict.forgotten > 0) == found


def test_an_append_is_never_before_one_of_another_clock():
    """z, on the other clock, ended at the same moment as x did on its own."""
    history = [
        replace(o, clock="n" if o.item == "z" else "m")
        for o in drawn(
            """
            A  |-- append z → 3 --|
            B  |-- append x → 1 --|
            C                         |-- append y → 2 --|
            D                                                |-- items → [y, z, x] --|
            """
        )
    ]
    (found,) = (a for a in checker.judge(h.frame(history)).anomalies if a.name == "reordered item")
    assert [o.item for o in found.witness[:2]] == ["x", "y"]
