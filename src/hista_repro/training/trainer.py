"""TRL's GRPO trainer with an advantage for every token.

    sampled by TRL  ->  RolloutBatch (whole groups)  ->  Estimator.values at nodes  ->  token_advantages  ->  TRL's loss, which takes (B, T)

Everything else is TRL's: sampling, rewards, losses, logging, checkpoints.
"""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from trl import GRPOConfig

from hista_repro.errors import Refused
from hista_repro.estimators import Estimator, get_estimator
from hista_repro.estimators.validation import check_at_least_one
from hista_repro.rollouts.decoding import Decoder
from hista_repro.rollouts.group import RolloutGroup
from hista_repro.rollouts.recorded_hidden import decoder_of, recorded_hidden
from hista_repro.training.batch import Rollout, RolloutBatch
from hista_repro.training.continuations import check_reward_functions
from hista_repro.training.credit import (
    AdvantageScale,
    check_lambda,
    check_scale,
    node_positions,
    node_spacing_of,
    reward_scales,
    token_advantages,
)
from hista_repro.training.damping import Damping, damped
from hista_repro.training.dynamic_sampling import DynamicSamplingTrainer
from hista_repro.training.policy_reader import PolicyReader, now
from hista_repro.training.refitting import RefittedEstimator
from hista_repro.training.trimming import trimmed

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class CreditGRPOTrainer(DynamicSamplingTrainer):
    """`trl.GRPOTrainer`, drop-in, with the values of an estimator as baselines.

    `estimator` is a name, adapted to completions of `args.max_completion_length` tokens and to the model (by its `name_or_path`, where it
    is an object that has one), or an object, taken as it is; None leaves TRL's own advantages. One that learns is refitted after every
    generation step. `node_spacing` is the number of tokens from one node to the next, by default what the estimator asks for, or the
    paper's 50, less for short completions. `gae_lambda` and `advantage_scale`: see `training.credit`. An `advantage_scale` of None means
    what `args.scale_rewards` says, "group" unless it is set, so that the class alone changes no step size; "none" adds no bias to
    the gradient.

    It warns once where `oversampling` meets values that differ between the states of a rollout: the gradient is then biased, as
    `training.dynamic_sampling` explains.

    With `log_completions` the column "advantage" of TRL's table stays TRL's own.

    Hidden states of the last layer are those that the policy had while it wrote, where one process samples with transformers, or those of
    TRL's pass for old log-probabilities, where it makes one. Elsewhere an extra forward pass reads them. Reported: `credit/seconds` per
    generation step, all that the estimator costs, and of these `credit/forward_seconds`, what extra passes took.

    Raises `Refused`, before a model is loaded, for an estimator of the own-return set, which biases the gradient, unless `allow_biased`;
    for truncated sampling (top_p, top_k, min_p) with vLLM's importance correction, whose ratio is then wrong, unless
    `allow_truncated_sampling`; and for what cannot work with token advantages, among it `multi_objective_aggregation` other than
    "sum_then_normalize": the reward of a completion is the weighted sum of what its reward functions gave.
    """

    def __init__(
        self,
        model: "str | PreTrainedModel",
        reward_funcs: Any = None,
        args: GRPOConfig | None = None,
        *rest: Any,
        estimator: str | Estimator | None = "loo-mean",
        gae_lambda: float = 1.0,
        node_spacing: int | None = None,
        advantage_scale: AdvantageScale | None = None,
        damping: Damping | None = None,
        allow_biased: bool = False,
        allow_truncated_sampling: bool = False,
        **kwargs: Any,
    ) -> None:
        args = GRPOConfig() if args is None else args
        if isinstance(estimator, str):
            estimator = get_estimator(estimator).for_length(args.max_completion_length)
            name = model if isinstance(model, str) else getattr(model, "name_or_path", "")
            estimator = estimator.for_model(name) if name else estimator
        _check(args, estimator, damping, allow_biased=allow_biased, allow_truncated_sampling=allow_truncated_sampling)
        check_lambda(gae_lambda)
        self.advantage_scale = args.scale_rewards if advantage_scale is None else advantage_scale
        check_scale(self.advantage_scale, args.num_generations)
        self.estimator = estimator
        self.gae_lambda = gae_lambda
        self.node_spacing = node_spacing_of(estimator, args.max_completion_length) if node_spacing is None else node_spacing
        check_at_least_one(node_spacing=self.node_spacing)
        self.damping = damping
        self.learns = estimator is not None and estimator.learns
        self.reads_hidden = estimator is not None and estimator.reads_hidden
        self._critic = RefittedEstimator(estimator) if self.learns else estimator
        self._warned_of_selection = False
        self._recording = False
        self._recorded: list[Tensor] | None = None
        self._written: list[Tensor] | None = None
        super().__init__(model, reward_funcs, args, *rest, **kwargs)
        if self.reads_hidden:
            decoder_of(self.accelerator.unwrap_model(self.model))
        if estimator is not None and estimator.draws:
            check_reward_functions(self)
        self._decode = Decoder(self._tokenizer, self.eos_token_ids)

    def _prepare_inputs(self, generation_batch: Any) -> dict[str, Any]:
        return trimmed(super()._prepare_inputs(generation_batch))

    def get_batch_samples(self, *args: Any) -> tuple[list[Any], Any]:
        if self.state.global_step < self.state.max_steps:
            return super().get_batch_samples(*args)
        # Resumed from its last checkpoint, a run would make another update before transformers asks whether to stop, or save anew.
        self.control.should_training_stop, self.control.should_save = True, False
        return [], None

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self._recording = self._can_use_log_prob_pass()
        output = super()._generate_and_score_completions(inputs)
        self._recording = False
        if self.model.training:
            started = now()
            batch = self._rollout_batch(output)
            self._assess(output, batch)
            batch.release()
            self._metrics["train"]["credit/seconds"].append(now() - started)
        self._recorded = self._written = None
        return output

    def _rollout_batch(self, output: dict[str, Any]) -> RolloutBatch:
        rows = self._rollouts(output)
        if self._recorded is not None:  # passes over some rows each
            shown = torch.cat(self._recorded)[self.sampled.rows_B]
        else:  # of all rows: the prompts, and then a column for each token written
            shown = torch.cat(self._written, dim=1)[self.sampled.rows_B] if self._written else None
        reader = PolicyReader(self, output, rows, shown)
        name = f"step-{self.state.global_step}"
        return RolloutBatch(rows, self.num_generations, self.accelerator, reader, self._decode, name=name, everywhere=self.learns)

    def _assess(self, output: dict[str, Any], batch: RolloutBatch) -> None:
        """Put into `output` what the loss needs to know of the rollouts: the advantages (B, T), 0 where tokens are padding."""
        if self.estimator is None:
            return
        advantages = [a for number, group in enumerate(batch.groups) for a in self._group_advantages(group, batch.rows_of(number))]
        if self.learns:
            self._critic.learn(batch.groups)
        padded_B_T = torch.zeros(output["completion_ids"].shape)
        for row, advantages_A in enumerate(advantages[batch.local]):
            padded_B_T[row, : len(advantages_A)] = advantages_A
        output["advantages"] = (padded_B_T / self._scales()[:, None]).float().to(output["completion_ids"].device)

    def _scales(self) -> Tensor:
        """(B,): what the advantages of this process's completions are divided by."""
        rewards_P_G = self.accelerator.gather(self.sampled.rewards_B).cpu().view(-1, self.num_generations)
        mine = len(self.sampled.rewards_B)
        return reward_scales(rewards_P_G, self.advantage_scale).flatten()[self.accelerator.process_index * mine :][:mine]

    def _group_advantages(self, group: RolloutGroup, rows: Sequence[Rollout]) -> list[Tensor]:
        actions = [row.actions for row in rows]
        positions = node_positions(actions, self.node_spacing)
        values = self._critic.values(group, positions)
        self._warn_of_selection(values)
        advantages = token_advantages(values, group.rewards_G, actions, spacing=self.node_spacing, lam=self.gae_lambda)
        return advantages if self.damping is None else damped(advantages, self.damping(group, positions), self.node_spacing)

    def _warn_of_selection(self, values: Sequence[Tensor]) -> None:
        """Once, where groups are kept by their rewards and the values of some rollout differ from state to state."""
        if self.oversampling == 1 or self._warned_of_selection or not any((values_N != values_N[0]).any() for values_N in values):
            return
        self._warned_of_selection = True
        warnings.warn(
            f"oversampling={self.oversampling} keeps groups by their rewards, and the values of {self.estimator.name} differ between the "
            "states of a rollout, which biases the policy gradient; set oversampling=1 to train on every group that is drawn",
            stacklevel=2,
        )

    def _rollouts(self, output: dict[str, Any]) -> list[Rollout]:
        rows = []
        prompts = zip(output["prompt_ids"], output["prompt_mask"].bool(), strict=True)
        for (ids, mask), actions, reward in zip(prompts, self.sampled.completions, self.sampled.rewards_B.tolist(), strict=True):
            written = actions[:-1] if actions[-1] in self.eos_token_ids else actions
            rows.append(Rollout(tuple(ids[mask].tolist()), tuple(written), len(actions), reward))
        return rows

    def _can_use_log_prob_pass(self) -> bool:
        """Whether the pass in which TRL computes old log-probabilities, if it makes one, shows the hidden states that are needed.

        Not where it hides truncated completions, nor where TRL's first pass may be that of a reference: an adapter switched off. Nor where
        completions are shared out anew after they were drawn.
        """
        shows_policy = not self.mask_truncated_completions and (self.beta == 0 or self.ref_model is not None)
        stays_here = self.oversampling == 1 or self.accelerator.num_processes == 1
        return self.reads_hidden and self.model.training and shows_policy and stays_here

    def _shows_hidden_while_writing(self) -> bool:
        """Whether the passes in which completions are sampled are those of the model itself, row for row, and of this process alone."""
        in_one_turn = not (self.use_vllm or self.use_transformers_continuous_batching or self.tools)
        return self.reads_hidden and self.model.training and in_one_turn and self.accelerator.num_processes == 1

    def _generate_single_turn(self, *args: Any, **kwargs: Any) -> Any:
        if not self._shows_hidden_while_writing():
            return super()._generate_single_turn(*args, **kwargs)
        with recorded_hidden(self.accelerator.unwrap_model(self.model)) as self._written:
            return super()._generate_single_turn(*args, **kwargs)

    def _get_per_token_logps_and_entropies(self, model: Any, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor | None, Tensor | None]:
        if not self._recording or model is not self.model:
            return super()._get_per_token_logps_and_entropies(model, *args, **kwargs)
        with recorded_hidden(self.accelerator.unwrap_model(model)) as self._recorded:
            return super()._get_per_token_logps_and_entropies(model, *args, **kwargs)


def _check(
    args: GRPOConfig, estimator: Estimator | None, damping: Damping | None, *, allow_biased: bool, allow_truncated_sampling: bool
) -> None:
    """`Refused` for what `CreditGRPOTrainer` cannot do or will not do unasked."""
    truncated = args.top_p < 1 or args.top_k > 0 or bool(args.min_p)
    if truncated and args.use_vllm and args.vllm_importance_sampling_correction and not allow_truncated_sampling:
        raise Refused(
            "top_p, top_k or min_p cut the distribution that vLLM samples from, so the importance correction compares two different ones; "
            "sample from the whole distribution, switch vllm_importance_sampling_correction off, or set allow_truncated_sampling=True"
        )
    if estimator is None:
        if damping is not None:
            raise Refused("damping shrinks the advantages of an estimator, and there is none; choose one, such as loo-mean")
        return
    if not estimator.information.unbiased and not allow_biased:
        raise Refused(
            f"{estimator.name} lets a rollout's own return into its own baseline, which biases the policy gradient; "
            "choose a leave-one-out form, or set allow_biased=True"
        )
    if estimator.trains_model:
        raise Refused(f"{estimator.name} is a network with a training of its own; choose an estimator that is fitted in closed form")
    check_aggregation(args)
    if args.use_liger_kernel:
        raise Refused("liger's loss takes one advantage for each completion and not one for each token; set use_liger_kernel=False")
    if args.importance_sampling_level == "sequence":
        warnings.warn(
            "importance_sampling_level='sequence' averages the advantages of a completion's tokens: the estimator's credit is lost but for "
            "its mean. GSPOTokenTrainer keeps it.",
            stacklevel=3,
        )


def check_aggregation(args: GRPOConfig) -> None:
    """`Refused` where rewards are normalised before they are summed."""
    if args.multi_objective_aggregation != "sum_then_normalize":
        raise Refused(
            f"multi_objective_aggregation is {args.multi_objective_aggregation!r}, and values are of the weighted sum of rewards; "
            "set it to 'sum_then_normalize'"
        )
