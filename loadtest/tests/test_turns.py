"""The order in which a load asks about the kinds of state, in locust's own process."""

import json
import subprocess
import sys

import pytest

from loadtest import ROOT
from loadtest.kinds import KINDS, OPERATIONS

SCRIPT = """
import json, sys
from types import SimpleNamespace
from loadtest.locustfile import BLOCK, MIXED, MIXED_UNDER_FAULT, Client, turns
ops = frozenset(json.loads(sys.argv[1]))
order = [[kind and kind.name for kind in turns(ops, n)] for n in (MIXED, MIXED_UNDER_FAULT)]
from loadtest.kinds import KINDS
client = SimpleNamespace(number=7, mapping=None, recorder=SimpleNamespace(first=0))
claim, at = KINDS["claim"], (0, 3, 4, 5 * BLOCK, 5 * BLOCK + 4)
claims = [Client.item(client, claim.operations[0], claim, turn) for turn in at]
print(json.dumps([order, claims]))
"""


def asked(ops):
    command = [sys.executable, "-c", SCRIPT, json.dumps(sorted(ops))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def all_kinds():
    return asked(OPERATIONS)


def test_every_kind_has_its_turn(all_kinds):
    """Kinds that are asked together have a block each; the others mix, fewer under a fault."""
    (usual, under_fault), _ = all_kinds
    together = [kind.name for kind in KINDS.values() if kind.together]
    assert usual == together + [None] * (len(usual) - len(together))
    assert under_fault[: len(together)] == together
    assert len(usual) > len(under_fault) > len(together)


def test_rivals_claim_one_item(all_kinds):
    """Claims in a row are for one item, and the first of each block for the run's first."""
    _, (first, rival, second, again, another) = all_kinds
    assert first == rival == again
    assert len({first, second, another}) == 3


def test_one_kind_alone():
    """A variant that keeps one kind is asked about nothing else."""
    (usual, _), _ = asked(["create", "whoami"])
    assert usual == ["request"]
