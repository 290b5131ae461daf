"""Hista and its leave-one-out form against the paper's formula, node by node and state by state."""

from dataclasses import replace
from math import inf

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_groups import every_position, make_group, random_group, random_tokens
from test_distances import by_definition

from hista_repro.estimators import get_estimator, hista_values, smooth
from hista_repro.estimators.nodes import node_ends, spacing_for
from hista_repro.rollouts.group import HiddenStates, RolloutGroup

VARIANTS = {"paper": "hista", "leave_one_out": "hista-loo"}


def by_formula(rows, i, length, rewards_G, *, stride, neighbours, leave_own_out):
    """The value of the first `length` rows of rollout i, from the definitions, for distances without ties."""
    others = [j for j in range(len(rows)) if j != i]
    fallback = rewards_G[others].mean() if leave_own_out else rewards_G.mean()
    nodes = [(j, end) for j in range(len(rows)) for end in range(stride, len(rows[j]) + 1, stride)]
    nodes = [(j, end) for j, end in nodes if j != i or not (leave_own_out or end == length)]
    if not nodes or not length:
        return float(fallback)
    distances = torch.stack([by_definition(rows[i][:length], rows[j][:end]) for j, end in nodes])
    nearest = distances.topk(min(neighbours, len(nodes)), largest=False)
    weights = 1 / nearest.values
    return float((weights * rewards_G[[nodes[m][0] for m in nearest.indices]]).sum() / weights.sum())


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 45), min_size=2, max_size=5),
    interval=st.integers(1, 4),
    stride=st.integers(1, 5),
    neighbours=st.integers(1, 12),
    variant=st.sampled_from(list(VARIANTS)),
    seed=st.integers(0, 10**6),
)
def test_nodes_and_states_by_the_formula(lengths, interval, stride, neighbours, variant, seed):
    generator = torch.Generator().manual_seed(seed)
    hidden = [torch.randn(length, 6, generator=generator) for length in lengths]
    rewards_G = torch.rand(len(lengths), generator=generator)
    rows = [smooth(part, 0.5, interval) for part in hidden]
    spacing = {"interval": interval, "stride": stride, "neighbours": neighbours}
    rule = {"stride": stride, "neighbours": neighbours, "leave_own_out": variant == "leave_one_out"}

    nodes = node_ends([len(part) for part in rows], stride)
    of_nodes = hista_values(hidden, rewards_G, variant=variant, alpha=0.5, **spacing)
    for i, ends in enumerate(nodes):
        expected = [by_formula(rows, i, end, rewards_G, **rule) for end in ends]
        torch.testing.assert_close(of_nodes[i], torch.tensor(expected), rtol=1e-4, atol=1e-4)

    estimator = get_estimator(VARIANTS[variant], alpha=0.5, **spacing)
    group = group_of(hidden, rewards_G)
    positions = [torch.randint(length + 1, (3,), generator=generator).tolist() for length in lengths]
    for i, values in enumerate(estimator.values(group, positions)):
        expected = [by_formula(rows, i, t // interval, rewards_G, **rule) for t in positions[i]]
        torch.testing.assert_close(values, torch.tensor(expected), rtol=1e-4, atol=1e-4)
    at_nodes = estimator.values(group, [[end * interval for end in ends] for ends in nodes])
    for values, expected in zip(at_nodes, of_nodes, strict=True):
        torch.testing.assert_close(values, expected, rtol=1e-5, atol=1e-6)


def group_of(hidden, rewards_G):
    """A group that has hidden states and lengths, and whose text does not matter."""
    texts = tuple("x" * len(part) for part in hidden)
    ends = tuple(range(1, len(part) + 1) for part in hidden)
    return RolloutGroup(
        "p", texts, ends, rewards_G, hidden_of=lambda layer: HiddenStates(torch.zeros(3, hidden[0].shape[1]), tuple(hidden))
    )


def test_worked_by_hand():
    hidden = [torch.tensor([[0.0], [0.0]]), torch.tensor([[1.0], [1.0]]), torch.tensor([[3.0], [3.0]])]
    rewards_G = torch.tensor([1.0, 0.0, 1.0])
    settings = {"alpha": 0.0, "interval": 1, "stride": 1}
    # Node 1 of rollout 0 is [0]: its own node 2, [0, 0], is at 0 and takes all the weight.
    # Node 1 of rollout 1 without itself: nodes [0], [0, 0] at 1 and 2, nodes [3], [3, 3] at 2 and 4.
    assert hista_values(hidden, rewards_G, **settings)[0].tolist() == [1.0, 1.0]
    loo = hista_values(hidden, rewards_G, variant="leave_one_out", **settings)
    assert loo[1].tolist() == [1.0, 1.0]
    assert loo[0][0].item() == pytest.approx((1 / 3 + 1 / 6) / (1 + 1 / 2 + 1 / 3 + 1 / 6))
    assert hista_values(hidden, rewards_G, variant="leave_one_out", neighbours=1, **settings)[0].tolist() == [0.0, 0.0]


def test_identical_rollouts_share_all_the_weight():
    row = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    hidden = [row, row.clone(), row.clone(), torch.randn(30, 4, generator=torch.Generator().manual_seed(1))]
    values = hista_values(hidden, torch.tensor([1.0, 0.0, 1.0, 0.0]), variant="leave_one_out", interval=1, stride=5)
    assert values[0].tolist() == [0.5] * 6, "the two others with the same states"
    assert values[1].tolist() == [1.0] * 6


def test_the_mean_of_the_rest_where_nobody_has_a_node():
    hidden = [torch.randn(20, 3), torch.randn(4, 3), torch.randn(4, 3)]
    rewards_G = torch.tensor([1.0, 1.0, 0.0])
    assert [part.tolist() for part in hista_values(hidden, rewards_G, variant="leave_one_out", interval=1)] == [[0.5, 0.5], [], []]
    assert hista_values([hidden[1], hidden[2]], rewards_G[:2], interval=1)[0].tolist() == []
    group = group_of(hidden, rewards_G)
    assert get_estimator("hista").values(group, [[0, 4], [4], []])[0].tolist() == pytest.approx([2 / 3, 2 / 3])
    assert get_estimator("hista-loo").values(group, [[0, 4], [4], []])[1].tolist() == [0.5]


@pytest.mark.parametrize(
    "name", ["hista", "hista-loo", "hista-cosine", "hista-corresponding", "hista-position", "last-token-knn-loo", "rollout-kernel-loo"]
)
def test_values_follow_the_rollouts_when_they_are_reordered(name):
    tokens, rewards = random_tokens(3, size=7), [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]
    tokens[5] = tokens[1]
    order = [4, 2, 6, 0, 5, 3, 1]
    estimator = (
        replace(get_estimator(name).for_length(35), neighbours=5) if name != "rollout-kernel-loo" else get_estimator(name).for_length(35)
    )
    group, shuffled = make_group(tokens, rewards), make_group([tokens[i] for i in order], [rewards[i] for i in order])
    values, of_shuffled = (estimator.values(each, every_position(each)) for each in (group, shuffled))
    for place, i in enumerate(order):
        torch.testing.assert_close(of_shuffled[place], values[i], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("variant", [*VARIANTS, "released"])
def test_inputs_of_other_types(variant):
    generator = torch.Generator().manual_seed(0)
    hidden = [torch.randn(60, 5, generator=generator).bfloat16() for _ in range(4)]
    rewards = [0.0, 1.0, 1.0, 0.0]
    expected = hista_values([part.float() for part in hidden], torch.tensor(rewards), variant=variant, interval=2, stride=3)
    measured = hista_values(tuple(hidden), rewards, variant=variant, interval=2, stride=3)
    assert all(values.dtype == torch.float32 for values in measured)
    assert all(torch.equal(*pair) for pair in zip(measured, expected, strict=True))


def test_the_reduction_can_be_chosen():
    generator = torch.Generator().manual_seed(0)
    hidden, rewards_G = [torch.randn(n, 5, generator=generator) for n in (60, 40)], torch.tensor([0.0, 1.0])
    means, sums = (hista_values(hidden, rewards_G, interval=1, stride=7, neighbours=3, reduction=kind)[0] for kind in ("mean", "sum"))
    assert torch.equal(sums, hista_values(hidden, rewards_G, interval=1, stride=7, neighbours=3)[0])
    assert not torch.allclose(means, sums)


@pytest.mark.parametrize(
    ("tokens", "spacing"),
    [(1, (1, 1)), (24, (1, 1)), (35, (1, 2)), (100, (1, 5)), (200, (1, 10)), (400, (2, 10)), (1000, (5, 10)), (10**5, (5, 10))],
)
def test_spacing_for_shorter_completions(tokens, spacing):
    assert spacing_for(tokens) == spacing
    adapted = get_estimator("hista-loo").for_length(tokens)
    assert (adapted.interval, adapted.stride, adapted.neighbours) == (*spacing, 66)


def test_a_layer_of_huge_activations_gives_values():
    group = random_group(0)
    large = replace(
        group, hidden_of=lambda layer: HiddenStates(torch.zeros(1, 6), tuple(1e4 + 1e-2 * part for part in group.hidden().completions))
    )
    for name in ("hista", "hista-loo", "hista-released", "hista-cosine", "hista-corresponding", "last-token-knn-loo", "rollout-kernel-loo"):
        values = torch.cat(get_estimator(name, layer=20).for_length(35).values(large, every_position(large)))
        assert ((values >= 0) & (values <= 1)).all(), name


@pytest.mark.parametrize("variant", [*VARIANTS, "released"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": []}, "hidden: the group is empty"),
        ({"rewards_G": [1.0, 0.0, 1.0]}, r"rewards_G has shape \(3,\) for 2 rollouts"),
        ({"rewards_G": [1.0, inf]}, "rewards_G holds a value that is not finite"),
        ({"rewards_G": [float("nan"), 1.0]}, "rewards_G holds a value that is not finite"),
        ({"hidden": [torch.zeros(9, 2), torch.full((9, 2), torch.nan)]}, r"hidden\[1\] holds nan in row 0"),
        ({"hidden": [torch.zeros(9, 2), torch.tensor([[0.0, 0.0], [inf, 0.0]])]}, r"hidden\[1\] holds inf in row 1"),
        ({"hidden": [torch.zeros(9, 2), torch.zeros(9, 3)]}, r"hidden\[1\] has shape \(9, 3\), not \(tokens, 2\)"),
        ({"interval": 0}, "interval must be at least 1, not 0"),
        ({"stride": -2}, "stride must be at least 1, not -2"),
        ({"neighbours": 0}, "neighbours must be at least 1, not 0"),
        ({"interval": 2.5}, "interval must be an integer, not 2.5"),
        ({"stride": 2.0}, "stride must be an integer, not 2.0"),
        ({"neighbours": "66"}, "neighbours must be an integer, not '66'"),
        ({"alpha": 1.0}, "alpha must be at least 0 and below 1, not 1.0"),
        ({"reduction": "median"}, "reduction must be 'sum' or 'mean', not 'median'"),
        ({"reduction": "max", "hidden": [torch.zeros(1, 2)] * 2}, "reduction must be 'sum' or 'mean', not 'max'"),
    ],
)
def test_bad_arguments(variant, change, message):
    arguments = {"hidden": [torch.zeros(9, 2), torch.zeros(9, 2)], "rewards_G": [1.0, 0.0], "stride": 1} | change
    with pytest.raises(ValueError, match=message):
        hista_values(arguments.pop("hidden"), arguments.pop("rewards_G"), variant=variant, **arguments)


def test_a_rollout_needs_another_to_be_left_out_of():
    with pytest.raises(ValueError, match="1 reward"):
        hista_values([torch.zeros(50, 2)], [1.0], variant="leave_one_out")
    assert hista_values([torch.zeros(100, 2)], [1.0])[0].tolist() == [1.0, 1.0]


def test_unknown_variant_and_a_prompt_that_nobody_reads():
    with pytest.raises(ValueError, match="variant must be 'paper', 'leave_one_out' or 'released', not 'fast'"):
        hista_values([torch.zeros(5, 2)] * 2, [1.0, 0.0], variant="fast")
    with pytest.raises(ValueError, match="prompt_length is 3"):
        hista_values([torch.zeros(5, 2)] * 2, [1.0, 0.0], prompt_length=3)


@pytest.mark.parametrize("name", ["hista", "hista-released", "hista-position", "last-token-knn-loo", "rollout-kernel-loo"])
def test_bad_settings_of_estimators(name):
    settings = {
        "hista": {"stride": 0},
        "hista-released": {"alpha": 1.5},
        "hista-position": {"neighbours": 0},
        "last-token-knn-loo": {"spacing": 0},
    }
    with pytest.raises(ValueError, match=r"must be"):
        get_estimator(name, **settings.get(name, {"temperature": 0.0}))


@pytest.mark.parametrize(
    "name", ["hista", "hista-loo", "last-token-knn-loo", "rollout-kernel-loo", "hista-released", "hista-corresponding"]
)
def test_hidden_states_that_do_not_belong_to_the_group(name):
    group = random_group(0)
    shorter = replace(
        group, hidden_of=lambda layer: HiddenStates(torch.zeros(1, 6), tuple(part[1:] for part in group.hidden().completions))
    )
    with pytest.raises(ValueError, match=r"rows for the \d+ tokens of completion 0"):
        get_estimator(name).values(shorter, every_position(group))
