"""MinDistance of prefixes against Definition 5.1, word for word."""

from math import inf

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hista_repro.estimators import distances, min_distance, prefix_min_distances
from hista_repro.estimators.distances import pool_distances
from hista_repro.estimators.tiles import Frame


def by_definition(x_T_D, y_T_D, reduction="sum", metric="euclidean"):
    longer, shorter = (x_T_D, y_T_D) if len(x_T_D) >= len(y_T_D) else (y_T_D, x_T_D)
    if metric == "euclidean":
        between = (longer.double()[:, None] - shorter.double()[None]).norm(dim=-1)
    else:
        between = 1 - torch.cosine_similarity(longer.double()[:, None], shorter.double()[None], dim=-1)
    nearest = between.amin(dim=1)
    return nearest.sum() if reduction == "sum" else nearest.mean()


def prefixes_by_definition(x_T_D, y_T_D, x_ends, y_ends, **kind):
    return torch.stack([torch.stack([by_definition(x_T_D[:a], y_T_D[:b], **kind) for b in y_ends]) for a in x_ends])


def assert_equal_by_definition(x_T_D, y_T_D, x_ends, y_ends, reduction="sum"):
    expected = prefixes_by_definition(x_T_D, y_T_D, x_ends, y_ends, reduction=reduction)
    measured = prefix_min_distances(x_T_D, y_T_D, x_ends, y_ends, reduction)
    torch.testing.assert_close(measured.double(), expected, rtol=1e-5, atol=0)


def plain(generator, tokens, depth):
    return torch.randn(tokens, depth, generator=generator)


def repeated(generator, tokens, depth):
    return torch.randn(3, depth, generator=torch.Generator().manual_seed(7))[torch.randint(3, (tokens,), generator=generator)]


def far_from_zero(generator, tokens, depth):
    return 1e4 + torch.randn(tokens, depth, generator=generator) * 0.01


def in_tight_clusters(generator, tokens, depth):
    centres = 1e4 * torch.randn(4, depth, generator=torch.Generator().manual_seed(7))
    return centres[torch.randint(4, (tokens,), generator=generator)] + 0.01 * torch.randn(tokens, depth, generator=generator)


def with_outliers(generator, tokens, depth):
    rows = torch.randn(tokens, depth, generator=generator)
    rows[0, 0] = 1e4
    rows[tokens // 2] *= 1e3
    return rows


def of_integers(generator, tokens, depth):
    return torch.randint(-1, 2, (tokens, depth), generator=generator).float()


KINDS = [plain, repeated, far_from_zero, in_tight_clusters, with_outliers, of_integers]


def test_definition_worked_by_hand():
    x, y = torch.tensor([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]), torch.tensor([[0.0, 1.0], [3.0, 4.0]])
    assert min_distance(x, y).item() == 1 + 0 + 5
    assert min_distance(y, x).item() == 1 + 0 + 5
    assert min_distance(x, y, "mean").item() == 2
    of_prefixes = prefix_min_distances(x, y, [1, 2, 3], [2, 1])
    expected = [[1 + 5, 1], [1, 1 + 18**0.5], [1 + 0 + 5, 1 + 18**0.5 + 85**0.5]]
    torch.testing.assert_close(of_prefixes, torch.tensor(expected))


def test_equally_long_sequences_are_summed_over_the_first():
    x, y = torch.tensor([[0.0], [0.0]]), torch.tensor([[0.0], [5.0]])
    assert min_distance(x, y).item() == 0
    assert min_distance(y, x).item() == 5


@settings(max_examples=150, deadline=None)
@given(
    kinds=st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)),
    lengths=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    depth=st.sampled_from([1, 3, 16]),
    reduction=st.sampled_from(["sum", "mean"]),
    seed=st.integers(0, 10**6),
    ends=st.data(),
)
def test_every_prefix_equals_the_definition(kinds, lengths, depth, reduction, seed, ends):
    generator = torch.Generator().manual_seed(seed)
    x, y = (kind(generator, length, depth) for kind, length in zip(kinds, lengths, strict=True))
    x_ends, y_ends = (ends.draw(st.lists(st.integers(1, length), min_size=1, max_size=6)) for length in lengths)
    assert_equal_by_definition(x, y, x_ends, y_ends, reduction)


@pytest.mark.parametrize("kind", KINDS)
def test_large_inputs_equal_the_definition(kind):
    generator = torch.Generator().manual_seed(0)
    x, y = kind(generator, 300, 64), kind(generator, 170, 64)
    assert_equal_by_definition(x, y, [1, 10, 250, 300], [1, 50, 170])
    assert_equal_by_definition(x, x, [300], [299, 300])


@pytest.mark.parametrize("magnitude", [1e-30, 1e30])
def test_extreme_magnitudes(magnitude):
    generator = torch.Generator().manual_seed(0)
    assert_equal_by_definition(magnitude * plain(generator, 20, 8), magnitude * plain(generator, 30, 8), [5, 20], [1, 30])


@pytest.mark.parametrize("kind", KINDS)
def test_equal_sequences_are_at_distance_zero_exactly(kind):
    x = kind(torch.Generator().manual_seed(0), 50, 33)
    assert min_distance(x, x.clone()) == 0
    assert torch.equal(prefix_min_distances(x, x, [10, 20], [10, 20]).diagonal(), torch.zeros(2))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions_are_computed_in_float32(dtype):
    generator = torch.Generator().manual_seed(0)
    x, y = plain(generator, 20, 8).to(dtype), plain(generator, 30, 8).to(dtype)
    measured = prefix_min_distances(x, y, [5, 20], [10, 30])
    assert measured.dtype == torch.float32
    assert torch.equal(measured, prefix_min_distances(x.float(), y.float(), [5, 20], [10, 30]))


@pytest.mark.parametrize("precision", ["medium", "high", "highest"])
def test_the_callers_precision_settings_change_nothing(precision):
    generator = torch.Generator().manual_seed(0)
    x, y = plain(generator, 64, 256), plain(generator, 64, 256).requires_grad_()
    expected = prefix_min_distances(x, y, [10, 64], [10, 64])
    assert not expected.requires_grad
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(prefix_min_distances(x, y, [10, 64], [10, 64]), expected)
        assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision(before)


def test_a_few_rows_of_huge_activations_do_not_move_the_centre():
    rows = with_outliers(torch.Generator().manual_seed(0), 50, 8)
    assert Frame.of([rows, plain(torch.Generator().manual_seed(1), 20, 8)]).centre_D.abs().max() < 1


def ragged_group(seed=0, lengths=(37, 5, 0, 64, 23, 12, 37), depth=8):
    generator = torch.Generator().manual_seed(seed)
    return [plain(generator, length, depth) for length in lengths]


QUERIES = [[7, 37], [], [0], [1, 64, 33], [0, 10], [], [37]]
NODES = [[10, 20, 30], [], [], [10, 20, 30, 40, 50, 60], [10, 20], [10], [10, 20, 30]]


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_a_group_of_unequal_rollouts(reduction, metric):
    rows = ragged_group()
    measured = pool_distances(rows, QUERIES, NODES, reduction=reduction, metric=metric)
    expected = [
        [float(by_definition(rows[i][:a], rows[j][:b], reduction, metric)) if a else inf for j, nodes in enumerate(NODES) for b in nodes]
        for i, queries in enumerate(QUERIES)
        for a in queries
    ]
    torch.testing.assert_close(measured, torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_own_rollout_left_out():
    rows = ragged_group()
    everything, others = (pool_distances(rows, QUERIES, NODES, own=own) for own in (True, False))
    query_owner, node_owner = ([i for i, part in enumerate(ends) for _ in part] for ends in (QUERIES, NODES))
    own = torch.tensor(query_owner)[:, None] == torch.tensor(node_owner)
    assert (others[own] == inf).all()
    torch.testing.assert_close(others[~own], everything[~own])


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(7)), tile_rows=st.sampled_from([1, 60, 10**6]))
def test_neither_order_nor_padding_nor_tiles_change_a_distance(order, tile_rows):
    rows = ragged_group()
    expected = pool_distances(rows, QUERIES, NODES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hista_repro.estimators.blocks._CHUNK_ROWS_CPU", tile_rows)
        shuffled = pool_distances([rows[i] for i in order], [QUERIES[i] for i in order], [NODES[i] for i in order])

    def places(ends):
        numbers = iter(range(sum(map(len, ends))))
        of_rollout = [[next(numbers) for _ in part] for part in ends]
        return [number for i in order for number in of_rollout[i]]

    torch.testing.assert_close(shuffled, expected[places(QUERIES)][:, places(NODES)], rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(("own", "pairs"), [(True, 6 * 7 / 2), (False, 6 * 5 / 2)])
def test_every_unordered_pair_is_multiplied_once(own, pairs, monkeypatch):
    entries = []
    squared_distances = distances.squared_distances

    def counting(x, y):
        entries.append(x.norms.numel() * y.norms.numel())
        return squared_distances(x, y)

    monkeypatch.setattr(distances, "squared_distances", counting)
    ends = [range(10, 41, 10)] * 6
    pool_distances(ragged_group(lengths=[43] * 6), ends, ends, own=own)
    assert sum(entries) == pairs * 40 * 40


def test_few_queries_multiply_no_more_than_their_own_rollouts(monkeypatch):
    entries = []
    squared_distances = distances.squared_distances
    monkeypatch.setattr(
        distances, "squared_distances", lambda x, y: entries.append(x.norms.numel() * y.norms.numel()) or squared_distances(x, y)
    )
    pool_distances(ragged_group(lengths=[40] * 6), [[20], [], [], [], [], []], [range(10, 41, 10)] * 6)
    assert sum(entries) == 6 * 40 * 40


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same_distances():
    rows = ragged_group(lengths=[200, 150, 170], depth=128)
    ends = [range(10, len(part) + 1, 10) for part in rows]
    on_gpu = pool_distances([part.cuda() for part in rows], ends, ends)
    torch.testing.assert_close(on_gpu.cpu(), pool_distances(rows, ends, ends), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(3, 2), torch.zeros(3, 2), [0], [1]), r"x_ends holds 0, which is outside 1\.\.3"),
        ((torch.zeros(3, 2), torch.zeros(3, 2), [1], [4]), r"y_ends holds 4, which is outside 1\.\.3"),
        ((torch.zeros(3, 2), torch.zeros(3, 4), [1], [1]), r"y_T_D has shape \(3, 4\), not \(tokens, 2\)"),
        ((torch.zeros(3), torch.zeros(3, 4), [1], [1]), r"x_T_D has shape \(3,\)"),
        ((torch.zeros(3, 2), torch.tensor([[0.0, torch.nan]]), [1], [1]), "y_T_D holds nan in row 0"),
        ((torch.tensor([[0.0, 0.0], [-torch.inf, 0.0]]), torch.zeros(1, 2), [1], [1]), "x_T_D holds -inf in row 1"),
        ((torch.zeros(3, 2), torch.zeros(3, 2), [1], [1], "max"), "reduction must be 'sum' or 'mean', not 'max'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        prefix_min_distances(*arguments)


def test_no_prefixes_asked_for():
    assert prefix_min_distances(torch.zeros(0, 2), torch.zeros(3, 2), [], [1]).shape == (0, 1)


@pytest.mark.parametrize(("x_rows", "y_rows", "named"), [(0, 3, "x_T_D"), (3, 0, "y_T_D"), (0, 0, "x_T_D")])
def test_an_empty_sequence_has_no_distance(x_rows, y_rows, named):
    with pytest.raises(ValueError, match=rf"{named} has shape \(0, 2\); a sequence needs at least one vector"):
        min_distance(torch.zeros(x_rows, 2), torch.zeros(y_rows, 2))
