"""An app as it is described: the requests about a count, or about something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from loadtest.client.mapping import Routes, Steps, Unclear, mapping, module_of, parse_worker_header
from loadtest.client.questions import Questions, from_module, questions
from loadtest.trial import App


def described(app: App) -> Routes | Steps | Questions:
    """Return the requests that an app is described with. Raises Unclear."""
    lines = {"CLAIM": app.claim, "ECHO": app.echo, "WRITE": app.write, "READ_BACK": app.read_back}
    header = parse_worker_header(app.worker_header)
    given = [name for name, line in lines.items() if line]
    if app.mapping:
        if given or app.id:
            raise Unclear(f"MAPPING says it all; leave {', '.join(given or ['ID'])} out")
        path = Path(app.mapping)
        found = from_module(path, module_of(path), app.limit)
        return mapping(app) if found is None else replace(found, worker_header=header)
    if not given:
        return mapping(app)
    if app.increment or app.read or app.count or app.increment_count:
        raise Unclear(
            f"{given[0]} is about something else than a count; leave INCREMENT, READ and COUNT "
            "out, and check the count by itself"
        )
    return replace(questions(app), worker_header=header)
