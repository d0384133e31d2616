"""The State tab and its page, in a real browser, against real servers."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import requests

from loadtest import history
from loadtest.cell import state_of_its_own
from loadtest.checker import judge
from loadtest.client.load import locust, secrets
from loadtest.commands.serve import buttons
from loadtest.server.guardian import guarded
from loadtest.server.redis import store
from loadtest.server.running import answers, listening, serve
from loadtest.server.surroundings import surrounded
from loadtest.trial import Server, Trial

CELLS = """cells => [...document.querySelectorAll(cells)]
    .map(row => [...row.querySelectorAll('td')].map(cell => cell.textContent))"""
DRAWN = """() => [...document.querySelectorAll('figure')]
    .filter(figure => figure.querySelector('svg')).map(figure => figure.id).join()"""

STATES = """
import json, sys, types
from pathlib import Path
import locust, flask
from loadtest.report.live.web_ui import Live, add_tab
for phase, state in json.loads(sys.argv[1]):
    ui = types.SimpleNamespace(app=flask.Flask("locust"), template_args={})
    live = Live.__new__(Live)
    live.phase, live.answer = phase, {}
    live.files = types.SimpleNamespace(away=lambda: 0, path=Path("h.jsonl"))
    ui.app.add_url_rule("/stats", "locust.request_stats", lambda: {"state": state})
    add_tab(ui, live)
    print(ui.app.test_client().get("/stats").json["state"])
"""
COLORS = ("backgroundColor", "color")


@contextmanager
def running(variant, folder, redis_url, *options):
    """A variant on a server, and the address of locust's web UI in front of it."""
    with listening(0) as found:
        port = found.getsockname()[1]
    path = folder / "h.jsonl"
    env = state_of_its_own(path, redis_url)
    with serve(Trial(variant, Server(2, 4)), log=folder / "server.log", env=env) as server:
        web = ("--web-host", "127.0.0.1", "--web-port", str(port))
        command = locust(server, path, 8, *web, *options)
        with guarded(command, log=folder / "locust.log") as process:
            address = f"http://127.0.0.1:{port}"
            while not answers(address):
                assert process.poll() is None, (folder / "locust.log").read_text()
            yield address


@contextmanager
def pages(browser, address, **how):
    """Opens pages, which must have nothing to complain of and ask nobody else."""
    context = browser.new_context(**how)
    said, asked = [], []

    def page(path):
        tab = context.new_page()
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(address + path)
        return tab

    yield page
    context.close()
    assert said == []
    assert {url for url in asked if not url.startswith((address, "data:"))} == set()


def rows(tab, cells="tbody tr"):
    return {what: (value, remark) for what, value, remark in tab.evaluate(CELLS, cells)}


def number(tab, what):
    return int(rows(tab)[what][0].replace(",", ""))


def until(tab, what, *arguments):
    """Waits for something that the page comes to by itself."""
    for _ in range(600):
        if what(*arguments):
            return
        tab.wait_for_timeout(100)
    raise AssertionError("it did not come")


def start(tab, users, button):
    tab.fill("input[name=userCount]", str(users))
    tab.fill("input[name=spawnRate]", "100")
    tab.click(f"button:has-text('{button}')")


def shows(tab, what):
    return what in rows(tab)


def grows(tab, what, beyond):
    return shows(tab, what) and number(tab, what) > beyond


def pictures_of(tab, *names):
    until(tab, lambda: tab.evaluate(DRAWN) == ",".join(names))


@pytest.fixture(scope="module")
def loses(tmp_path_factory, redis_url):
    """plain_global behind locust's web UI: its address, and where the histories go."""
    folder = tmp_path_factory.mktemp("loses")
    with running("plain_global", folder, redis_url) as address:
        yield address, folder


@pytest.mark.timeout(240)
def test_a_variant_that_loses(browser, loses):
    address, folder = loses
    with pages(browser, address) as page:
        tab = page("/?tab=state")
        start(tab, 8, "Start")
        acknowledged = "acknowledged increments"
        until(tab, grows, tab, acknowledged, 0)
        until(tab, grows, tab, acknowledged, number(tab, acknowledged))
        until(tab, grows, tab, "duplicate value", 0)
        until(tab, grows, tab, "lost so far", 0)
        assert rows(tab)["so far"][0] == "violated"
        assert "boot " in rows(tab)["worker 2"][1]

        picture = page("/state")
        pictures_of(picture, "value", "lost", "witness")
        # nobody has said that the server may be harmed
        assert picture.locator("#faults").is_hidden()
        assert requests.post(f"{address}/state/fault/reload", timeout=5).status_code == 404
        assert "so far: violated" in picture.inner_text("#verdict")

        # locust forgets its figures; what was recorded stays
        tab.click("button:has-text('Reset')")
        before = number(tab, acknowledged)
        until(tab, grows, tab, acknowledged, before)

        tab.click("button:has-text('Stop')")
        until(tab, shows, tab, "verdict")
        verdict = judge(history.read(folder / "h.jsonl"))
        assert rows(tab)["verdict"] == ("violated", verdict.why)
        assert number(tab, "lost") == verdict.lost > 0
        until(picture, lambda: verdict.why in picture.inner_text("#verdict"))
        pictures_of(picture, "value", "lost", "witness")
        with picture.expect_download() as saved:
            picture.click("text=verdict (JSON)")
        assert json.loads(saved.value.path().read_text())["lost"] == verdict.lost
        with picture.expect_download() as saved:
            picture.click("text=history (JSON lines)")
        assert saved.value.path().read_bytes() == (folder / "h.jsonl").read_bytes()

        # and again, with other numbers
        tab.click("button:has-text('New')")
        start(tab, 3, "Start")
        until(tab, shows, tab, "so far")
        assert number(tab, acknowledged) < verdict.acknowledged
        until(tab, grows, tab, acknowledged, 20)
        tab.click("button:has-text('Stop')")
        until(tab, shows, tab, "verdict")
        second = history.read(folder / "h-2.jsonl")
        assert rows(tab)["verdict"] == ("violated", judge(second).why)
        assert second.filter(op="increment")["client"].n_unique() == 3
        assert judge(history.read(folder / "h.jsonl")) == verdict


def test_autostarted_right_variant(browser, tmp_path, redis_url):
    """A variant that loses nothing can be started by itself."""
    with (
        running("redis_key", tmp_path, redis_url, "--autostart") as address,
        pages(browser, address) as page,
    ):
        tab = page("/?tab=state")
        until(tab, grows, tab, "acknowledged increments", 100)
        assert rows(tab)["so far"][0] == "nothing wrong"
        assert number(tab, "lost so far") == number(tab, "duplicate value") == 0
        tab.click("text=State: live picture")
        pictures_of(tab, "value", "lost")
        tab.click("text=back to locust")
        tab.click("button:has-text('Stop')")
        until(tab, shows, tab, "verdict")
        assert rows(tab)["verdict"][0] == "linearizable"
        assert number(tab, "value the audit read") == number(tab, "acknowledged increments")
        assert number(tab, "worker 1") == number(tab, "worker 2")
        # who comes later sees it too
        late = page("/state")
        pictures_of(late, "value", "lost")
        assert "verdict: linearizable" in late.inner_text("#verdict")


def test_tab_lasts_until_the_end():
    """The tab polls until the run is over, and then offers a new one."""
    # locust's page asks again as long as it is told "running", and offers a new run at "stopped"
    told = {
        ("running", "running"): "running",
        ("auditing", "cleanup"): "running",
        ("judging", "stopped"): "running",
        ("over", "running"): "running",
        **{("over", state): "stopped" for state in ("ready", "cleanup", "stopping", "stopped")},
        ("failed", "ready"): "stopped",
        ("ready", "ready"): "ready",
    }
    # importing locust changes the process that does it
    script = [sys.executable, "-c", STATES, json.dumps(list(told))]
    done = subprocess.run(script, capture_output=True, text=True)
    assert done.stdout.split() == list(told.values()), done.stderr


def phase(address):
    return requests.get(f"{address}/state/now.json", timeout=5).json()["phase"]


SWARM = {"user_count": 1, "spawn_rate": 1}


def test_only_its_own_page_may_start_a_load(loses):
    address, _ = loses
    before = phase(address)
    port = address.rpartition(":")[2]
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://localhost:{port}"},  # another origin than 127.0.0.1
        {"Host": f"evil.example:{port}"},  # a name of theirs that leads here
        {"Host": f"evil.example:{port}", "Origin": f"http://evil.example:{port}"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    ):
        for path in ("/swarm", "/stop", "/stats/reset"):
            reply = requests.post(address + path, data=SWARM, headers=headers, timeout=5)
            assert reply.status_code == 403, headers
            assert len(reply.text.splitlines()) == 1
    # nor may it read
    get = requests.get(f"{address}/state/now.json", headers={"Host": "evil.example"}, timeout=5)
    assert get.status_code == 403
    elsewhere = requests.post(
        f"{address}/swarm", data=SWARM | {"host": "http://[::1]:1"}, timeout=5
    )
    assert elsewhere.json()["success"] is False
    assert "alone" in elsewhere.json()["message"]
    assert phase(address) == before


EVIL = """<!doctype html><title>evil</title>
<iframe name="hidden"></iframe>
<form id="form" action="ADDRESS/swarm" method="post" target="hidden">
<input name="user_count" value="1"><input name="spawn_rate" value="1">
<input name="host" value="http://127.0.0.1:1"></form>
<a href="ADDRESS/?tab=state">State</a>
<script>
  const body = new URLSearchParams({ user_count: 1, spawn_rate: 1, host: "http://127.0.0.1:1" });
  fetch("ADDRESS/swarm", { method: "POST", mode: "no-cors", body })
    .catch(() => {}).finally(() => document.getElementById("form").submit());
</script>"""


@contextmanager
def site(page):
    """A page of somebody else's, on this machine: a browser would keep others from asking it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_other_site_starts_nothing(browser, loses):
    """A page of another site in the same browser starts nothing."""
    address, _ = loses
    before = phase(address)
    context = browser.new_context()
    tab, answered = context.new_page(), []
    tab.on("response", lambda it: answered.append((it.request.method, it.url, it.status)))
    with site(EVIL.replace("ADDRESS", address)) as evil:
        tab.goto(evil)
        refused = ("POST", f"{address}/swarm", 403)
        until(tab, lambda: answered.count(refused) == 2)
        assert phase(address) == before
        # a link to it does no harm
        tab.click("text=State")
        tab.wait_for_url(f"{address}/?tab=state")
        assert "Locust" in tab.title()
    context.close()


@pytest.mark.timeout(300)
def test_fault_buttons_work(browser, tmp_path):
    """The buttons inject faults into the server and the store."""
    path = tmp_path / "h.jsonl"
    trial = Trial("redis_key", Server(2, 4))
    with (
        listening(0) as found,
        store(tmp_path / "redis.log") as (url, guardian),
        surrounded(trial, path, state_of_its_own(path, url), guardian) as (server, target),
    ):
        port = found.getsockname()[1]
        found.close()
        web = ("--web-host", "127.0.0.1", "--web-port", str(port), "--autostart")
        about = ("--about", trial.name)
        command = locust(server, path, 8, *web, *about, "--buttons", *buttons(trial))
        env = os.environ | secrets(trial, target)
        with guarded(command, log=tmp_path / "locust.log", env=env) as process:
            address = f"http://127.0.0.1:{port}"
            while not answers(address):
                assert process.poll() is None, (tmp_path / "locust.log").read_text()
            # the page is there once its script is
            requests.get(f"{address}/state/vega.js", timeout=100)
            with pages(browser, address) as page:
                press_them(page, server.workers())
            refused_elsewhere(address)


def press_them(page, workers):
    tab = page("/state")
    until(tab, lambda: tab.inner_text("h1") == "State: redis_key at 2×4")
    shown = tab.locator("#faults button")
    until(tab, lambda: shown.all_inner_texts() and shown.first.is_enabled())
    names = [name.replace("-", " ") for name in buttons(Trial("redis_key", Server(2, 4)))]
    assert "kill worker" in names
    assert shown.all_inner_texts() == names
    # the kill before the reload, which replaces the workers that the test knows
    for name in sorted(names):
        tab.click(f"button:has-text('{name}')")
        # the count is in Redis, which syncs each write before it answers
        kept = re.compile(f"{name}: .*; nothing is forgotten")
        until(tab, lambda kept=kept: kept.fullmatch(tab.inner_text("#faults output")))
        until(tab, shown.first.is_enabled)
    seen = {what: remark for what, _, remark in tab.evaluate(CELLS, "#figures tr")}
    assert int(seen["kill-worker"].removeprefix("worker ")) in workers
    assert {"reload", "kill-store", "lock-store"} <= seen.keys()
    assert "nothing wrong" in tab.inner_text("#verdict")
    # the first band of the picture, named; a later name may have no room beside it
    until(tab, lambda: "kill-store" in tab.text_content("#value"))


def refused_elsewhere(address):
    def post(name="reload", **headers):
        return requests.post(f"{address}/state/fault/{name}", headers=headers, timeout=30)

    assert post().status_code == 403
    assert post(Origin="http://elsewhere.example").status_code == 403
    assert post("restart", Origin=address).status_code == 404
    assert requests.get(f"{address}/state/fault/reload", timeout=30).status_code == 405


@pytest.fixture
def over(loses):
    """The address after a run, that of the test above or one of its own."""
    address, _ = loses

    def now():
        return requests.get(f"{address}/state/now.json", timeout=5).json()

    if now()["phase"] == "ready":
        requests.post(f"{address}/swarm", data={"user_count": 8, "spawn_rate": 100}, timeout=5)
        while "violated" not in now()["rows"][0]:
            time.sleep(0.1)
        requests.post(f"{address}/stop", timeout=60)
    assert now()["phase"] == "over"
    return address


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_follows_the_theme(browser, over, width, scheme):
    how = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    with pages(browser, over, **how) as page:
        tab = page("/state")
        pictures_of(tab, "value", "lost", "witness")
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        assert ("dark" in (tab.get_attribute("html", "class") or "")) == (scheme == "dark")
        paper, ink = (tab.evaluate(f"getComputedStyle(document.body).{name}") for name in COLORS)
        assert (brightness(paper) < brightness(ink)) == (scheme == "dark")
        for chart in tab.locator("figure svg").all():
            assert chart.bounding_box()["width"] <= width
        # locust's own switch wins
        other = {"light": "dark", "dark": "light"}[scheme]
        tab.evaluate("theme => { localStorage.theme = theme }", other)
        tab.reload()
        assert ("dark" in (tab.get_attribute("html", "class") or "")) == (other == "dark")


def brightness(color):
    return sum(map(float, color[4:-1].split(",")))
