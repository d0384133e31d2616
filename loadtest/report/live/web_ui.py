"""Show a run's history while it is written: a tab in locust's web UI, and a page.

The tab is called State. Its table, the page's pictures and the verdict come from `follow`, which
runs beside locust; this file asks it every two seconds, and hands on what it answers.
"""

import json
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import flask
import gevent
from gevent.event import Event
from gevent.lock import RLock
from locust.env import Environment
from locust.web import WebUI

from loadtest import ROOT
from loadtest.client.files import Files
from loadtest.report.live.same_origin import only_its_own_page
from loadtest.server import injections

PACE_S = 2.0
WATCHED_S = 3 * PACE_S
PAGE = Path(__file__).with_name("live.html")
COLUMNS = ("what", "value", "remark")
PHASES = {
    "starting": "making the state empty",
    "running": "the load is running",
    "auditing": "the load has stopped; now every worker is read",
    "judging": "the whole history is being judged",
}
NOT_GOING_ON = {
    "ready": "no run yet; start one in locust",
    "failed": "the run did not start",
}
UNDER_WAY = ("ready", "cleanup", "stopping")
log = logging.getLogger(__name__)
# a cell of locust's tables is text alone, so the link stands beside the tabs, or where they need
# the room in the corner below
LINK = """
<style>
  #state { position: absolute; top: 76px; right: 24px; padding: 3px 12px; border-radius: 4px;
           background: #15803d; color: #fff; font: 14px sans-serif; text-decoration: none }
  @media (max-width: 1200px) {
    #state { position: fixed; top: auto; right: auto; bottom: 8px; left: 16px }
  }
</style>
<a id="state" href="./state">State: live picture</a>
"""


class Beside:
    """`follow`, in a process of its own that ends with this one."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None
        self.turn = RLock()

    def ask(self, **question: Any) -> dict[str, Any]:
        """The answer; {"error": …} if there is none."""
        with self.turn:
            if self.process is None or self.process.poll() is not None:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "loadtest.report.live.follower"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                    cwd=ROOT,
                    # the load needs the other processors
                    env=os.environ | {"POLARS_MAX_THREADS": "1"},
                    # Ctrl-C is for locust, which still wants the verdict then; in another session
                    # Linux would give it as much time as locust, whatever its priority
                    process_group=0,
                )
            try:
                self.process.stdin.write(json.dumps(question) + "\n")
                self.process.stdin.flush()
                return json.loads(self.process.stdout.readline())
            except (OSError, ValueError):
                return {"error": "python -m loadtest.report.live.follower ended without an answer"}


class Live:
    """The run that is going on, or the last one, as the tab and the page show it."""

    files: Files

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.beside = Beside()
        self.phase = "ready"
        self.number = 0
        self.answer: dict[str, Any] = {}
        self.text = ""
        self.watched = 0.0
        self.script: str | None = None
        self.soon = Event()
        if environment.web_ui:
            options = environment.parsed_options
            app = environment.web_ui.app
            assert app
            only_its_own_page(app, options.web_host, options.host)
            add_tab(environment.web_ui, self)
            add_page(environment.web_ui, self)
            gevent.spawn(self.watch)

    @property
    def going_on(self) -> bool:
        return self.phase in PHASES

    def begin(self, files: Files) -> None:
        """A new run: what was shown of the one before goes."""
        self.files, self.phase, self.text = files, "starting", ""
        self.show({})

    def fail(self, why: str) -> None:
        """The run did not begin."""
        self.phase = "failed"
        self.show({"rows": [["did not start", None, why]]})

    def show(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.number += 1

    def watch(self) -> None:
        # while the form is filled in, so that the load does not pay for it
        self.script = self.beside.ask(ask="vega").get("vega", "")
        while True:
            if self.phase == "running":
                answer = self.ask("look")
                # the verdict may have come in the meantime
                if self.phase == "running":
                    self.show(answer)
            self.soon.wait(PACE_S)
            self.soon.clear()

    def do(self, fault: str) -> dict[str, Any]:
        """Does a fault once; what was done, or {"error": why not}."""
        options = self.environment.parsed_options
        if self.phase != "running":
            return {"error": "nothing is loaded now; start a run first"}
        process = injections.begin(fault, options.target, self.files.path, times=1)
        said, _ = process.communicate()
        self.soon.set()
        if process.returncode:
            return {"error": said.strip().rpartition("\n")[2]}
        return asdict(injections.read(injections.file(self.files.path))[-1])

    def ask(self, what: str) -> dict[str, Any]:
        watched = time.monotonic() - self.watched < WATCHED_S
        draw = watched or (what == "judge" and self.environment.web_ui is not None)
        return self.beside.ask(
            ask=what,
            run=str(self.files.path),
            paths=self.files.here(),
            draw=draw,
            workers=self.environment.parsed_options.boots or None,
        )

    def end(self, *, judge: bool) -> None:
        """The files are complete: asks for the verdict, unless somebody else is to judge."""
        if judge and not self.files.whole():
            self.text = self.files.to_bring_together()
            self.show({"rows": [["no verdict", None, self.text], *self.rows[1:]]})
        elif judge:
            self.phase = "judging"
            self.show(self.ask("judge"))
            self.text = self.answer.get("text") or self.answer["error"]
        self.phase = "over"
        if self.environment.web_ui:
            log.info(self.text)

    def cannot_judge(self, why: str) -> None:
        """The run is over, and its history is not whole."""
        self.text = f"no verdict: {why}"
        self.show({"error": why})
        self.phase = "over"

    @property
    def exit_status(self) -> int:
        """0, 1 or 2 as the verdict; 2 if there is none."""
        return int(self.answer.get("exit_status", 2))

    @property
    def name(self) -> str:
        """The trial as `serve` and `locust` name it, or else the address that is loaded."""
        options = self.environment.parsed_options
        return str(options.about or self.environment.host or "")

    @property
    def saying(self) -> str:
        """The current state of the run, in words."""
        if self.phase == "over":
            return f"the run is over; its history is {self.files.path}"
        return (PHASES | NOT_GOING_ON)[self.phase]

    @property
    def rows(self) -> list[list[Any]]:
        """The table."""
        if error := self.answer.get("error"):
            return [["cannot be judged", None, error]]
        rows = self.answer.get("rows", [])
        if self.going_on and not (rows and self.phase == "running"):
            rows = [[self.phase, None, PHASES[self.phase]], *rows[1:]]
        if rows:
            done = injections.read(injections.file(self.files.path))
            kinds = Counter(each.fault for each in done)
            last = {each.fault: each.what for each in done}
            rows = [*rows, *([kind, times, last[kind]] for kind, times in kinds.items())]
        if rows and (away := self.files.away()):
            rows = [*rows, ["files elsewhere", away, "they are not in these figures"]]
        return rows


def add_tab(ui: WebUI, live: Live) -> None:
    """The tab State, which locust's own page asks for along with its statistics."""
    table = [{"key": key, "title": key.title()} for key in COLUMNS]
    ui.template_args["extended_tabs"] = [{"title": "State", "key": "state"}]
    ui.template_args["extended_tables"] = [{"key": "state", "structure": table}]
    ui.template_args["extended_csv_files"] = [
        {"href": "./state", "title": "State: live picture"},
        {"href": "./state/history.jsonl", "title": "Download the history (JSON lines)"},
        {"href": "./state/verdict.json", "title": "Download the verdict (JSON)"},
    ]

    @ui.app.after_request
    def add_rows(reply: flask.Response) -> flask.Response:
        if flask.request.endpoint == "locust.index" and reply.mimetype == "text/html":
            reply.set_data(reply.get_data(as_text=True).replace("</body>", f"{LINK}</body>"))
        if flask.request.endpoint == "locust.request_stats" and reply.is_json:
            report = reply.get_json()
            rows = [dict(zip(COLUMNS, shown(row), strict=True)) for row in live.rows]
            report["extended_stats"] = [{"key": "state", "data": rows}]
            # locust's page stops asking when the load stops, which is before the verdict
            if live.going_on and report["state"] not in ("spawning", "running"):
                report["state"] = "running"
            # locust keeps each reply for two seconds, and so may still say what it was doing then
            elif live.phase in ("over", "failed") and report["state"] in UNDER_WAY:
                report["state"] = "stopped"
            return flask.jsonify(report)
        return reply


def shown(row: list[Any]) -> list[Any]:
    """A cell is text: a number would come without commas, and nothing at all as 0."""
    return ["–" if cell is None else f"{cell:,}" if isinstance(cell, int) else cell for cell in row]


def add_page(ui: WebUI, live: Live) -> None:
    """The page /state with its data, its script and the downloads."""
    base = live.environment.parsed_options.web_base_path
    page = flask.Blueprint("state", __name__, url_prefix=base)

    @page.route("/state")
    @ui.auth_required_if_enabled
    def state() -> flask.Response:
        return flask.send_file(PAGE)

    @page.route("/state/now.json")
    @ui.auth_required_if_enabled
    def now() -> flask.Response:
        live.watched = time.monotonic()
        fresh = flask.request.args.get("have") != str(live.number)
        return flask.jsonify(
            name=live.name,
            phase=live.phase,
            saying=live.saying,
            fault=live.answer.get("fault", ""),
            rows=[shown(row) for row in live.rows],
            verdict="verdict" in live.answer,
            buttons=live.environment.parsed_options.buttons if from_here() else [],
            number=live.number,
            pictures=live.answer.get("pictures", {}) if fresh else None,
        )

    @page.route("/state/fault/<name>", methods=["POST"])
    @ui.auth_required_if_enabled
    def fault(name: str) -> flask.Response:
        if name not in live.environment.parsed_options.buttons:
            flask.abort(404, "no such fault can be done here")
        # other origins are refused everywhere; here whoever names none is, too
        if not from_here() or flask.request.headers.get("Origin") is None:
            flask.abort(403, "this is for the page on this machine alone")
        return flask.jsonify(live.do(name))

    @page.route("/state/vega.js")
    @ui.auth_required_if_enabled
    def vega() -> flask.Response:
        while live.script is None:
            gevent.sleep(0.1)
        return flask.Response(live.script, mimetype="text/javascript")

    @page.route("/state/history.jsonl")
    @ui.auth_required_if_enabled
    def history() -> flask.Response:
        if live.phase == "ready":
            flask.abort(404, "there was no run yet")
        name = f"attachment; filename={live.files.path.name}"
        return flask.Response(
            content(live.files.here()),
            mimetype="application/jsonl",
            headers={"Content-Disposition": name},
        )

    @page.route("/state/verdict.json")
    @ui.auth_required_if_enabled
    def verdict() -> flask.Response:
        if "verdict" not in live.answer:
            flask.abort(404, "there is no verdict yet; it comes when the load has stopped")
        text = json.dumps(live.answer["verdict"], indent=2)
        name = f"attachment; filename={live.files.path.stem}.verdict.json"
        return flask.Response(
            text, mimetype="application/json", headers={"Content-Disposition": name}
        )

    ui.app.register_blueprint(page)


def from_here() -> bool:
    """Return True if this machine asks."""
    return ip_address(flask.request.remote_addr or "0.0.0.0").is_loopback


def content(paths: list[str]) -> Iterator[bytes]:
    for path in paths:
        with Path(path).open("rb") as file:
            while block := file.read(1 << 20):
                yield block
