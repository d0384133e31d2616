"""A trial's server, with what its fault needs around it: a store, a proxy, a second server."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from loadtest.server.disk import disk
from loadtest.server.faults import FAULTS, Target
from loadtest.server.guardian import guarded
from loadtest.server.gunicorn import Running, launch, listening
from loadtest.server.postgres import store as own_postgres
from loadtest.server.redis import store as own_redis
from loadtest.trial import Trial
from variants.facts import facts

PROXY = Path(__file__).with_name("proxy.py")


@contextmanager
def stage(
    trial: Trial, path: Path, env: dict[str, str], store: int | None = None, **settings: Any
) -> Iterator[tuple[Running, Target]]:
    """The server that clients are to ask, still starting, and what a fault can be done to.

    Logs go beside `path`. `env` says where the state is to be kept, and `store` is the
    guardian of the Redis there, if that is ours. `settings` are those of `launch`.
    """
    kind = FAULTS.get(trial.fault or "")
    said = None if trial.own else facts(trial.variant)
    # a matrix has one for all, whoever uses it
    redis_url = env.get("REDIS_URL") if said and said.uses_redis else None
    # a fault is done from another folder
    path = path.absolute()
    log = path.with_suffix(".server.log")
    with ExitStack() as opened:
        power = (
            opened.enter_context(disk(path.with_suffix(".disk.log")))
            if kind and kind.needs == "disk"
            else None
        )
        if power:
            state = {"SQLITE_PATH": power / "state.sqlite3", "STATE_PATH": power / "state"}
            env = env | {name: str(place) for name, place in state.items()}
        if kind and redis_url and kind.needs != "server":
            defaults = kind.name == "kill-defaults"
            redis = own_redis(path.with_suffix(".redis.log"), defaults=defaults, disk=power)
            redis_url, store = opened.enter_context(redis)
            env = env | {"REDIS_URL": redis_url}
        database_url = None
        if kind and said and said.uses_postgres and kind.needs in ("store", "process"):
            postgres = own_postgres(path.with_suffix(".postgres.log"))
            database_url, store = opened.enter_context(postgres)
            env = env | {"DATABASE_URL": database_url}
        target = Target(
            server=0,
            log=str(log),
            store=store,
            redis_url=redis_url,
            database_url=database_url,
            sqlite=env.get("SQLITE_PATH"),
            disk=str(power) if power else None,
        )
        if kind and kind.name == "lose-reply":
            target = replace(target, lose=str(path.with_suffix(".lose")))
            redis_socket = str(redis_url).removeprefix("unix://")
            port = opened.enter_context(proxy(path, redis_socket, "--lose", str(target.lose)))
            env = env | {"REDIS_URL": f"redis://127.0.0.1:{port}"}
        server = opened.enter_context(launch(trial, log=log, env=env, **settings))
        if kind and kind.name == "two-machines":
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
    """The port of a proxy in front of these servers."""
    with listening(0) as listener:
        command = [sys.executable, str(PROXY), str(listener.fileno()), *arguments]
        log = path.with_suffix(".proxy.log")
        with guarded(command, log=log, pass_fds=[listener.fileno()]):
            yield listener.getsockname()[1]
