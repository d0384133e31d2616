"""Two increments by hand show what an app's answers mean."""

import pytest

from loadtest.client import by_hand
from loadtest.client.by_hand import understand
from loadtest.client.mapping import BLIND, Unclear
from loadtest.tests.copies import counting
from loadtest.trial import App


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Do not wait for a count that never comes."""
    monkeypatch.setattr(by_hand, "SETTLE_S", 0.1)


def looked_at(url, **described):
    return understand(App(url, "POST /i", **{"read": "GET /r"} | described), url)


def test_constant_answer_is_not_the_count():
    """An answer that is always 1, such as a number of rows, makes the increment blind."""
    with counting(post=lambda before, after: "1") as url:
        app, sentence = looked_at(url)
    assert app.increment_count == BLIND
    assert (
        "POST /i answered 1 twice, which is not the count, and GET /r then answered 2" in sentence
    )


def test_constant_answer_where_the_count_is_named():
    """A constant in the place that INCREMENT_COUNT names is reported."""
    with counting(post=lambda before, after: "1") as url, pytest.raises(Unclear) as error:
        looked_at(url, increment_count="@")
    assert "COUNT='@' names no header" in str(error.value)
    with (
        counting(post=lambda before, after: '{"n": 1}') as url,
        pytest.raises(Unclear, match="1 is not the count"),
    ):
        looked_at(url, increment_count="n")


@pytest.mark.parametrize("read", ["GET /r", ""], ids=["read", "increments alone"])
def test_toggle_is_named(read):
    """A request that takes back what it did before is called a toggle."""
    on = [False]

    def toggle(before, after):
        on[0] = not on[0]
        return str(int(on[0]))

    with (
        counting(post=toggle, read=lambda count: str(int(on[0]))) as url,
        pytest.raises(Unclear, match="POST /i is a toggle"),
    ):
        looked_at(url, read=read)


def test_request_that_adds_only_once():
    """A request that adds nothing the second time is reported."""
    with (
        counting(post=lambda before, after: "", read=lambda count: str(min(count, 1))) as url,
        pytest.raises(Unclear, match="it adds only once"),
    ):
        looked_at(url)


def test_state_per_request_is_understood():
    """A state that ends with its request is understood: each increment is answered 1."""
    with counting(post=lambda before, after: "1", read=lambda count: "0") as url:
        app, sentence = looked_at(url)
    assert app.increment_count == ""
    assert "POST /i answered 1 twice, and GET /r still answers 0: understood" in sentence


ASKS_NOBODY = """
def increment(http):
    http.post("/i")


def read(http):
    return 7
"""


def test_mapping_that_asks_nobody(tmp_path):
    """A function of a mapping file that sends no request is reported at once."""
    (tmp_path / "counter.py").write_text(ASKS_NOBODY)
    app = App("shop:app", mapping=str(tmp_path / "counter.py"))
    with counting() as url, pytest.raises(Unclear, match=r"read\(http\) in .* sent no request"):
        understand(app, url)
