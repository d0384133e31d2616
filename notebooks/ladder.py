"""The ladder of chapter 6: cells that no chapter has shown, each predicted, and then repaired."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from course import Guess, Stop, asked, reading, tell, write
from outcomes import WORDS, Found, card, come_out, together, words

from loadtest.errors import CouldNotRun
from loadtest.server.servers import at_once
from loadtest.trial import Load, Server, Trial

FEW = Load(seconds=0.3, increments=200)
RUNGS = {
    "preload": Trial("locked_global", Server(4, 1, preload=True), FEW),
    "value": Trial("shared_value", Server(4, 1), FEW),
    "cookie": Trial("session_cookie", Server(1, 8), FEW),
    "recycle": Trial("locked_global", Server(1, 8), fault="recycle"),
    "gevent": Trial("sqlite_row_50ms", Server(1, 1, "gevent"), Load(users=4, increments=20)),
    "redis": Trial("redis_key", Server(1, 8), fault="kill-defaults"),
    "orm_attribute": Trial("orm_attribute", Server(4, 1), FEW),
    "orm_expression": Trial("orm_expression", Server(4, 1), FEW),
}
CHANGES = ("variant", "workers", "threads", "worker_class", "preload", "fault")


def predict_outcome(said: str, rung: str) -> None:
    """Shows a rung, and once something is said of it, runs it and tells."""
    trial = RUNGS[rung]
    prepare()
    print(card(trial))
    print("What comes out?", " · ".join(WORDS))
    guess = asked[rung] = Guess(rung, together(words(said)), {})
    if not guess.letter and not reading():
        raise Stop("\nPut a word, or several with commas, in place of the ? and run it again.")
    found = come_out(trial)
    came_out[rung] = found
    guess.came_out(
        guess.letter if found.predicted_by(words(said)) else together(found.words), str(found)
    )


def repair(*rungs: str, **changes: Any) -> bool:
    """Runs rungs with something else in place of what they had, and says whether they hold now.

    changes: variant, workers, threads, worker_class, preload, fault ("kill-store" for a Redis
    that has its file, "restart" for the app).
    """
    prepare()
    if not changes:
        print("not yet: change something, such as", 'variant="…", workers=…, threads=…')
        return False
    if unknown := changes.keys() - {*CHANGES}:
        print(f"not yet: there is no {min(unknown)} to change; there are {', '.join(CHANGES)}")
        return False
    # each is run, whatever came out of the one before
    held = [repaired(rung, changes.copy()) for rung in rungs]
    return all(held)


def repaired(rung: str, changes: dict[str, Any]) -> bool:
    trial = RUNGS[rung]
    server = {name: changes.pop(name) for name in [*changes] if name in vars(trial.server)}
    try:
        trial = replace(trial, server=replace(trial.server, **server), **changes)
        if at_once(trial.server) * trial.server.workers == 1:
            print("not yet: with one request at a time anything holds")
            return False
        if RUNGS[rung].fault and not trial.fault:
            print("not yet: where nothing happens, nothing has to be survived")
            return False
        found = come_out(trial)
    except (Stop, TypeError, ValueError, CouldNotRun) as error:
        tell(f"not yet: {error}")
        return False
    # while a store is away, requests are refused, whatever one does
    holds = found.predicted_by(frozenset(["holds"]))
    tell(f"{'repaired' if holds else 'not yet'}: {trial.name} {found}")
    return holds


def prepare() -> None:
    """Prepare the rung with SQLite under gevent: it gives up sooner, so that it ends sooner."""
    text = Path("variants/sqlite_row.py").read_text(encoding="utf-8")
    assert "timeout=5" in text
    write("sqlite_row_50ms", text.replace("timeout=5", "timeout=0.05"))


came_out: dict[str, Found] = {}
