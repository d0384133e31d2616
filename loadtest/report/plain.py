"""Output that cannot say ✓ says it plainly: in latin-1, ASCII, cp1252 and others."""

import codecs
import io
import sys

PLAIN = {"✓": "+", "✗": "x", "×": "x", "→": ">", "…": ".", "–": "-", "−": "-", "·": ".", "∣": "|"}


def plain(error: UnicodeError) -> tuple[str, int]:
    """Characters for an output that cannot say others, one for one, so that columns stay."""
    assert isinstance(error, UnicodeEncodeError)
    unsaid = error.object[error.start : error.end]
    return "".join(PLAIN.get(character, "?") for character in unsaid), error.end


codecs.register_error("plain", plain)


def say_plainly() -> None:
    """From now on no output fails for want of a character."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="plain")
