"""What grading one completion can find."""

from enum import StrEnum


class Outcome(StrEnum):
    """The reward is 1 for `CORRECT`, otherwise 0."""

    CORRECT = "correct"
    WRONG = "wrong"
    UNPARSED = "unparsed"
    """The completion gives no answer that can be read."""
    TIMEOUT = "timeout"
    """The comparison, or the program, took too long."""
    CRASH = "crash"
    """The comparison, or the program, broke down."""
    SANDBOX_ERROR = "sandbox-error"
    """The program could not be run, which says nothing about it."""
