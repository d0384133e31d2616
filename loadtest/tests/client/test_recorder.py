"""Every request is recorded once, as what became of it."""

from collections import Counter

from loadtest.tests.locusts import of
from loadtest.tests.odd import odd

MISCHIEF = {
    "drop": ("unknown", False),
    500: ("unknown", True),
    302: ("unknown", True),
    404: ("fail", True),
    ("text", "one"): ("unknown", True),
    ("text", "true"): ("unknown", True),
    ("text", "1" + "0" * 30): ("unknown", True),
    ("text", '["1"]'): ("unknown", True),
    ("text", ""): ("unknown", True),
    None: ("ok", True),
}


def test_each_request_recorded_once(locust):
    """Each request is recorded once with its outcome, and none is sent again."""
    kinds = list(MISCHIEF)
    became = Counter()

    def mischief(op, n):
        if op != "increment":
            return None
        kind = kinds[n % len(kinds)]
        became[MISCHIEF[kind]] += 1
        return kind

    with odd(mischief) as server:
        done = locust(server.url)
        increments = of(done, "increment")
        assert server.asked["increment"] == len(increments) > len(kinds)
        assert server.asked["append"] == len(of(done, "append"))
        assert Counter((each.outcome, each.end is not None) for each in increments) == became
        refused = sum(each.outcome == "fail" for each in increments)
        assert server.state[0] == len(increments) - refused
    labelled = [each for each in increments if each.end is not None]
    assert {(each.worker, each.thread, each.boot) for each in labelled} == {(7, None, "b7")}
    assert all((each.value is not None) == (each.outcome == "ok") for each in increments)


def test_timeout_is_unknown(locust, impatient):
    """A request that is not answered in time is unknown, and not sent again."""
    with odd(lambda op, n: "hang" if op == "increment" else None) as server:
        done = locust(server.url, file=impatient)
        increments = of(done, "increment")
        # the server may not even have read what the client no longer waits for
        assert 0 < server.asked["increment"] <= len(increments)
    assert {(each.outcome, each.end) for each in increments} == {("unknown", None)}
    assert max(Counter(each.client for each in increments).values()) > 1


def test_list_of_other_than_text(locust):
    """A list of anything but text is not an answer."""
    odd_lists = ["[1]", "[null]", "null", '{"a": 1}']
    with odd(lambda op, n: ("text", odd_lists[n % 4]) if op == "items" else None) as server:
        done = locust(server.url)
    assert {each.outcome for each in of(done, "items")} == {"unknown"}


def test_stopped_client_is_unknown(locust):
    """A client that is stopped during its request records it as unknown."""
    with odd(lambda op, n: "hang" if op == "increment" else None) as server:
        all_hang = lambda: server.asked["increment"] == 8  # noqa: E731
        done = locust(server.url, "--stop-timeout", "1", enough=all_hang)
        increments = of(done, "increment")
        assert server.asked["increment"] == len(increments) == 8
    assert {(each.outcome, each.end) for each in increments} == {("unknown", None)}
