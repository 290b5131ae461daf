"""Running programs that a model wrote: apart from the machine, within limits, and judged by something they cannot talk to."""

from hista_repro.sandbox.execute import Ending, Limits, Run, chosen, run, works
from hista_repro.sandbox.isolation import Isolation

__all__ = ["Ending", "Isolation", "Limits", "Run", "chosen", "run", "works"]
