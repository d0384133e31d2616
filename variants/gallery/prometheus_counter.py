"""A Prometheus counter, read back from the client library.

Lives in: worker. Each worker has a registry of its own; /metrics answers with one of them.
Guard: lock. `inc` takes the counter's own.
Answers: read again after the pause. `inc` answers nothing.
Loses: nothing within a worker, but the total between workers; `prometheus_multiprocess` adds them
  up. An item that comes twice is there once, at its later place: a label has one value.
Survives: request.
Steps: answers late, explored: A counts up to 1, and pauses; B counts up to 2, and pauses; A
  reads, is answered 2; B reads, is answered 2; the count is 2
Seen in: github.com/freelawproject/courtlistener/issues/7980
Instead: redis_key
"""

from prometheus_client import REGISTRY as registry
from prometheus_client import Counter, Gauge

from variants.pause import pause

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
