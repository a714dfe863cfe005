"""Rows in memory: every row once a pass, order from the generator, copies not views."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from specreg_sklearn.training import TensorRows, batched
from specreg_sklearn.training._batches import BatchLoader


def numbered_rows(n_samples):
    """Row i holds i everywhere, so that rows, codes and weights can be matched."""
    numbers = np.arange(n_samples)
    return TensorRows(
        np.repeat(numbers[:, None], 3, axis=1).astype(np.float64), numbers, numbers + 0.5, "cpu"
    )


def visited(loader):
    batches = list(loader)
    for X, (y, weight) in batches:
        assert torch.equal(X, y[:, None].expand(-1, 3).to(X.dtype))
        assert torch.equal(weight, y + 0.5)
    return [batch[1][0].tolist() for batch in batches]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("n_samples", "batch_size"), [(10, 3), (10, 5), (10, 1), (10, 99), (2, 1)])
def test_every_row_comes_once_a_pass(n_samples, batch_size, shuffle, generator):
    loader = BatchLoader(numbered_rows(n_samples), batch_size, shuffle, generator)
    for _ in range(3):
        batches = visited(loader)
        assert sorted(row for batch in batches for row in batch) == list(range(n_samples))
        assert len(batches) == len(loader)
        assert all(len(batch) == batch_size for batch in batches[:-1])
        assert 1 <= len(batches[-1]) <= batch_size


def test_equal_weights_are_left_out():
    rows = TensorRows(np.ones((4, 2)), np.zeros(4, dtype=int), np.full(4, 2.5), "cpu")
    assert all(weight is None for _, (_, weight) in BatchLoader(rows, 2))


def test_rows_stay_in_order_without_shuffling():
    assert visited(BatchLoader(numbered_rows(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]


def test_the_order_comes_from_the_generator_and_changes_from_pass_to_pass():
    def two_passes(seed):
        generator = torch.Generator().manual_seed(seed)
        loader = BatchLoader(numbered_rows(50), 8, True, generator)
        return visited(loader), visited(loader)

    assert two_passes(1) == two_passes(1)
    assert two_passes(1)[0] != two_passes(2)[0]
    first, second = two_passes(1)
    assert first != second


def test_rows_are_copied_and_read_only_arrays_are_welcome():
    X = np.ones((4, 2))
    rows = TensorRows(X, np.zeros(4, dtype=int), np.ones(4), "cpu")
    X[:] = 5
    assert torch.equal(rows.X, torch.ones(4, 2, dtype=torch.float64))
    X.setflags(write=False)
    assert torch.equal(TensorRows(X, np.zeros(4, dtype=int), np.ones(4), "cpu").X, 5 * rows.X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_weights_follow_the_rows_and_codes_are_integers(dtype):
    rows = TensorRows(np.ones((2, 1), dtype), np.array([0, 1]), np.array([1.0, 2.0]), "cpu")
    assert rows.X.dtype == rows.weight.dtype == torch.from_numpy(np.ones(1, dtype)).dtype
    assert rows.y.dtype == torch.int64


@pytest.mark.parametrize("n_samples", [1, 5, 16384, 16385, 40000])
def test_batched_equals_one_call(n_samples):
    X = np.arange(2.0 * n_samples).reshape(n_samples, 2)
    result = batched(lambda rows: rows[:, :1] * 3, X, device="cpu")
    np.testing.assert_array_equal(result, X[:, :1] * 3)


def test_batched_takes_read_only_and_strided_rows_and_keeps_no_gradient():
    X = np.arange(24.0).reshape(6, 4)[::2, ::-1]
    X.setflags(write=False)
    layer = torch.nn.utils.skip_init(torch.nn.Linear, 4, 1, dtype=torch.float64)
    torch.nn.init.ones_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    np.testing.assert_allclose(batched(layer, X, device="cpu")[:, 0], X.sum(axis=1))
