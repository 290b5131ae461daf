import pytest

from hista_repro.benchmarks import EvaluationConfig, benchmarks, evaluate
from hista_repro.benchmarks.samples import kept_samples, samples_path
from hista_repro.planning import Assumptions, cost_of_evaluation, shape_of

FLAT = Assumptions(peak_flops=1e12, sampling_utilisation=0.5)


def test_an_evaluation_by_hand():
    cost = cost_of_evaluation(EvaluationConfig("tiny", ["math-500", "aime24"], max_tokens=100), FLAT)
    assert cost.rollouts == 500 + 30 * 16
    assert cost.tokens == cost.rollouts * 100
    assert cost.gpu_hours == pytest.approx(cost.tokens * shape_of("tiny").flops_per_token(50) / 0.5e12 / 3600)


def test_a_limit_bounds_every_benchmark_by_itself():
    cost = cost_of_evaluation(EvaluationConfig("tiny", ["math-500", "aime24", "tiny-sampled", "scieval"], limit=35))
    assert (cost.rollouts, cost.unknown) == (35 + 30 * 16 + 30 * 16 + 35, ())


def test_a_number_of_questions_that_is_not_known_is_not_nought():
    cost = cost_of_evaluation(EvaluationConfig("tiny", ["math-500", "scieval"]))
    assert cost.rollouts == 500
    assert cost.unknown == ("answers to SciEval, whose number of questions is not known",)


def test_no_number_of_questions_is_taken_over_from_another_benchmark():
    sizes = {name: benchmark.questions for name, benchmark in benchmarks().items() if not benchmark.built_in}
    assert [name for name, size in sizes.items() if size is None] == ["gaokao-2023-en", "college-math", "scieval"]
    assert [name for name, size in sizes.items() if size == 500] == ["math-500"]


def test_a_real_evaluation_asks_what_is_planned(tmp_path):
    config = EvaluationConfig("tiny", ["tiny-held-out", "tiny-sampled"], limit=3)
    evaluate(config, tmp_path / "evaluation")
    kept = [sample for name in config.benchmarks for sample in kept_samples(samples_path(tmp_path / "evaluation", name))]
    cost = cost_of_evaluation(config)
    assert len(kept) == cost.rollouts == 3 + 3 * 16
    assert 0 < sum(sample["tokens"] for sample in kept) <= cost.tokens
