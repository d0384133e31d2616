"""Kinds of state, one file each: the requests about it, and the words for it.

A file in this folder that has a `Kind` is a kind; nothing else lists them. The checker has the
checks, and `variants.store` has the functions of a variant.
"""

from importlib import import_module
from pkgutil import iter_modules

from loadtest.kinds.kind import Kind as Kind
from loadtest.kinds.kind import Operation as Operation

CREATE = Operation("create", "POST", "/create", "count", writes=True)
"""The request that makes the state of every kind empty."""
MODULES = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
KINDS: dict[str, Kind] = {
    each.name: each
    for module in MODULES
    for each in vars(module).values()
    if isinstance(each, Kind)
}
"""Every kind, by name."""
OPERATIONS: dict[str, Operation] = {
    each.name: each for each in (CREATE, *(o for kind in KINDS.values() for o in kind.operations))
}
"""Every operation, by its name in a history."""
