"""Locust's web UI answers its own page alone."""

import flask

from loadtest.report.live.same_origin import only_its_own_page


def test_no_page_is_framed():
    """Neither an answer nor a refusal may be put into a frame of another site."""
    app = flask.Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "page")
    only_its_own_page(app, None, None)
    client = app.test_client()
    for host in ("127.0.0.1:8089", "elsewhere.example"):
        reply = client.get("/", headers={"Host": host})
        assert reply.headers["X-Frame-Options"] == "DENY"
        assert reply.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
