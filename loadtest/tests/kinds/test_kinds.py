"""Kinds of state: their files, the variants' functions and the routes agree."""

from loadtest import ROOT
from loadtest.history.operation import OPS
from loadtest.kinds import CREATE, KINDS, OPERATIONS
from variants import store
from variants.app import create_app


def test_folder_is_the_list():
    """Each file of the folder but kind.py is one kind, which has the file's name."""
    files = {path.stem for path in (ROOT / "loadtest" / "kinds").glob("*.py")}
    assert set(KINDS) == files - {"__init__", "kind"}


def test_variants_have_the_functions():
    """The contract of variants names the functions of each kind, in order."""
    kept = {kind.name: kind.functions for kind in KINDS.values() if kind.functions}
    assert kept == store.KINDS


def test_app_has_the_routes():
    """The app answers each operation at its route, by its method."""
    app = create_app("plain_global")
    routes = {(rule.rule, method) for rule in app.url_map.iter_rules() for method in rule.methods}
    routed = [each for each in OPERATIONS.values() if each.path]
    asked = {(each.path.partition("?")[0], each.method) for each in routed}
    assert asked <= routes


def test_no_operation_has_two_kinds():
    """An operation's name says which kind it belongs to."""
    names = [CREATE.name, *(name for kind in KINDS.values() for name in kind.ops)]
    assert set(names) <= set(OPS)
    assert len(set(names)) == len(names)


def test_writes_are_posts():
    """No client library sends a write twice."""
    assert all(each.method == "POST" for each in OPERATIONS.values() if each.writes)
