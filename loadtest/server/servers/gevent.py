"""gevent's own server, pywsgi: one process. Its greenlets take turns only if gevent has patched
what waits; its class `sync` is the server without that."""

from loadtest.server.adapter import Adapter, Start

PATCHED = "from gevent import monkey; monkey.patch_all(); "
SERVE = (
    "import sys; from importlib import import_module; from gevent.pywsgi import WSGIServer; "
    "app = import_module(sys.argv[1]).app; "
    "WSGIServer(('127.0.0.1', int(sys.argv[2])), app, log=None).serve_forever()"
)


def command(start: Start) -> list[str]:
    patched = PATCHED if start.server.worker_class == "gevent" else ""
    return [start.python, "-c", patched + SERVE, start.app.partition(":")[0], str(start.port)]


ADAPTER = Adapter(
    "gevent",
    title="gevent.pywsgi",
    module="gevent",
    command=command,
    classes=("gevent", "sync"),
    processes=False,
    pools=False,
    settings=("GEVENT_",),
)
