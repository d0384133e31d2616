"""The page of the servers shows what the code has, and the verdicts that were measured."""

from loadtest.report import server_table
from loadtest.server.servers import ADAPTERS
from loadtest.trial import Server
from variants import VARIANTS


def test_page_has_the_faults_of_each_server():
    """The faults that a server can take are those of its adapter."""
    assert server_table.on_page("faults") == server_table.fault_lines()[1:]


def test_page_has_measured_servers():
    """A server that was measured has a row of verdicts, in the order of the folder."""
    rows = server_table.on_page("defaults")
    titles = [server_table.title(each) for each in server_table.servers()]
    named = [row[0] for row in rows]
    assert "flask run" in named
    assert named == [each for each in titles if each in named]
    for row in rows:
        assert len(row) == 2 + len(VARIANTS) + 1
        assert all(square[0] in "✓✗" for square in row[2:-1])


def test_row_of_another_server_stays(tmp_path, monkeypatch):
    """A row of the page that was not measured again is left as it was."""
    page = tmp_path / "README.md"
    row = "| waitress | 1 × 4 | ✗ | ✗ | ✓ | ✓ | ✓ | loses |\n"
    empty = "<!-- faults -->\n<!-- /faults -->\nend\n"
    page.write_text(f"<!-- defaults -->\n| a |\n| --- |\n{row}<!-- /defaults -->\n{empty}")
    monkeypatch.setattr(server_table, "PAGE", page)
    server_table.renew([])
    text = page.read_text()
    assert row in text
    assert "| gunicorn | yes |" in text
    assert text.endswith("<!-- /faults -->\nend\n")


def test_defaults_of_every_server():
    """Every server is run with its own workers and threads, and gevent with and without a patch."""
    asked = server_table.servers()
    assert {server.name for server in asked} == set(ADAPTERS)
    assert all((server.workers, server.threads) == (0, 0) for server in asked)
    assert [server.worker_class for server in asked if server.name == "gevent"] == [
        "gevent",
        "sync",
    ]


def test_server_as_it_comes_is_named():
    """A server with its own defaults is told from one whose topology is named."""
    assert str(Server(0, 0, name="waitress")) == "waitress as it comes"
    assert str(Server(1, 4, name="waitress")) == "1×4 waitress"
