"""The base class of every error after which nothing can be said about an app."""


class CouldNotRun(RuntimeError):
    """A trial, or a part of it, could not be run; the message says why, in one line."""
