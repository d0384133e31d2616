"""Siblings have the same names in the same order, so that their diff is the lesson."""

import ast
import gc
import importlib
import inspect
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from variants import VARIANTS
from variants.facts import facts
from variants.store import FUNCTIONS, Store

CONTRACT = {
    name: inspect.signature(function) for name, function in vars(Store).items() if name in FUNCTIONS
}


def tree(variant):
    path = Path(importlib.import_module(f"variants.{variant}").__file__)
    return ast.parse(path.read_text(encoding="utf-8"))


def test_contract_is_in_order():
    """The contract has its functions in order."""
    assert tuple(CONTRACT) == FUNCTIONS


@pytest.mark.parametrize("variant", VARIANTS)
def test_signatures_match(variant):
    """A variant ends with the contract's functions, in order, with its signatures."""
    functions = [node for node in tree(variant).body if isinstance(node, ast.FunctionDef)]
    assert tuple(function.name for function in functions[-len(FUNCTIONS) :]) == FUNCTIONS
    module = importlib.import_module(f"variants.{variant}")
    for name, contract in CONTRACT.items():
        signature = inspect.signature(getattr(module, name))
        assert list(signature.parameters.values()) == list(contract.parameters.values())[1:]
        assert signature.return_annotation == contract.return_annotation


@pytest.mark.parametrize("variant", VARIANTS)
def test_docstring_has_its_lines(variant):
    """Only the module has a docstring, with the labelled lines in order."""
    said = facts(variant)
    assert said.title
    assert list(said.lines)[:3] == ["Lives in", "Guard", "Loses"]
    further = ["Answers", "Survives", "Needs", "Served"]
    assert list(said.lines)[3:] == [label for label in further if label in said.lines]
    functions = [node for node in tree(variant).body if isinstance(node, ast.FunctionDef)]
    assert not any(map(ast.get_docstring, functions))


@pytest.mark.parametrize("variant", VARIANTS)
def test_writes_that_read_first_pause_once(variant):
    """An increment, an append and a claim pause once each, and no other function does."""
    for function in tree(variant).body:
        if isinstance(function, ast.FunctionDef) and function.name in FUNCTIONS:
            calls = [
                node
                for node in ast.walk(function)
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "pause"
            ]
            assert len(calls) == (function.name in ("increment", "append", "claim"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_are_independent(variant):
    """No variant knows the experiment, and only flask_g knows Flask."""
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree(variant))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [node.names[0].name])
    }
    assert "loadtest" not in imported
    assert ("flask" in imported) == (variant == "flask_g")


@pytest.fixture
def turns():
    """Threads take turns wherever Python collects garbage, which is everywhere."""
    thresholds = gc.get_threshold()

    def give_way(*_):
        time.sleep(0)

    gc.callbacks.append(give_way)
    gc.set_threshold(20)
    yield
    gc.set_threshold(*thresholds)
    gc.callbacks.remove(give_way)


@pytest.mark.usefixtures("turns")
def test_facts_in_several_threads():
    """Facts can be read in several threads at once."""
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(facts, VARIANTS * 8))
