"""The faults, a file each. To add one, add a file here: nothing else has a list of them.

A file has a `FAULT`, an instance of `loadtest.server.fault.Fault`, and the function that injects
it. The fields of `Fault` describe what has to be around the server (two machines, a proxy, Redis
with its defaults) and what the fault ends, from which the expectations follow. `make faults`, the
tables, the tests on real servers and `FAULT=` then have it by its name.
"""

import pkgutil
from importlib import import_module

from loadtest.server.fault import Fault


def in_folder() -> dict[str, Fault]:
    """Return every fault in this folder by its name, in the order of its row."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    found: list[Fault] = [import_module(f"{__name__}.{name}").FAULT for name in names]
    return {each.name: each for each in sorted(found, key=lambda fault: fault.row)}


FAULTS = in_folder()


def fault_of(name: str | None) -> Fault | None:
    """Return the fault of this name; None for none. Raise ValueError if it is unknown."""
    if name is None:
        return None
    if name not in FAULTS:
        raise ValueError(f"unknown fault {name!r}; faults: {', '.join(FAULTS)}")
    return FAULTS[name]
