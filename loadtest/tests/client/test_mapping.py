"""Tests of one-line descriptions of an app, and of the requests and numbers they mean."""

import re
from dataclasses import dataclass, field

import pytest

from loadtest.client.mapping import OURS, Count, Request, Unclear, at_rest, routes, steps


@dataclass
class Said:
    """An answer, as any client has it."""

    text: str = ""
    status_code: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@pytest.mark.parametrize(
    ("text", "method", "path", "body", "kind"),
    [
        ("POST /hits", "POST", "/hits", None, None),
        ("  get /a?b=c%20d ", "GET", "/a?b=c%20d", None, None),
        ('POST /hits {"by": 1}', "POST", "/hits", '{"by": 1}', "application/json"),
        ("PUT / a=b&c=d e", "PUT", "/", "a=b&c=d e", "application/x-www-form-urlencoded"),
    ],
)
def test_request_parts(text, method, path, body, kind):
    """A request is a method, a path and perhaps a body."""
    request = Request.parse(text, "INCREMENT")
    assert (request.method, request.path, request.body) == (method, path, body)
    assert request.headers.get("Content-Type") == kind


@pytest.mark.parametrize(
    "text",
    ["", "/hits", "POST", "POST hits", "POST http://127.0.0.1/hits", 'POST /hits {"by": '],
)
def test_bad_request_in_one_line(text):
    """Text that is not a request is reported in one line with its name."""
    with pytest.raises(Unclear, match=r"^INCREMENT") as error:
        Request.parse(text, "INCREMENT")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("count", "reply", "number"),
    [
        ("", Said("42\n"), 42),
        ("", Said('"42"'), 42),
        ("", Said("42.0"), 42),
        ("", Said("1,234"), 1234),
        ("", Said(""), None),
        ("", Said("true"), None),
        ("", Said("<p>42</p>"), None),
        ("", Said("0.5"), None),
        ("", Said("NaN"), None),
        ("", Said("1e400"), None),
        ("", Said("9" * 40), None),
        ("hits", Said('{"hits": 7}'), 7),
        ("data[0].hits", Said('{"data": [{"hits": "7"}]}'), 7),
        ("length(@)", Said("[1, 2, 3]"), 3),
        ("length(hits)", Said('{"hits": 3}'), None),
        ("hits", Said("<p>"), None),
        ("hits", Said('{"visits": 7}'), None),
        (r"/viewed (\d+) times/", Said("I was\nviewed 9 times."), 9),
        (r'/^hits\{path="/a"\} (.*)$/', Said('# x\nhits{path="/a"} 12.0\n'), 12),
        (r"/^hits (\S+)/", Said("hits 1.234567e+06"), 1234567),
        (r"/^hits (\S+)/", Said("hits 1.2345675e+06"), None),
        (r"/seen (\d+)/", Said("nobody"), None),
        ("@X-Hits", Said("<p>", headers={"X-Hits": "3"}), 3),
        ("@X-Hits", Said("3"), None),
        ("none", Said("42"), None),
    ],
)
def test_number_is_found(count, reply, number):
    """The number is found in the place that was named."""
    assert Count(count).number(reply) == number


@pytest.mark.parametrize(
    ("count", "reply", "number"),
    [
        (r"/^hits (\d+)/", Said("# no hits yet"), 0),
        (r"/^hits (\d+)/", Said("hits 7"), 7),
        (r"/^hits (\S+)/", Said("hits many"), None),
        (r"/^hits (\d+)/", Said("# busy", 503), None),
        (r"/^hits (\d+)/", Said("", 302), None),
        ("hits", Said('{"visits": 7}'), 0),
        ("", Said("hello"), None),
    ],
)
def test_missing_count_is_zero(count, reply, number):
    """Before the load, a count that is not there is 0."""
    assert at_rest(routes("POST /hits", "GET /hits", count), reply) == number


@pytest.mark.parametrize(
    "count", ["hits[", "@", "/no group/", r"/(\d+) of (\d+)/", "/(/", r"/(\d+)"]
)
def test_bad_count_in_one_line(count):
    """A count that cannot be meant is reported in one line."""
    with pytest.raises(Unclear, match=r"^COUNT=") as error:
        Count(count)
    assert "\n" not in str(error.value)


def test_increment_count_elsewhere():
    """The increment may have its number elsewhere, or none."""
    said = routes("POST /hits", "GET /hits", count="hits", increment_count="@X-Hits")
    assert said.answer("increment", Said("", headers={"X-Hits": "3"})).value == 3
    assert said.answer("read", Said('{"hits": 4}')).value == 4
    blind = routes("POST /hits", "GET /hits", increment_count="none")
    assert blind.answer("increment", Said("3", status_code=204)).outcome == "ok"
    assert blind.answer("increment", Said("3")).value is None


def test_increment_without_its_number():
    """An increment without the number that it should have is unknown."""
    # such as a page that asks to log in, and is answered with 200
    said = routes("POST /hits", "GET /hits")
    assert said.answer("increment", Said("<form>")).outcome == "unknown"
    assert said.answer("read", Said("<form>")).outcome == "unknown"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "ok"), (302, "unknown"), (404, "fail"), (503, "unknown"), (0, "unknown")],
)
def test_the_status_decides_first(status, outcome):
    assert OURS.answer("increment", Said("3", status_code=status)).outcome == outcome


def test_redirect_as_an_increment():
    """A redirect is an increment if that is known, and never a read."""
    form = routes("POST /hits", "GET /hits", increment_count="none")
    form = type(form)(form.requests, form.counts, redirected=True)
    assert form.answer("increment", Said("", status_code=302)).outcome == "ok"
    assert form.answer("read", Said("3", status_code=302)).outcome == "unknown"


@pytest.mark.parametrize(
    "said",
    [
        {"increment": "POST /hits", "count": "none"},
        {"increment": "POST /hits", "read": "GET /hits", "count": "none"},
        {"increment": "POST /hits", "headers": "secret"},
        {"increment": "POST /hits", "headers": '{"Token": 7}'},
        {"increment": "POST /hits", "headers": "Token: a\nb"},
    ],
)
def test_contradictions_before_serving(said):
    """A description that cannot work is refused before anything is served."""
    with pytest.raises(Unclear) as error:
        routes(**said)
    assert "secret" not in str(error.value)


def test_headers_one_or_several():
    """Headers are one line or a JSON object of several."""
    assert routes("POST /", headers="Authorization: Bearer a:b").headers == {
        "Authorization": "Bearer a:b"
    }
    assert routes("POST /", headers='{"A": "1", "B": "2"}').headers == {"A": "1", "B": "2"}


def test_get_is_never_sent_twice():
    """A GET that increments is not left to a client that may send it twice."""
    assert routes("POST /hits").quick
    assert not routes("GET /hits").quick


def test_mapping_file_functions(tmp_path):
    """The functions of a mapping file are taken as they are."""
    (tmp_path / "beside.py").write_text("PATH = '/hits'")
    file = tmp_path / "counter.py"
    file.write_text(
        "from beside import PATH\n"
        "def increment(http): return http.post(PATH)\n"
        "def read(http): return http.get(PATH)\n"
    )
    functions = steps(file)
    assert functions.read(type("Http", (), {"get": lambda self, path: path})()) == "/hits"
    assert functions.setup(None) is None


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("def increment(http): ...", "no read"),
        ("import nowhere_to_be_found", "ModuleNotFoundError"),
        ("def", "SyntaxError"),
        (None, "is no file"),
    ],
)
def test_bad_mapping_file_in_one_line(tmp_path, source, why):
    """A file that is not a mapping is reported in one line."""
    file = tmp_path / "counter.py"
    if source is not None:
        file.write_text(source)
    with pytest.raises(Unclear, match=re.escape(why)) as error:
        steps(file)
    assert "\n" not in str(error.value)
