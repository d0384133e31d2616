"""A trial's server, with what its fault needs around it: a store, a proxy, a second server."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from loadtest.server.disk import disk
from loadtest.server.fault import Target
from loadtest.server.faults import fault_of
from loadtest.server.guardian import guarded
from loadtest.server.postgres import store as own_postgres
from loadtest.server.redis import store as own_redis
from loadtest.server.running import Running, launch, listening
from loadtest.trial import Trial
from variants.facts import facts as facts_of

PROXY = Path(__file__).with_name("proxy.py")


@contextmanager
def surrounded(
    trial: Trial, path: Path, env: dict[str, str], store: int | None = None, **settings: Any
) -> Iterator[tuple[Running, Target]]:
    """Yield the server that clients are to ask, still starting, and the target of its fault.

    Logs go beside `path`. `env` says where the state is to be kept, and `store` is the
    guardian of the Redis there, if that is ours. `settings` are those of `launch`.
    """
    fault = fault_of(trial.fault)
    facts = None if trial.own else facts_of(trial.variant)
    # a matrix has one for all, whoever uses it
    redis_url = env.get("REDIS_URL") if facts and facts.uses_redis else None
    # a fault is injected from another folder
    path = path.absolute()
    log = path.with_suffix(".server.log")
    with ExitStack() as opened:
        power = (
            opened.enter_context(disk(path.with_suffix(".disk.log")))
            if fault and fault.needs == "disk"
            else None
        )
        if power:
            state = {"SQLITE_PATH": power / "state.sqlite3", "STATE_PATH": power / "state"}
            env = env | {name: str(place) for name, place in state.items()}
        if fault and redis_url and fault.needs != "server":
            log_of_redis = path.with_suffix(".redis.log")
            redis = own_redis(log_of_redis, defaults=fault.store_defaults, disk=power)
            redis_url, store = opened.enter_context(redis)
            env = env | {"REDIS_URL": redis_url}
        database_url = None
        if fault and facts and facts.uses_postgres and fault.needs in ("store", "process"):
            postgres = own_postgres(path.with_suffix(".postgres.log"))
            database_url, store = opened.enter_context(postgres)
            env = env | {"DATABASE_URL": database_url}
        target = Target(
            server=0,
            log=str(log),
            adapter=trial.server.name,
            store=store,
            redis_url=redis_url,
            database_url=database_url,
            sqlite=env.get("SQLITE_PATH"),
            disk=str(power) if power else None,
        )
        if fault and fault.loses_replies:
            target = replace(target, lose=str(path.with_suffix(".lose")))
            redis_socket = str(redis_url).removeprefix("unix://")
            port = opened.enter_context(proxy(path, redis_socket, "--lose", str(target.lose)))
            env = env | {"REDIS_URL": f"redis://127.0.0.1:{port}"}
        server = opened.enter_context(launch(trial, log=log, env=env, **settings))
        if fault and fault.machines > 1:
            second = path.with_stem(f"{path.stem}.second")
            env = env | {
                "SQLITE_PATH": str(second.with_suffix(".sqlite3")),
                "STATE_PATH": str(second.with_suffix(".state")),
            }
            other = launch(trial, log=second.with_suffix(".server.log"), env=env)
            urls = (server.url, opened.enter_context(other).url)
            one, two = (url.removeprefix("http://") for url in urls)
            # two counts that end alike could not be told from one
            port = opened.enter_context(proxy(path, one, two, two))
            server = replace(server, url=f"http://127.0.0.1:{port}", boots=2 * server.boots)
        yield server, replace(target, server=server.process.pid if server.process else 0)


@contextmanager
def proxy(path: Path, *arguments: str) -> Iterator[int]:
    """Yield the port of a proxy in front of these servers."""
    with listening(0) as listener:
        command = [sys.executable, str(PROXY), str(listener.fileno()), *arguments]
        log = path.with_suffix(".proxy.log")
        with guarded(command, log=log, pass_fds=[listener.fileno()]):
            yield listener.getsockname()[1]
