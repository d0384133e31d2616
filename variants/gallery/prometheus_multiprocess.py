"""A Prometheus counter in multiprocess mode: a file for each worker, added up when it is read.

Lives in: machine. The folder is one for all workers; each writes to a file of its own there.
Guard: lock, may refuse. `inc` takes the worker's own; who reads a file just made may answer 500.
Answers: read again after the pause. `inc` answers nothing, and the sum is taken over the files.
Loses: nothing. The sum is right; it is no number of its own for each request. An item that comes
  twice is there once, at its later place. `create` starts the count over in one worker alone.
Survives: server. The file of a worker that has ended is still added up.
Steps: answers late, explored: A counts up to 1, and pauses; B counts up to 2, and pauses; A
  reads, is answered 2; B reads, is answered 2; the count is 2
Seen in: prometheus.github.io/client_python/multiprocess
Instead: redis_key
"""

import os
from pathlib import Path

from variants.pause import pause

os.environ["PROMETHEUS_MULTIPROC_DIR"] = os.environ.get("STATE_PATH", "state")
Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).mkdir(parents=True, exist_ok=True)

# the library looks there when it is imported
from prometheus_client import CollectorRegistry, Counter, Gauge  # noqa: E402
from prometheus_client.multiprocess import MultiProcessCollector  # noqa: E402

registry = CollectorRegistry()
MultiProcessCollector(registry)

cache = Counter("cache", "The count")
entries = Gauge("entries", "When each item came", ["item"], multiprocess_mode="mostrecent")


def create() -> int:
    cache.reset()
    for item in items():
        entries.labels(item).set(0)
    return 0


def increment() -> int:
    cache.inc()
    pause()
    return read()


def read() -> int:
    return int(registry.get_sample_value("cache_total") or 0)


def append(item: str) -> int:
    entries.labels(item).set_to_current_time()
    pause()
    return len(items())


def items() -> list[str]:
    samples = [s for m in registry.collect() for s in m.samples if s.name == "entries" and s.value]
    return [sample.labels["item"] for sample in sorted(samples, key=lambda sample: sample.value)]
