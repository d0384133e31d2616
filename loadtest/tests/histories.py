"""Histories for hypothesis: small, with everything in them that a checker can stumble over."""

from dataclasses import replace

from hypothesis import strategies as st

from loadtest.history import Operation

OPS = ("increment", "increment", "append", "append", "read", "items")
OUTCOMES = ("ok", "ok", "ok", "ok", "unknown", "fail")


@st.composite
def lived(draw, ops=OPS, least=2, most=6):
    """A history that one counter and one list really lived through, and so a linearizable one.

    Each operation happens at an instant of its own; starts and ends lie around it and often
    coincide. An unknown one happens or does not, and as late as it likes. An audit follows, or
    what only calls itself one.
    """
    count, items, history = 0, (), []
    clocks = draw(st.sampled_from([(None,), (None,), (None,), ("m", "n"), (None, "n")]))
    labels = draw(st.sampled_from([(None,), ("a",), ("a", "b"), (None, "a", "b")]))
    kinds = [draw(st.sampled_from(ops)) for _ in range(draw(st.integers(least, most)))]
    audits = [op for op in ("read", "items") if op in ops] * draw(st.integers(0, 2))
    reach = draw(st.sampled_from([1, 4, 12]))
    blind = draw(st.sampled_from([(), (), (), (1, 3), range(99)]))
    for n, op in enumerate(kinds + audits):
        audit = n >= len(kinds)
        outcome = "ok" if audit else draw(st.sampled_from(OUTCOMES))
        happens = outcome == "ok" or (outcome == "unknown" and draw(st.booleans()))
        item = f"i{n}" if op == "append" else None
        if happens and op == "increment":
            count += 1
        if happens and op == "append":
            items = (*items, item)
        at = 4 * n + 16 * (audit and reach > 1)
        start, end = at - draw(st.integers(0, reach)), at + draw(st.integers(0, reach))
        answered = outcome == "ok" and not (op == "increment" and n in blind)
        boot = draw(st.sampled_from(labels))
        worker = draw(st.sampled_from([1, None])) if boot is None else ord(boot)
        history.append(
            Operation(
                client=9 if audit else draw(st.integers(0, 2)),
                op=op,
                start=start,
                end=end if outcome != "unknown" else draw(st.sampled_from([None, end])),
                outcome=outcome,
                value={"increment": count, "read": count}.get(op, len(items)) if answered else None,
                item=item,
                items=items if answered and op == "items" else None,
                worker=worker,
                thread=draw(st.sampled_from([None, 1, 2])),
                boot=boot,
                phase="audit" if audit else draw(st.sampled_from(["load"] * 9 + ["audit"])),
                clock=draw(st.sampled_from(clocks)),
            )
        )
    if len(clocks) > 1:  # of another clock nobody can see that an audit came too early
        history = [replace(o, phase="load") for o in history[: len(kinds)]] + history[len(kinds) :]
    return history


@st.composite
def bent(draw, **kwargs):
    """A history in which some answers, times or outcomes are not what they were."""
    history = draw(lived(**kwargs))
    sent = [o.item for o in history if o.op == "append"]
    for _ in range(draw(st.integers(1, 4))):
        n, m = (draw(st.integers(0, len(history) - 1)) for _ in "nm")
        a, b = history[n], history[m]
        match draw(st.sampled_from(["answer", "answer", "swap", "time", "outcome"])):
            case "answer" if a.items is not None:
                others = [x for x in (*sent, "z") if x not in a.items] or ["z"]
                shuffled = tuple(draw(st.permutations(a.items)))
                other = draw(st.sampled_from([*others, *a.items]))
                some = [shuffled, a.items[1:], a.items[:-1], (*a.items, other), (other, *a.items)]
                items = draw(st.sampled_from(some))
                history[n] = replace(a, items=items, value=len(items))
            case "answer" if a.value is not None:
                history[n] = replace(a, value=max(-1, a.value + draw(st.integers(-2, 2))))
            case "swap" if a.outcome == b.outcome and a.op == b.op:
                history[n] = replace(a, value=b.value, items=b.items)
                history[m] = replace(b, value=a.value, items=a.items)
            case "time":
                start = draw(st.integers(-8, 40))
                end = None if a.end is None else start + draw(st.integers(0, 8))
                history[n] = replace(a, start=start, end=end)
            case "outcome" if a.outcome != "ok":
                history[n] = replace(a, outcome="fail" if a.outcome == "unknown" else "unknown")
    return history


KINDS = {
    "all operations": bent(),
    "increments and reads": bent(ops=("increment", "read")),
    "increments, few reads": bent(ops=("increment", "increment", "increment", "read")),
    "the list": bent(ops=("append", "append", "items")),
    "nothing wrong": lived(),
}
histories = st.one_of(*KINDS.values())
