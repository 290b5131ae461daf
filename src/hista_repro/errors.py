"""The two ways in which a request can end badly; the command line turns them into exit codes."""


class Refused(ValueError):
    """The request was refused before anything was written; the message is one sentence that says what to change (exit code 2)."""


class WorkFailed(RuntimeError):
    """Work failed on the way; everything that was finished is kept (exit code 1)."""
