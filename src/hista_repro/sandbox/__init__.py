"""Running programs that a model wrote: apart from the machine, within limits, and judged by something they cannot talk to."""

from hista_repro.sandbox.execute import LIBRARIES, Ending, Limits, Run, chosen, run, works
from hista_repro.sandbox.isolation import Isolation

__all__ = ["LIBRARIES", "Ending", "Isolation", "Limits", "Run", "chosen", "run", "works"]
