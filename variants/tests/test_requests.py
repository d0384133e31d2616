"""Whatever is asked over HTTP: nothing breaks, and what is refused changes nothing."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from variants import VARIANTS

REQUESTS = int(os.environ.get("REQUESTS", "100"))
PATHS = ["/create", "/increment", "/read", "/append", "/items", "/save", "/load", "/claim"]
PATHS += ["/whoami", "/"]
json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=1100),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["item", "x"]), inner),
    max_leaves=5,
)
request = st.fixed_dictionaries(
    {
        "method": st.sampled_from(
            ["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"]
        ),
        # no query, which has a field of its own below, and no // that the client takes for a host,
        # of which it leaves out tabs and the ends of lines
        "path": st.sampled_from(PATHS)
        | st.text(st.characters(codec="utf-8", exclude_characters="?#[]"), max_size=20).map(
            lambda text: "/" + text.lstrip("/\t\r\n")
        ),
    },
    optional={
        "headers": st.dictionaries(
            st.sampled_from(
                ["Content-Type", "Content-Length", "Accept", "Expect", "X-Script-Name", "Range"]
            ),
            st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
            | st.sampled_from(["application/json", "0", "-1", "100-continue"]),
            max_size=3,
        ),
        "query_string": st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20),
        "body": st.one_of(
            json.map(lambda value: {"json": value}),
            st.fixed_dictionaries({"item": st.text(max_size=5)}).map(lambda item: {"json": item}),
            st.binary(max_size=100).map(lambda data: {"data": data}),
        ),
    },
)


@pytest.mark.timeout(0)
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_request_breaks_a_variant(client_of, variant):
    """No request breaks a variant, and refused requests change nothing."""
    client = client_of(variant)

    def state():
        return client.get("/read").json, client.get("/items").json

    @settings(
        max_examples=REQUESTS, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(request)
    def ask(sent):
        sent = dict(sent)
        before = state()
        reply = client.open(**sent.pop("body", {}), **sent)
        assert reply.status_code < 500
        if reply.status_code >= 400 or sent["method"] in ("HEAD", "OPTIONS"):
            assert state() == before
        elif len(before[1]) > 20:
            client.post("/create")

    ask()
