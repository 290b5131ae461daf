"""The moving average against its recurrence."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hista_repro.estimators import smooth
from hista_repro.estimators.smoothing import moving_average


def recurrence(hidden_T_D, alpha, interval):
    rows, average = [], hidden_T_D[0].double() if len(hidden_T_D) else None
    for t, row in enumerate(hidden_T_D.double(), start=1):
        average = alpha * average + (1 - alpha) * row
        if t % interval == 0:
            rows.append(average)
    return torch.stack(rows).float() if rows else torch.zeros(0, hidden_T_D.shape[1])


def test_worked_by_hand():
    rows = smooth(torch.tensor([[1.0], [2.0], [4.0], [0.0]]), alpha=0.5, interval=1)
    assert rows.tolist() == [[1.0], [1.5], [2.75], [1.375]]
    assert smooth(torch.tensor([[1.0], [2.0], [4.0]]), alpha=0.5, interval=2).tolist() == [[1.5]]


@settings(max_examples=100, deadline=None)
@given(
    tokens=st.integers(0, 90),
    depth=st.integers(1, 4),
    alpha=st.sampled_from([0.0, 0.1, 0.5, 0.7, 0.9, 0.97, 0.999]),
    interval=st.integers(1, 30),
    seed=st.integers(0, 10**6),
)
def test_equals_the_recurrence(tokens, depth, alpha, interval, seed):
    hidden_T_D = torch.randn(tokens, depth, generator=torch.Generator().manual_seed(seed))
    rows = smooth(hidden_T_D, alpha, interval)
    assert rows.shape == (tokens // interval, depth)
    torch.testing.assert_close(rows, recurrence(hidden_T_D, alpha, interval), rtol=1e-5, atol=2e-6)


def test_long_memory_over_many_tokens():
    hidden_T_D = torch.randn(2000, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(smooth(hidden_T_D, 0.999, 1), recurrence(hidden_T_D, 0.999, 1), rtol=1e-5, atol=1e-5)


def test_alpha_zero_takes_the_rows_as_they_are():
    hidden_T_D = torch.randn(23, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(smooth(hidden_T_D, 0.0, 5), hidden_T_D[4::5])


def test_rows_do_not_see_later_tokens():
    hidden_T_D = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(smooth(hidden_T_D, 0.7, 5)[:4], smooth(hidden_T_D[:23], 0.7, 5))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_averaged_in_float32(dtype):
    hidden_T_D = torch.randn(40, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert torch.equal(smooth(hidden_T_D), smooth(hidden_T_D.float()))


def test_any_first_token_up_to_the_interval():
    hidden_T_D = torch.randn(17, 2, generator=torch.Generator().manual_seed(0))
    every_token = smooth(hidden_T_D, 0.7, 1)
    for first in range(1, 6):
        torch.testing.assert_close(moving_average(hidden_T_D, 0.7, first=first, interval=5), every_token[first - 1 :: 5])
    assert moving_average(hidden_T_D[:1], 0.7, first=1, interval=5).tolist() == hidden_T_D[:1].tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 1.0}, "alpha must be at least 0 and below 1, not 1.0"),
        ({"alpha": -0.1}, "alpha must be at least 0 and below 1, not -0.1"),
        ({"alpha": float("nan")}, "alpha"),
        ({"interval": 0}, "interval must be at least 1, not 0"),
        ({"interval": 2.5}, "interval must be an integer, not 2.5"),
    ],
)
def test_bad_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        smooth(torch.zeros(3, 2), **arguments)


@pytest.mark.parametrize(
    ("hidden_T_D", "message"),
    [
        (torch.zeros(3), r"hidden_T_D has shape \(3,\), not \(tokens, hidden size\)"),
        (torch.full((5, 2), torch.nan), "hidden_T_D holds nan in row 0"),
        (torch.tensor([[0.0, 0.0], [0.0, -torch.inf]]), "hidden_T_D holds -inf in row 1"),
    ],
)
def test_bad_states(hidden_T_D, message):
    with pytest.raises(ValueError, match=message):
        smooth(hidden_T_D)
