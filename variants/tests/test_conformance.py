"""Tests of every variant with one request after another; flask_g cannot pass."""

import pytest

from variants import VARIANTS

KEEPING = [variant for variant in VARIANTS if variant != "flask_g"]
WALK = ["/create", "/increment", "/increment", "/read", "/increment", "/create", "/read"]


@pytest.fixture(params=VARIANTS)
def variant(request) -> str:
    return request.param


@pytest.fixture
def client(client_of, variant):
    return client_of(variant)


def ask(client, path):
    reply = client.get(path) if path == "/read" else client.post(path)
    assert reply.status_code == 200
    return reply.json


def append(client, item):
    return client.post("/append", json={"item": item})


def test_count_goes_up_by_one(client, variant):
    """The count goes up by one and starts over."""
    answers = [ask(client, path) for path in WALK]
    assert answers == ([0, 1, 1, 0, 1, 0, 0] if variant == "flask_g" else [0, 1, 2, 2, 3, 0, 0])


def test_list_keeps_its_order(client, variant):
    """The list keeps its order and answers positions."""
    client.post("/create")
    positions = [append(client, item).json for item in "abc"]
    items = client.get("/items").json
    assert (positions, items) == (
        ([1, 1, 1], []) if variant == "flask_g" else ([1, 2, 3], ["a", "b", "c"])
    )


def test_create_empties_the_list(client):
    append(client, "a")
    client.post("/create")
    assert client.get("/items").json == []
    assert append(client, "b").json == 1


def test_before_any_create(client):
    """Before any create the count is 0 and the list is empty."""
    assert client.get("/read").json == 0
    assert client.get("/items").json == []


def test_get_works_in_a_browser(client):
    """A browser may create and increment by GET."""
    assert client.get("/create").json == 0
    assert client.get("/increment").json == 1


@pytest.mark.parametrize("item", ["x", "x" * 1000, "\N{PILE OF POO}" * 1000, "a\0b", "\n", " "])
def test_item_lengths(client, variant, item):
    """An item is any text of 1 to 1,000 characters."""
    assert append(client, item).json == 1
    assert client.get("/items").json == ([] if variant == "flask_g" else [item])


BAD = {
    "no body": ({}, 415),
    "not declared as JSON": ({"data": '{"item": "a"}'}, 415),
    "not JSON": ({"data": "{", "content_type": "application/json"}, 400),
    "no item": ({"json": {}}, 400),
    "not an object": ({"json": ["a"]}, 400),
    "a number": ({"json": {"item": 1}}, 400),
    "null": ({"json": {"item": None}}, 400),
    "empty": ({"json": {"item": ""}}, 400),
    "too long": ({"json": {"item": "x" * 1001}}, 400),
    "half a surrogate pair": (
        {"data": r'{"item": "\ud800"}', "content_type": "application/json"},
        400,
    ),
    "nested deeper than anyone": (
        {"data": '{"item": ' * 1500 + "1" + "}" * 1500, "content_type": "application/json"},
        400,
    ),
    "a huge body": ({"json": {"item": "x" * 100_000}}, 413),
}


@pytest.mark.parametrize(("request_", "status"), BAD.values(), ids=BAD)
def test_bad_input_is_refused(client, request_, status):
    """Bad input is refused in JSON and changes nothing."""
    append(client, "kept")
    before = client.get("/items").json
    reply = client.post("/append", **request_)
    assert (reply.status_code, list(reply.json)) == (status, ["error"])
    assert client.get("/items").json == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/append", 405),
        ("POST", "/read", 405),
        ("POST", "/items", 405),
        ("DELETE", "/increment", 405),
        ("PUT", "/create", 405),
        ("HEAD", "/create", 405),
        ("HEAD", "/increment", 405),
        ("GET", "/claim", 405),
        ("GET", "/save", 405),
        ("POST", "/whoami?name=a", 405),
        ("POST", "/", 405),
        ("GET", "/nope", 404),
    ],
)
def test_wrong_method_or_path(client, method, path, status):
    """A wrong method or path is refused in JSON and changes nothing."""
    client.post("/increment")
    before = client.get("/read").json
    reply = client.open(path, method=method)
    assert reply.status_code == status
    assert method == "HEAD" or list(reply.json) == ["error"]
    assert client.get("/read").json == before


@pytest.mark.parametrize("path", ["/read", "/items", "/increment", "/create", "/nope"])
def test_no_reply_may_be_kept(client, path):
    assert client.get(path).headers["Cache-Control"] == "no-store"


def test_request_gets_its_own_name(client):
    """A name is there again later in one request, and the next request has its own."""
    assert client.get("/whoami?name=ann").json == "ann"
    assert client.get("/whoami?name=bob").json == "bob"


def test_visitors_have_their_own_texts(client_of, variant):
    """A visitor gets back what they saved last, and another visitor does not."""
    ann = client_of(variant)
    bob = ann.application.test_client()
    assert ann.get("/load").json is None
    for text in ("a1", "a2"):
        assert ann.post("/save", json={"item": text}).status_code == 200
    bob.post("/save", json={"item": "b1"})
    texts = (ann.get("/load").json, bob.get("/load").json)
    assert texts == ((None, None) if variant == "flask_g" else ("a2", "b1"))


def test_item_is_claimed_once(client, variant):
    """Of three claims of an item the first succeeds, and another item is free."""
    client.post("/create")
    answers = [client.post("/claim", json={"item": item}).json for item in ("a", "a", "b", "a")]
    assert answers == [True, variant == "flask_g", True, variant == "flask_g"]


def test_create_empties_every_kind(client):
    """After a create a text is gone, and an item is free again."""
    client.post("/save", json={"item": "kept"})
    client.post("/claim", json={"item": "a"})
    client.post("/create")
    assert client.get("/load").json is None
    assert client.post("/claim", json={"item": "a"}).json is True


@pytest.mark.parametrize("path", ["/save", "/claim"])
@pytest.mark.parametrize(("request_", "status"), BAD.values(), ids=BAD)
def test_bad_items_are_refused(client, path, request_, status):
    """A save and a claim refuse what an append refuses."""
    reply = client.post(path, **request_)
    assert (reply.status_code, list(reply.json)) == (status, ["error"])


@pytest.mark.parametrize("query", ["", "?name=", "?name=" + "x" * 1001, "?other=a"])
def test_bad_names_are_refused(client, query):
    """A name is any text of 1 to 1,000 characters."""
    reply = client.get("/whoami" + query)
    assert (reply.status_code, list(reply.json)) == (400, ["error"])


def test_forged_visitor_is_a_new_one(client):
    """A cookie that this app did not make is not taken for a visitor."""
    client.set_cookie("visitor", "../" + "x" * 300)
    assert client.get("/load").json is None
    assert client.post("/save", json={"item": "a"}).headers["Set-Cookie"].startswith("visitor=")


def test_index_lists_kinds(client):
    """The routes of each kind that a variant keeps stand at /."""
    assert client.get("/").json["request"] == ["/whoami"]
