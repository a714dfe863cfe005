from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from specreg_sklearn.tables import _subsample, stratified_rows
from specreg_sklearn.tables._subsample import _strata, sampled_rows, subsample


@pytest.fixture(params=[False, True], ids=["short", "long"])
def a_table(request, monkeypatch):
    """Draw from a short table, and as from one in which nothing is shuffled that is not taken."""
    if request.param:
        monkeypatch.setattr(_subsample, "_SHUFFLED", 0)


def test_everything_on_demand():
    X, y = np.zeros((5, 2)), [0, 1, 0, 1, 1]
    assert subsample(X, y, None, 0)[0] is X
    assert subsample(X, y, "all", 0)[0] is X
    assert subsample(X, y, 9, 0)[0] is X


@pytest.mark.usefixtures("a_table")
@pytest.mark.parametrize("size", [10, 33, 60, 99])
def test_every_class_gets_its_share(size):
    y = np.repeat([0, 1, 2], [70, 25, 5])
    X = np.arange(100)[:, None]
    rows, labels = subsample(X, np.random.default_rng(0).permutation(y), size, 0)
    assert len(rows) == len(labels) == size
    assert len(np.unique(rows)) == size
    share = np.array([70, 25, 5]) * size / 100
    counts = np.bincount(labels, minlength=3)
    assert (np.abs(counts - share) < 1).all()


@pytest.mark.usefixtures("a_table")
def test_seeded_and_in_the_original_order():
    X, y = np.arange(200)[:, None], np.arange(200) % 3
    one, two, other = (subsample(X, y, 50, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert (one != other).any()
    assert (np.diff(one[:, 0]) > 0).all()


@pytest.mark.usefixtures("a_table")
def test_every_row_has_its_chance():
    y = np.repeat([0, 1, 2], [24, 30, 6])
    taken = np.zeros(60)
    for seed in range(2000):
        places, weight = stratified_rows(y, 20, seed)
        assert len(set(places.tolist())) == 20
        taken[places] += weight
    # The mean of 2000 draws, of which each counts what it stands for.
    np.testing.assert_allclose(taken * 3 / 2000, 1.0, atol=0.15)


@pytest.mark.usefixtures("a_table")
def test_classes_of_one_row_do_not_stop_it():
    X, y = np.arange(6)[:, None], np.array(list("abcdef"))
    rows, labels = subsample(X, y, 3, 0)
    np.testing.assert_array_equal(labels, y[rows[:, 0]])


def test_frames_stay_frames():
    frame = pd.DataFrame({"a": [1.5, 2.5, 3.5, 4.5], "b": list("wxyz")})
    rows, labels = subsample(frame, [0, 0, 1, 1], 2, 0)
    assert isinstance(rows, pd.DataFrame)
    assert rows.dtypes.equals(frame.dtypes)
    assert sorted(labels) == [0, 1]
    assert frame["b"][frame["a"] == rows["a"].iloc[0]].item() == rows["b"].iloc[0]


@pytest.mark.parametrize(
    "labels",
    [
        np.array([3, -5, 3, 0], dtype=np.int8),
        np.array([True, False, True]),
        np.array([2**64 - 1, 2**64 - 9, 2**64 - 1], dtype=np.uint64),
        np.array([-(2**63), 5 - 2**63]),
        np.array([2**62, 2**62 + 1, 2**62]),
        np.array([0, 65535, 7]),
        np.array([0, 65536]),
        np.array(["a", "b", "a"]),
        np.array([0.5, 0.25]),
        np.array([], dtype=int),
    ],
    ids=str,
)
def test_classes_are_counted_as_they_are_sorted(labels):
    _, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
    found = _strata(labels)
    assert found[0].tolist() == numbers.tolist() and found[1].tolist() == counts.tolist()


def test_the_choice_does_not_depend_on_how_labels_are_written():
    labels = np.random.default_rng(0).integers(0, 3, 500)
    names = np.array(["low", "medium", "very high"])[labels]
    assert (sampled_rows(labels, 40, 7) == sampled_rows(names, 40, 7)).all()
    assert (sampled_rows(labels, 40, 7) == sampled_rows(labels.astype(float), 40, 7)).all()
