"""Servers other than gunicorn, and what is refused of them."""

from pathlib import Path

import pytest

from loadtest.server.servers import ADAPTERS, adapter_of
from loadtest.trial import Server

FOLDER = Path(__file__).parents[2] / "server" / "servers"


@pytest.mark.parametrize("name", [path.stem for path in FOLDER.glob("[a-z]*.py")])
def test_file_names_its_server(name):
    """The list of servers is the folder, and each server is named by its file."""
    assert ADAPTERS[name].name == name


def test_gunicorn_is_first():
    """gunicorn is the server unless another is named."""
    assert next(iter(ADAPTERS)) == adapter_of(Server(1, 1)).name == "gunicorn"


def test_unknown_server():
    """An unknown server is an error that names those that there are."""
    with pytest.raises(ValueError, match=r"^unknown server 'nope'; servers: gunicorn"):
        adapter_of(Server(1, 1, name="nope"))
