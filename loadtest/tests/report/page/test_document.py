import re
from html.parser import HTMLParser

import pytest

from loadtest import history
from loadtest.bench.generator import generate
from loadtest.cell import Cell
from loadtest.checker import judge
from loadtest.expected import expectation
from loadtest.history import Operation
from loadtest.report.page import document
from loadtest.trial import SERVERS, Server, Trial
from variants import VARIANTS

RAN = {
    "command": "make check",
    "versions": {"flask": "3.1.3", "gunicorn": "27.0.1"},
    "clients": 16,
    "commands": ["make <plain>", "make test"],
}


def cell(variant, server, path, verdict=None):
    verdict = verdict or judge(history.read(path))
    trial = Trial(variant, server)
    return Cell(trial, expectation(trial), verdict, path, 1.5)


def recorded(folder, name, frame):
    path = folder / f"{name}.jsonl"
    frame.write_ndjson(path)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A page of one clean cell, one divided and one that proves nothing."""
    folder = tmp_path_factory.mktemp("small")
    histories = {
        "locked_global": generate(2_000),
        "plain_global": generate(2_000, by="worker"),
        "flask_g": history.frame([Operation(client=1, op="increment", start=1, end=2, value=1)]),
    }
    cells = [
        cell(name, Server(4, 8), recorded(folder, name, frame)) for name, frame in histories.items()
    ]
    document.write(cells, folder / "report.html", RAN)
    return cells, folder / "report.html"


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """The page of a check of twenty cells, each of a hundred thousand operations."""
    folder = tmp_path_factory.mktemp("large")
    path = recorded(folder, "history", generate(100_000, by="worker"))
    verdict = judge(history.read(path))
    assert len(verdict.anomalies) > 5
    cells = [cell(variant, shape, path, verdict) for variant in VARIANTS for shape in SERVERS]
    document.write(cells, folder / "report.html", RAN)
    return cells, folder / "report.html"


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def test_a_page_of_twenty_large_cells_is_small(large):
    assert large[1].stat().st_size < 3_000_000


def test_cell_links_to_its_part(large):
    """Each cell of the matrix links to its part."""
    tags = Tags(large[1].read_text())
    ids = [attributes["id"] for _, attributes in tags.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [link["href"] for link in tags.all("a") if link["href"].startswith("#")]
    parts = [f"#{c.trial.slug}" for c in large[0]]
    assert [link for link in links if link in parts][: len(parts)] == parts
    assert {link[1:] for link in links} <= set(ids)
    named = [
        element["aria-labelledby"] for _, element in tags.found if "aria-labelledby" in element
    ]
    assert set(named) <= set(ids)


def test_the_page_asks_nothing_of_a_network(small):
    tags = Tags(small[1].read_text())
    asks = [(tag, a) for tag, a in tags.found if "src" in a or tag in ("iframe", "img", "object")]
    assert asks == []
    assert [link["href"] for link in tags.all("link")] == ["data:,"]
    (policy,) = [a["content"] for a in tags.all("meta") if "http-equiv" in a]
    assert policy.startswith("default-src 'none';")


def test_part_has_outcome_and_command(small):
    """A part has the outcome, the expectation and how to repeat it."""
    text = small[1].read_text()
    words = " ".join(re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", text, flags=re.S).split())
    for each in small[0]:
        assert str(document.Markup.escape(each.verdict.why)) in words
        assert f"python -m loadtest check {each.trial.variant} --workers 4 --threads 8" in words
    assert "Expected: it is divided, because each worker counts for itself" in words
    assert "Nothing is certainly lost, but no answer is the total." in words
    assert "Not as expected: locked_global at 4×8" in words
    assert "Missing: " in words
    assert "gunicorn 27.0.1" in words
    assert "make &lt;plain&gt;" in words
    assert "duplicate value" in words
    cost = words.split("What it costs")[-1]
    assert "cell median 99 % longest answered" in cost
    for each in small[0]:
        kinds = {kind.op: kind for kind in each.verdict.answered}
        assert f"{kinds['increment'].longest:,.1f}" in cost.split("What happened")[0]
    assert "one value is answered to two increments" in words
    for each in small[0]:
        assert f'href="{each.history.name}"' in text


def test_pictures_have_words(small):
    """Pictures have words for people who do not see them."""
    pictures = [a for a in Tags(small[1].read_text()).all("div") if a.get("class") == "chart"]
    assert len(pictures) == 4 * 3 + sum(len(each.verdict.anomalies) for each in small[0])
    for picture in pictures:
        assert picture["role"] == "img"
        assert len(picture["aria-label"]) > 20


EVIL = '</script><script>evil()</script><img src=x onerror="evil()"> & \u2028 "'


@pytest.fixture(scope="module")
def evil(tmp_path_factory):
    """The page of a history whose labels and items would like to be code."""
    folder = tmp_path_factory.mktemp("evil")
    operations = [
        Operation(client=1, op="append", item=EVIL, start=1, end=2, value=1, boot=EVIL, worker=1),
        Operation(client=2, op="append", item="b", start=1, end=2, value=1, boot=EVIL, worker=1),
        Operation(client=2, op="increment", start=3, end=4, value=1, boot=EVIL, worker=1),
        Operation(client=2, op="increment", start=5, end=6, value=1, boot=EVIL, worker=2),
        Operation(client=3, op="items", items=(EVIL,), value=1, start=7, end=8, phase="audit"),
    ]
    path = recorded(folder, "evil", history.frame(operations))
    document.write(
        [cell("plain_global", Server(1, 8), path)], folder / "report.html", {"note": EVIL}
    )
    return folder / "report.html"


def test_history_never_becomes_code(evil):
    """Text of a history never becomes code."""
    tags = Tags(evil.read_text())
    assert len(tags.all("script")) == 3
    assert not tags.all("img")


ALL_DRAWN = """() => [...document.querySelectorAll('.chart')]
    .filter(place => !place.closest('details:not([open])'))
    .every(place => place.querySelector('svg'))"""


def opened(browser, path, **how):
    """The page in a browser without a network, all drawn; it must have nothing to complain of."""
    context = browser.new_context(offline=True, **how)
    tab = context.new_page()
    tab.said, tab.asked = [], []
    tab.on("console", lambda message: tab.said.append(message.text))
    tab.on("pageerror", lambda error: tab.said.append(str(error)))
    tab.on("request", lambda request: tab.asked.append(request.url))
    tab.goto(path.as_uri())
    tab.wait_for_function(ALL_DRAWN, timeout=60_000)
    return tab


def open_all(tab):
    for summary in tab.locator("details:not([open]) summary").element_handles():
        summary.click()
    tab.wait_for_function(ALL_DRAWN, timeout=60_000)


def test_it_opens_offline_and_draws_everything(browser, small):
    tab = opened(browser, small[1])
    open_all(tab)
    assert tab.said == []
    assert tab.asked == [small[1].as_uri()]
    assert tab.locator("#plain_global-4x8 .chart path[aria-roledescription]").count() == 0
    dots = tab.locator("#plain_global-4x8 .chart").first.locator("g.mark-symbol path").count()
    assert dots > 1000


@pytest.mark.parametrize("width", [360, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_never_scrolls_sideways(browser, small, width, scheme):
    tab = opened(browser, small[1], viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    wide = """() => [...document.querySelectorAll('.chart svg, .matrix a b, code')]
        .filter(each => each.getBoundingClientRect().right > innerWidth).length"""
    assert tab.evaluate(wide) == 0
    letters = tab.locator(".chart text").first.evaluate("each => getComputedStyle(each).fill")
    assert letters == {"light": "rgb(92, 100, 109)", "dark": "rgb(163, 171, 180)"}[scheme]


def test_a_page_of_many_variants_is_filtered(browser, tmp_path):
    path = recorded(tmp_path, "history", generate(300))
    cells = [cell(name, Server(1, 8), path) for name in (*VARIANTS, "variants.plain_global")]
    document.write(cells, tmp_path / "report.html", RAN)
    tab = opened(browser, tmp_path / "report.html")
    rows = tab.locator(".matrix tbody tr")
    assert [row.is_visible() for row in rows.all()] == [True] * 6
    tab.get_by_label("kept in").select_option(label="Redis (1)")
    assert [row.is_visible() for row in rows.all()] == [False] * 4 + [True, False]
    assert tab.locator("#of-redis_key").is_visible()
    assert not tab.locator("#of-flask_g").is_visible()
    assert tab.locator("#filter output").inner_text() == "1 shown"
    tab.get_by_label("kept in").select_option(label="any")
    assert all(row.is_visible() for row in rows.all())
    assert tab.said == []


def test_keyboard_reaches_everything(browser, small):
    """The keyboard reaches the verdicts and their parts."""
    tab = opened(browser, small[1])
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the verdicts"
    tab.keyboard.press("Enter")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    assert tab.evaluate("location.hash") == "#locked_global-4x8"
    assert tab.evaluate("document.activeElement.id") == "locked_global-4x8"


def test_evil_labels_do_no_harm_in_a_browser(browser, evil):
    tab = opened(browser, evil)
    open_all(tab)
    dots = tab.locator(".chart").first.locator("g.mark-symbol.role-mark").last
    dots.locator("path").first.hover(force=True)
    tab.wait_for_selector("#vg-tooltip-element.visible")
    assert "onerror" in tab.locator("#vg-tooltip-element").inner_text()
    assert tab.locator("img").count() == 0
    assert tab.said == []
