"""The process in which math-verify compares quantities: one JSON line in, one outcome out. Run by `math_grader`.

A comparison can spin inside one arithmetic operation, which no exception stops. So the alarm keeps its default action here: the operating
system ends the process when a comparison has used up its time, even after the parent was killed.
"""

import json
import logging
import resource
import signal
import sys
from contextlib import suppress
from functools import lru_cache
from typing import Any

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify

from hista_repro.problems.grading.outcome import Outcome

MEMORY_LIMIT = 4 << 30
"""Bytes of address space."""
_TARGETS = (LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig())


@lru_cache(maxsize=4096)
def _parse(answer: str) -> list[Any]:
    return parse(rf"\boxed{{{answer}}}", extraction_config=_TARGETS, parsing_timeout=None, raise_on_error=True)


def compare(gold: str, answer: str) -> Outcome:
    """Whether the LaTeX or number text `answer` equals `gold`. math-verify is not symmetric: gold comes first."""
    try:
        gold_forms, answer_forms = _parse(gold), _parse(answer)
        if not answer_forms:
            return Outcome.UNPARSED
        same = verify(gold_forms, answer_forms, timeout_seconds=None, raise_on_error=True)
    except Exception:
        return Outcome.CRASH
    return Outcome.CORRECT if same else Outcome.WRONG


def main() -> None:
    logging.disable(logging.CRITICAL)  # math-verify warns that its own time-outs, which break in threads, are off
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt from the keyboard is for the parent
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        signal.alarm(request["seconds"])
        outcome = compare(request["gold"], request["answer"])
        signal.alarm(0)
        print(outcome, flush=True)


if __name__ == "__main__":
    main()
