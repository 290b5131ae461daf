import pytest

from hista_repro.errors import Refused
from hista_repro.planning import Assumptions, cost_of_build, shape_of
from hista_repro.planning.costs import measured_share, tensor_parallel
from hista_repro.planning.scale import Training
from hista_repro.sveb import BuildConfig, build

FLAT = Assumptions(peak_flops=1e12, sampling_utilisation=0.5, training_utilisation=1.0, memory_bytes=24e9)


def test_bytes_and_arithmetic_of_a_token():
    shape = shape_of("Qwen/Qwen2.5-14B")
    assert shape.hidden_bytes_per_token == 2 * 5120
    assert shape.cache_bytes_per_token == 2 * 48 * 8 * 128 * 2  # keys and values, layers, heads, their size, bytes
    assert shape.flops_per_token(0) == 2 * (shape.parameters - 152064 * 5120)
    assert shape.flops_per_token(10) - shape.flops_per_token(0) == 4 * 48 * 5120 * 10


def test_a_build_by_hand():
    config = BuildConfig("tiny", "arithmetic-steps", limit=10, group_size=4, states=2, references=5, draws=1, screen=6, max_tokens=100)
    cost = cost_of_build(config, FLAT)
    assert (cost.rollouts, cost.continuations) == (10 * (6 + 4), 10 * 2 * 6)
    assert cost.tokens == 100 * 100 + 120 * 50
    assert cost.gpu_hours == pytest.approx(cost.tokens * shape_of("tiny").flops_per_token(50) / 0.5e12 / 3600)
    apart = cost_of_build(BuildConfig(**{**config.to_dict(), "independent_pool": True}), FLAT)
    assert apart.rollouts == cost.rollouts + 10 * 4


def test_a_build_without_a_limit_has_no_bound():
    with pytest.raises(Refused, match="give it the field 'limit'"):
        cost_of_build(BuildConfig("tiny", "arithmetic-steps"))


def test_a_finished_build_stays_within_its_bound(tmp_path):
    settings = {"limit": 4, "group_size": 4, "states": 2, "references": 4, "draws": 1, "screen": 4, "max_tokens": 96}
    build(BuildConfig("tiny", "arithmetic-steps", temperature=1.0, **settings), tmp_path / "build")
    assert 0 < measured_share(tmp_path / "build") < 1


def test_engines_are_spread_over_no_more_gpus_than_their_weights_need():
    assert tensor_parallel(shape_of("Qwen/Qwen2.5-1.5B"), FLAT) == 1
    assert tensor_parallel(shape_of("Qwen/Qwen2.5-7B"), FLAT) == 2
    assert tensor_parallel(shape_of("Qwen/Qwen2.5-14B"), FLAT) == 4


def test_training_by_hand():
    run = Training(shape_of("Qwen/Qwen2.5-14B"), prompts=100, rollouts=2, longest=50, prompts_per_step=10)
    assert (run.tokens, run.nodes) == (10_000, 200)
    assert run.hidden_bytes == 10_000 * 10_240 and run.smoothed_bytes == run.hidden_bytes // 5
    assert run.smoothed_bytes_per_step == run.smoothed_bytes // 10
    assert run.learning_hours(FLAT) == pytest.approx(2 * run.sampling_hours(FLAT))  # four passes at twice the utilisation
    rows = 2 * 50 // 5
    assert run.hista_hours(FLAT) == pytest.approx(100 * 2 * rows**2 * 5120 / 1e12 / 3600)
    assert run.continuation_hours(FLAT, 3) == pytest.approx(run.sampling_hours(FLAT) * 200 * 3 * 25 / 10_000)
