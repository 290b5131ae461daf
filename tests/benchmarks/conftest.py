"""Evaluations by an engine that guesses."""

import pytest
from guessing_engine import GuessingEngine

from hista_repro.benchmarks import EvaluationConfig, evaluation


@pytest.fixture
def engine(monkeypatch) -> GuessingEngine:
    """The engine of every evaluation of the test."""
    engine = GuessingEngine()
    monkeypatch.setattr(evaluation, "make_engine", lambda *_, **__: engine)
    return engine


@pytest.fixture
def config() -> EvaluationConfig:
    """Two suites, one of them sampled, in batches of a few answers."""
    return EvaluationConfig(model="tiny", benchmarks=["tiny-held-out", "tiny-sampled"], limit=9, batch_tokens=700)
