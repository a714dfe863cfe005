"""Rows of rare classes are seen, and weights make up for it."""

from __future__ import annotations

import numpy as np
import pytest

from specreg_sklearn.tables import sampled_rows, stratified_rows


def test_no_class_is_rare_as_before():
    labels = np.repeat([0, 1], [700, 300])
    places, weight = stratified_rows(labels, 100, 0)
    np.testing.assert_array_equal(places, sampled_rows(labels, 100, 0))
    assert (weight == 1).all()
    assert (stratified_rows(labels, None, 0)[1] == 1).all()


def test_a_class_of_one_per_cent_is_seen_and_weighs_what_it_is():
    labels = np.repeat(["common", "rare"], [4950, 50])
    places, weight = stratified_rows(labels, 100, 0)
    assert len(places) == len(set(places.tolist())) == 100
    rare = labels[places] == "rare"
    assert rare.sum() == 10
    assert weight[rare].sum() / weight.sum() == pytest.approx(0.01)
    assert weight.mean() == pytest.approx(1)


def test_weighted_shares_are_unbiased():
    """The mean over 500 seeds is the share of all rows; the standard error is known."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [900, 80, 20])
    marked = rng.random(1000) < np.array([0.9, 0.5, 0.1])[labels]
    shares, plain = [], []
    for seed in range(500):
        places, weight = stratified_rows(labels, 60, seed)
        shares.append(weight @ marked[places] / weight.sum())
        plain.append(marked[places].mean())
    error = 4 * np.std(shares) / np.sqrt(len(shares))
    assert abs(np.mean(shares) - marked.mean()) < error
    assert abs(np.mean(plain) - marked.mean()) > error  # without weights it is biased


@pytest.mark.parametrize(
    ("counts", "size", "quotas"),
    [
        ([98, 2], 50, (48, 2)),  # all rows there are
        ([500, 300, 5, 5], 8, (4, 2, 1, 1)),  # at least one of each
        ([600, 300, 50, 50], 40, (None, None, 5, 5)),  # at most half of all
        ([1000, 1], 1, (1, 0)),  # more classes than rows
    ],
)
def test_how_many_of_each(counts, size, quotas):
    labels = np.repeat(np.arange(len(counts)), counts)
    places, weight = stratified_rows(labels, size, 0)
    assert len(places) == size
    taken = np.bincount(labels[places], minlength=len(counts))
    for got, quota in zip(taken, quotas, strict=True):
        assert quota is None or abs(got - quota) <= 1
    for code, quota in enumerate(quotas):
        if quota and quota <= 10:
            assert taken[code] >= 1
    assert weight.mean() == pytest.approx(1)
