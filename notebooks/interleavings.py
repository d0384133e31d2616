"""Every order in which two increments can take their turns, and which of them lose one.

    python notebooks/interleavings.py threads plain_global     two threads of one worker
    python notebooks/interleavings.py processes sqlite_row     two workers

Between threads frontrun may switch at every instruction, and goes through all orders that can
differ. Between processes a turn ends where the variant pauses, which leaves six orders.
Exit status: 0 if no order loses one, 1 if some do, 2 if that cannot be told.
"""

import contextlib
import importlib
import io
import itertools
import multiprocessing
import os
import sys
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# an approach that a reader writes lies there
sys.path.insert(0, str(ROOT / "results" / "mine"))
os.environ["PAUSE_MS"] = "0"

from loadtest.server.redis import redis_server  # noqa: E402
from variants.app import load  # noqa: E402
from variants.facts import facts  # noqa: E402


def threads(variant: str) -> int:
    try:
        # two threads alone need it, and Python 3.15 has no wheel of it yet
        import frontrun
        import frontrun.cli
    except ImportError:
        version = ".".join(map(str, sys.version_info[:2]))
        print(f"frontrun, which goes through the orders, is not there for Python {version}")
        return 2
    if not frontrun.cli.is_active():
        # frontrun patches a whole interpreter: run this file again in one that it has patched
        with contextlib.redirect_stderr(io.StringIO()):
            return frontrun.cli.main([sys.executable, *sys.argv])
    store = load(variant)
    result = frontrun.explore(
        # made anew for each order, so that a lock at module level is one that frontrun watches
        setup=lambda: importlib.reload(store),
        workers=lambda store: store.increment(),
        count=2,
        invariant=lambda store: store.read() == 2,
        stop_on_first=False,
        preemption_bound=None,
    )
    if result.property_holds is None:
        print(f"inconclusive: {result.inconclusive_reason}")
        return 2
    print(f"{result.num_explored} orders explored, {len(result.failures)} lose an increment")
    if result.property_holds:
        return 0
    for _, schedule in result.failures:
        turns = ((thread, len(list(steps))) for thread, steps in itertools.groupby(schedule))
        print("   ", ", ".join(f"thread {thread}: {steps} steps" for thread, steps in turns))
    print("\nthe first of them, line by line")
    lines = (line.strip() for line in result.explanation.splitlines())
    print("\n".join(f"    {line}" for line in lines if line.startswith("Thread")))
    replayed, lost = result.reproduction_attempts, result.reproduction_successes
    print(f"replayed {replayed} times, it lost an increment {lost} times")
    return 1


def processes(variant: str) -> int:
    if (said := facts(variant)) is None or said.lives_in not in ("machine", "network"):
        print("each process has a state of its own: there is nothing that they could overwrite")
        return 2
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["SQLITE_PATH"] = str(folder / "state.sqlite3")
        os.environ["REDIS_PREFIX"] = f"interleavings:{os.getpid()}:"
        os.environ["REDIS_URL"] = stack.enter_context(redis_server(folder / "redis.log"))
        store = load(variant)
        workers = {name: stack.enter_context(worker(variant)) for name in "AB"}
        losing = 0
        for order in sorted(set(itertools.permutations("AABB"))):
            store.create()
            story = ", ".join(f"{name} {what}" for name, what in play(order, workers))
            lost = 2 - store.read()
            losing += lost > 0
            print(f"{story:<66} {'lost one' if lost else ''}".rstrip())
    print(f"6 orders, {losing} lose an increment")
    return 1 if losing else 0


def play(order, workers):
    """Gives the workers their turns in this order; whoever found it locked has its turns later."""
    left = dict.fromkeys(workers, 2)
    for name in itertools.chain(order, itertools.cycle(workers)):
        if not any(left.values()):
            return
        if left[name]:
            workers[name].send("your turn")
            what = workers[name].recv()
            left[name] = {"finds it locked": left[name], "begins": 1}.get(what, 0)
            yield name, what


@contextlib.contextmanager
def worker(variant: str):
    """The conductor's end of a pipe to a worker process."""
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=increments, args=(variant, there), daemon=True)
    process.start()
    there.close()
    try:
        yield here
    finally:
        here.close()
        process.join()


def increments(variant: str, pipe: Connection) -> None:
    """Increments for ever, one turn up to the pause and one from there to the answer."""
    store = load(variant)

    def pause() -> None:
        pipe.send("begins")
        pipe.recv()

    store.pause = pause
    if hasattr(store, "connection"):
        # says at once that the file is locked, where the variant would wait
        store.connection().execute("PRAGMA busy_timeout = 0")
    with contextlib.suppress(EOFError):
        while pipe.recv():
            try:
                pipe.send(f"answers {store.increment()}")
            except tuple(getattr(store, "UNAVAILABLE", {})):
                pipe.send("finds it locked")


if __name__ == "__main__":
    how, variant = sys.argv[1:]
    sys.exit({"threads": threads, "processes": processes}[how](variant))
