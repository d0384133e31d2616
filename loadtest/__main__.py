"""python -m loadtest check | faults | gallery | judge | report | serve | locust | soak"""

import os
import sys

from loadtest.signals import on_signals, stop_at_once


def main() -> int:
    """The command line, which hears signals before it is imported: that takes a tenth of a second.

    Returns the exit status.
    """
    on_signals(stop_at_once)
    if sys.flags.optimize:
        # docstrings are needed: of the anomalies, and of what Altair draws with
        os.environ.pop("PYTHONOPTIMIZE", None)
        os.execv(sys.executable, [sys.executable, "-m", "loadtest", *sys.argv[1:]])
    try:
        from loadtest.commands.command_line import run
    except ImportError as error:
        print(f"error: {error}; make setup installs it in .venv", file=sys.stderr)
        return 2
    return run()


if __name__ == "__main__":
    sys.exit(main())
