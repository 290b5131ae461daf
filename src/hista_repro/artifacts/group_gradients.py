"""Policy gradients of a fixed policy under several estimators, on the rollouts of a build.

The rollouts of a problem are divided into groups as training draws them, and each group gives an independent draw of the problem's
gradient. Estimators see a group as the trainer shows it to them, with its nodes by the trainer's rule for the build's longest answers, and
are used as they are: `adapted` fits their own spacing to these answers. One that learns is fitted on a group of each of other problems.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from hista_repro.errors import Refused
from hista_repro.estimators import Estimator, get_estimator
from hista_repro.models import load_model
from hista_repro.progress import progress
from hista_repro.rollouts.decoding import Decoder, ends_of_sequence
from hista_repro.rollouts.group import HiddenStates, RolloutGroup
from hista_repro.sveb.benchmark import Benchmark
from hista_repro.sveb.records import read_table
from hista_repro.sveb.score import cross_fitted
from hista_repro.sveb.statistics import squared_errors
from hista_repro.training.credit import node_positions, node_spacing_of, token_advantages
from hista_repro.training.policy_gradients import action_powers, policy_gradients

NOTHING = "zero"
"""The estimator whose values are 0 everywhere: every action of a rollout has its reward for an advantage."""

BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)
"""Ends of the bins of values; the last is narrow, since there values say that nothing can go wrong."""


def adapted(estimator: Estimator, model: str, max_tokens: int) -> Estimator:
    """The estimator as training on rollouts of the model and of this length would have it."""
    return estimator.for_length(max_tokens).for_model(model)


def gradient_table(benchmark: Benchmark, estimators: Sequence[Estimator], size: int, problems: int) -> pd.DataFrame:
    """One row for each of the first so many problems and each estimator, `NOTHING` among them, in R groups of `size` rollouts.

    Of the gradients of the groups of a problem: `noise`, their variance summed over parameters; `shared`, their covariance with those
    without a baseline; `signal`, the squared norm of their mean, and `along`, its inner product with that of the first estimator. All are
    unbiased. `states` of the problem, and `error`, the sum over them of the corrected squared error of the estimator's values in their
    groups.

    Raises `Refused` where a problem has fewer than two groups, and as `check_usable` does.
    """
    if (groups := benchmark.config.group_size // size) < 2:
        raise Refused(f"size is {size}, and problems have {benchmark.config.group_size} rollouts; two groups or more are needed")
    check_usable(estimators)
    baselines = [*(estimator for estimator in estimators if estimator.name != NOTHING), get_estimator(NOTHING)]
    fitted = {estimator.name: _fitted(estimator, benchmark, size) for estimator in baselines}
    policy, frames = _Policy(benchmark), []
    with progress(min(problems, len(benchmark)) * groups, "policy gradients", unit="groups") as bar:
        for name in list(benchmark.states)[:problems]:
            whole, states, actions = benchmark.cut_from[name], benchmark.states[name], policy.actions(name)
            asked = [fitted[estimator.name][name] for estimator in baselines]
            products, errors = _Products(), np.zeros(len(baselines))
            for start in range(0, groups * size, size):
                rows = range(start, start + size)
                group, given = _part(whole, rows), [actions[row] for row in rows]
                advantages = [_advantages(estimator, group, given, benchmark.config.max_tokens) for estimator in asked]
                temperature = benchmark.config.temperature
                products.add(policy_gradients(policy.model, whole.prompt_token_ids, given, advantages, temperature=temperature))
                inside = states[states["sample"].isin(rows)]
                errors += [_error(estimator, group, inside, start) for estimator in asked]
                bar.update(1)
            frame = pd.DataFrame({"problem_id": name, "estimator": [estimator.name for estimator in baselines], "error": errors})
            covariances_E_E, means_E_E = products.covariances(), products.of_means()
            frame["noise"], frame["shared"] = covariances_E_E.diagonal(), covariances_E_E[:, -1]
            frame["signal"], frame["along"] = means_E_E.diagonal(), means_E_E[:, 0]
            frames.append(frame.assign(states=int(states["sample"].lt(groups * size).sum())))
    return pd.concat(frames, ignore_index=True)


def power_table(benchmark: Benchmark, estimator: Estimator, problems: int) -> pd.DataFrame:
    """One row for each of the first so many problems and each of `BINS` by the value of a state, which `estimator` gives from all rollouts.

    Sums over the actions that were taken in such states: `actions`, how many; `value`; `reward`, that of their rollouts; `power`, how much
    they can move the policy (`training.policy_gradients.action_powers`); `power_reward`, power times reward. Bins without actions have no
    row. Raises `Refused` as `check_usable` does, and for an estimator that learns.
    """
    check_usable([estimator])
    if estimator.learns:
        raise Refused(f"{estimator.name} learns from other problems; tell states apart by an estimator that does not")
    policy, frames = _Policy(benchmark), []
    with progress(min(problems, len(benchmark)), "powers of actions", unit="problems") as bar:
        for name in list(benchmark.states)[:problems]:
            group, actions = benchmark.cut_from[name], policy.actions(name)
            values = estimator.values(group, [range(len(of_rollout)) for of_rollout in actions])
            powers = action_powers(policy.model, group.prompt_token_ids, actions, temperature=benchmark.config.temperature)
            value, power = (torch.cat([row.double().cpu() for row in rows]).numpy() for rows in (values, powers))
            reward = np.repeat(group.rewards_G.double().numpy(), list(map(len, actions)))
            bins = np.clip(np.searchsorted(BINS, value, side="right") - 1, 0, len(BINS) - 2)
            sums = {"actions": np.ones_like(value), "value": value, "reward": reward, "power": power, "power_reward": power * reward}
            frames.append(pd.DataFrame(sums).groupby(bins).sum().rename_axis("bin").reset_index().assign(problem_id=name))
            bar.update(1)
    return pd.concat(frames, ignore_index=True)


def check_usable(estimators: Sequence[Estimator]) -> None:
    """Raise `Refused` for estimators that are not `usable`."""
    if unfit := [estimator.name for estimator in estimators if not usable(estimator)]:
        raise Refused(
            f"{unfit[0]} trains a network, learns from the same problems, or draws continuations, which a build does not have at every "
            "node; leave it out"
        )


def usable(estimator: Estimator) -> bool:
    """Whether a build gives the values of `estimator` at every node, without training a network."""
    return not (estimator.trains_model or estimator.sees_prompts or estimator.draws)


def _fitted(estimator: Estimator, benchmark: Benchmark, size: int) -> dict[str, Estimator]:
    """Problem -> the estimator, which has not seen that problem; what learns is fitted on the first `size` rollouts of others."""
    if not estimator.learns:
        return dict.fromkeys(benchmark.states, estimator)
    groups = {name: _part(benchmark.cut_from[name], range(size)) for name in benchmark.states}
    return {name: fitted for fitted, names in cross_fitted(estimator, groups, benchmark.config.seed) for name in names}


class _Policy:
    """The model of a build, in float32, and what it drew."""

    def __init__(self, benchmark: Benchmark) -> None:
        self.model, self._tokenizer = load_model(benchmark.config.model)
        self.model.to("cuda" if torch.cuda.is_available() else "cpu")
        self._decode = Decoder(self._tokenizer, ends_of_sequence(self.model.generation_config, self._tokenizer))
        self._rollouts = dict(list(read_table(benchmark.folder, "rollouts").groupby("problem_id", sort=False)))

    def actions(self, problem: str) -> list[list[int]]:
        """The tokens of each rollout with the end-of-sequence token (the tokenizer's) where no limit and no stop string ended it."""
        return [self._drawn(row.token_ids.tolist(), row.text, row.finish_reason) for row in self._rollouts[problem].itertuples()]

    def _drawn(self, ids: list[int], text: str, finish_reason: str) -> list[int]:
        ended = finish_reason == "stop" and self._decode(ids)[0] == text
        return [*ids, self._tokenizer.eos_token_id] if ended else ids


class _Products:
    """Inner products of the gradients of E estimators, from R draws of all of them."""

    def __init__(self) -> None:
        self._draws = 0

    def add(self, gradients_E_W: Tensor) -> None:
        squares_E_E = gradients_E_W @ gradients_E_W.T
        if self._draws:
            self._sums_E_W += gradients_E_W
            self._squares_E_E += squares_E_E
        else:
            self._sums_E_W, self._squares_E_E = gradients_E_W, squares_E_E
        self._draws += 1

    def covariances(self) -> np.ndarray:
        """(E, E) summed over parameters."""
        return self._mean(self._draws * self._squares_E_E - self._sums_E_W @ self._sums_E_W.T)

    def of_means(self) -> np.ndarray:
        """(E, E) inner products of the mean gradients, unbiased: draws are multiplied with other draws alone."""
        return self._mean(self._sums_E_W @ self._sums_E_W.T - self._squares_E_E)

    def _mean(self, sums_E_E: Tensor) -> np.ndarray:
        return (sums_E_E / (self._draws * (self._draws - 1))).double().cpu().numpy()


def _part(group: RolloutGroup, rows: Sequence[int]) -> RolloutGroup:
    """The rollouts `rows` of a group as a group of their own, without continuations, which a build does not have at every node."""

    def hidden_of(layer: int) -> HiddenStates:
        hidden = group.hidden(layer)
        return HiddenStates(hidden.prompt_T_D, tuple(hidden.completions[row] for row in rows))

    return replace(
        group,
        completions=tuple(group.completions[row] for row in rows),
        token_ends=tuple(group.token_ends[row] for row in rows),
        rewards_G=group.rewards_G[list(rows)],
        token_ids=tuple(group.token_ids[row] for row in rows),
        hidden_of=hidden_of,
        entropies_of=lambda: tuple(group.entropies()[row] for row in rows),
        score_powers_of=lambda: tuple(group.score_powers()[row] for row in rows),
        continue_from=None,
    )


def _advantages(estimator: Estimator, group: RolloutGroup, actions: Sequence[Sequence[int]], longest: int) -> list[Tensor]:
    counts, spacing = [len(of_rollout) for of_rollout in actions], node_spacing_of(estimator, longest)
    values = estimator.values(group, node_positions(counts, spacing))
    return token_advantages(values, group.rewards_G, counts, spacing=spacing)


def _error(estimator: Estimator, group: RolloutGroup, states: pd.DataFrame, start: int) -> float:
    """The sum over `states`, whose rollouts are those of `group` from number `start` on, of the corrected squared error."""
    ordered = states.sort_values(["sample", "token_index"])
    positions = [ordered.loc[ordered["sample"] == start + row, "token_index"].tolist() for row in range(group.size)]
    values = torch.cat([v.float().cpu() for v in estimator.values(group, positions)]).double().numpy()
    n = ordered["n"].to_numpy(float)
    references = ordered["successes"].to_numpy(float) / n
    return float(squared_errors(values - references, references, n).sum())
