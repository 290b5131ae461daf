"""What the trainer will not do is refused in one sentence, before a model is loaded or a token drawn."""

import pytest
from datasets import Dataset
from given_runs import build_trainer
from transformers import Qwen2ForCausalLM
from trl import GRPOConfig

from hista_repro.errors import Refused
from hista_repro.estimators import available_estimators
from hista_repro.models import load_model
from hista_repro.training import CreditGRPOTrainer
from hista_repro.training.damping import by_position


def refused(tmp_path, config=None, **settings):
    """Built with a model that does not exist, so that anything but an early refusal fails otherwise."""
    args = GRPOConfig(output_dir=str(tmp_path / "never"), report_to="none", use_cpu=True, bf16=False, **(config or {}))
    with pytest.raises(Refused) as refusal:
        CreditGRPOTrainer("no/such-model", lambda **_: [], args, **settings)
    assert not (tmp_path / "never").exists()
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize("name", [name for name, information in available_estimators().items() if not information.unbiased])
def test_own_return_needs_consent(tmp_path, name):
    assert "allow_biased=True" in refused(tmp_path, estimator=name)


def test_liger_takes_one_advantage_per_completion(tmp_path):
    assert "use_liger_kernel=False" in refused(tmp_path, config={"use_liger_kernel": True}, estimator="hista-loo")


def test_rewards_are_summed_before_anything_is_normalised(tmp_path):
    config = {"multi_objective_aggregation": "normalize_then_sum"}
    assert "sum_then_normalize" in refused(tmp_path, config=config, estimator="loo-mean")


@pytest.mark.parametrize("cut", [{"top_p": 0.9}, {"top_k": 50}, {"min_p": 0.1}])
def test_truncated_sampling_with_importance_correction_needs_consent(tmp_path, cut):
    assert "allow_truncated_sampling=True" in refused(tmp_path, config={**cut, "use_vllm": True}, estimator="loo-mean")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gae_lambda": 1.5}, "gae_lambda must be between 0 and 1, not 1.5"),
        ({"advantage_scale": "std"}, "advantage_scale must be one of"),
        ({"estimator": "no-such"}, "unknown estimator 'no-such'"),
        ({"estimator": "ppo-1"}, "a training of its own"),
        ({"estimator": None, "damping": by_position}, "damping shrinks the advantages of an estimator, and there is none"),
    ],
)
def test_settings_that_cannot_work(tmp_path, settings, message):
    assert message in refused(tmp_path, **settings)


def test_leave_one_out_scale_needs_three(tmp_path):
    assert "at least 3 rollouts, not 2" in refused(tmp_path, config={"num_generations": 2}, advantage_scale="loo")


@pytest.mark.parametrize("reward", [None, float("nan")])
def test_a_reward_that_is_no_number(random_model, tmp_path, reward):
    def sometimes(completions, **_):
        return [reward if i == 3 else 1.0 for i in range(len(completions))]

    trainer = build_trainer(CreditGRPOTrainer, random_model, tmp_path, reward_funcs=sometimes)
    with pytest.raises(ValueError, match=r"reward_funcs \(sometimes\) gave NaN or None for 1 completions"):
        trainer.train()


def test_monte_carlo_credit_takes_plain_reward_functions(random_model, tmp_path):
    async def slow(completions, **_):
        return [0.0] * len(completions)

    with pytest.raises(Refused, match="takes plain reward functions"):
        build_trainer(CreditGRPOTrainer, random_model, tmp_path, estimator="mcs-1", reward_funcs=slow)


def test_a_model_without_a_decoder(random_model, tmp_path, monkeypatch):
    monkeypatch.setattr(Qwen2ForCausalLM, "get_decoder", lambda self: None)
    with pytest.raises(Refused, match="Qwen2ForCausalLM shows no decoder"):
        build_trainer(CreditGRPOTrainer, random_model, tmp_path, estimator="hista-loo")
    build_trainer(CreditGRPOTrainer, random_model, tmp_path, estimator="numca-loo")


def test_sequence_ratios_lose_the_credit(random_model, tmp_path):
    network, tokenizer = load_model(str(random_model))
    args = GRPOConfig(output_dir=str(tmp_path), report_to="none", use_cpu=True, bf16=False, importance_sampling_level="sequence")
    with pytest.warns(UserWarning, match="GSPOTokenTrainer keeps it"):
        CreditGRPOTrainer(network, lambda **_: [], args, Dataset.from_dict({"prompt": ["1"]}), processing_class=tokenizer)
