"""The batch runner: notebooks with checked parameters, skipped while fresh, each in a process of its own, their true state on disk."""

from hista_repro.profiles import PROFILES
from hista_repro.runner.batch import Outcome, run
from hista_repro.runner.profiles import load_profile
from hista_repro.runner.reporting import overview, status, summary

__all__ = ["PROFILES", "Outcome", "load_profile", "overview", "run", "status", "summary"]
