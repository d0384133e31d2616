"""The plan of a shaken server: which instructions its requests rest at (see shake.py)."""

import json
from pathlib import Path

from loadtest import ROOT
from loadtest.server.servers import at_once, topology
from loadtest.trial import Server, Trial


def shake_log(log: Path) -> Path:
    """Return the file for what each request did, beside the server's log."""
    return log.with_suffix(".shake.jsonl")


def one_at_a_time(server: Server) -> bool:
    """Return True if a worker runs one request from its start to its end before the next.

    Its instructions are then met by other processes alone, which go on between any two of them.
    """
    return at_once(server) == 1


def shake_plan(trial: Trial, log: Path) -> dict[str, str]:
    """Return the environment that shakes a server; an empty one if its trial is not shaken."""
    shake, own = trial.shake, trial.own
    if not shake:
        return {}
    folder = Path(own.chdir).absolute() if own else ROOT / "variants"
    # an app may be a package that is installed, or a file elsewhere on PYTHONPATH
    package = own.target.partition(":")[0].partition(".")[0] if own else ""
    plan = {
        "folders": [str(folder)],
        "packages": [*([package] if package else []), *shake.also],
        "where": shake.where,
        "blocking": topology(trial.server).workers > 1,
        "seed": shake.seed,
        "log": str(shake_log(log).absolute()),
    }
    return {"SHAKE_PLAN": json.dumps(plan)}
