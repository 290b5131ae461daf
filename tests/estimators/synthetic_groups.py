"""Groups of rollouts whose texts and hidden states are functions of their tokens, from left to right, as a language model's are."""

from dataclasses import replace

import torch

from hista_repro.rollouts.group import HiddenStates, RolloutGroup

VOCABULARY = (" so", " then", " =", " 1", " 2", " 3", " 12", " 0.5", "4", "/2")
DEPTH = 6
SCALE = 20
"""Norms as of a language model: most distances exceed 5, below which the released code tells none apart."""


def make_group(tokens, rewards, name="p"):
    """The group whose rollout i reads `tokens[i]`, indices into the vocabulary."""
    texts, ends = [], []
    for rollout in tokens:
        pieces = [VOCABULARY[token] for token in rollout]
        texts.append("".join(pieces))
        ends.append(tuple(len("".join(pieces[: t + 1])) for t in range(len(pieces))))
    group = RolloutGroup(name, tuple(texts), tuple(ends), torch.tensor(rewards, dtype=torch.float32))

    def hidden_of(layer):
        generator = torch.Generator().manual_seed(layer % 100)
        embedding = torch.randn(len(VOCABULARY), DEPTH, generator=generator)
        mixing = torch.randn(DEPTH, DEPTH, generator=generator) / DEPTH**0.5
        start = torch.randn(4, DEPTH, generator=generator) + len(name)
        return HiddenStates(start, tuple(recurrent(start[-1], embedding[list(rollout)], mixing) for rollout in tokens))

    def continue_from(i, t, k):
        generator = torch.Generator().manual_seed(hash(tuple(tokens[i][:t])) % 2**32)
        return torch.rand(k, generator=generator).round()

    def entropies_of():
        return tuple(rows_T_D.sum(dim=1).cos() + 1 for rows_T_D in hidden_of(0).completions)

    def score_powers_of():
        return tuple(rows_T_D.sum(dim=1).sin() + 1 for rows_T_D in hidden_of(0).completions)

    asked = {"entropies_of": entropies_of, "score_powers_of": score_powers_of, "continue_from": continue_from}
    return replace(group, hidden_of=hidden_of, **asked)


def recurrent(state, inputs_T_D, mixing_D_D):
    states = []
    for row in inputs_T_D:
        state = torch.tanh(state @ mixing_D_D + row)
        states.append(SCALE * state)
    return torch.stack(states) if states else inputs_T_D


def random_tokens(seed, size=6, shortest=25, longest=45):
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(shortest, longest, (size,), generator=generator).tolist()
    return [tuple(torch.randint(len(VOCABULARY), (length,), generator=generator).tolist()) for length in lengths]


def random_group(seed, size=6):
    generator = torch.Generator().manual_seed(1000 + seed)
    rewards = torch.rand(size, generator=generator).round()
    rewards[:2] = torch.tensor([0.0, 1.0])
    return make_group(random_tokens(seed, size), rewards.tolist(), name=f"prompt {seed}")


def every_position(group):
    return [range(group.length(i) + 1) for i in range(group.size)]
