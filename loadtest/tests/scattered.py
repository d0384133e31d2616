"""Histories whose answers are thrown by dice: with several clocks, boots, copies and creates.

Nothing lived through most of them, so that every anomaly there is comes up, in odd company.
"""

from __future__ import annotations

from random import Random

from loadtest.history import Operation

BOOTS = {"a": 1, "b": 1, "c": 2, "d": None}
"""A process id can be used again, and need not be known."""
LABELS = [(None,), ("a",), ("a", "b"), ("a", "c"), (None, "a", "b", "c"), ("d", "a")]
ITEMS = ["x", "y", "z", "x", "v", "w"]


def scatter(seed: int) -> list[Operation]:
    """A history of a few operations, no two of which are alike to the letter: of these nobody could
    say which one is meant."""
    dice = Random(seed)
    clocks = dice.choice([(None,), (None,), (None,), ("m", "n"), (None, "m")])
    labels = dice.choice(LABELS)
    clients = dice.randint(1, 4)
    ops = dice.choice(
        [
            ["increment", "read"],
            ["increment", "increment", "increment"],
            ["append", "items"],
            ["increment", "read", "append", "items"],
        ]
    )
    outcomes = dice.choice([["ok"], ["ok"] * 6 + ["unknown", "fail"]])
    reads = [op for op in ops if op in ("read", "items")] or ["read"]
    audits = [dice.choice(reads) for _ in range(dice.choice([0, 1, 1, 2, 3, 4]))]
    creates = ["create"] * dice.choice([0, 0, 0, 1, 2])
    most = dice.choice([1, 2, 4, 12])
    blind = dice.choice([0, 0, 0.3])
    late = 100 if dice.random() < 0.8 else 30
    load = [dice.choice(ops) for _ in range(dice.randint(1, 9))] + creates
    history = []
    for n, op in enumerate([*load, *audits]):
        last = n >= len(load)
        outcome = "ok" if last else dice.choice(outcomes)
        start = 4 * dice.randint(0, 5 if op == "create" else 20) + (late if last else 0)
        never = outcome == "unknown" and dice.random() < 0.5
        answered = outcome == "ok"
        boot = dice.choice(labels) if answered else None
        items, value = None, None
        if answered and op == "items":
            items = tuple(dice.sample(ITEMS, dice.randint(0, min(most, 4))))
        if answered:
            value = {"create": 0, "items": len(items or ())}.get(op, dice.randint(0, most))
            value = -1 if op in ("increment", "read") and dice.random() < 0.01 else value
            value = None if op == "increment" and dice.random() < blind else value
        history.append(
            Operation(
                client=9 if last else dice.randrange(clients),
                op=op,
                start=start,
                end=None if never else start + dice.choice([2, 8, 30]),
                outcome=outcome,
                value=value,
                item=dice.choice([*ITEMS[:3], f"i{n}", f"i{n}"]) if op == "append" else None,
                items=items,
                worker=BOOTS[boot] if boot else None,
                thread=dice.choice([None, 1, 2]) if boot else None,
                boot=boot,
                phase="audit" if last or dice.random() < 0.05 else "load",
                clock=dice.choice(clocks),
            )
        )
    return list(dict.fromkeys(history))
