"""Labels of two arrays, compared row by row."""

from __future__ import annotations

import numpy as np
import pytest

from specreg_sklearn.attacks import FeatureSpace
from specreg_sklearn.metrics import adversarial_distances
from specreg_sklearn.tables import LabelCoder, as_labels, as_targets, same_labels


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([0, 1, 2], [0, 2, 2]),
        ([True, False, True], [1, 1, 1]),
        ([0.0, 1.0, 5.0], [0, 1, 4]),
        (["a", "bb", "c"], ["a", "b", "c"]),
    ],
)
def test_as_python_compares_them(one, other):
    wanted = [a == b for a, b in zip(one, other, strict=True)]
    np.testing.assert_array_equal(same_labels(np.array(one), np.array(other)), wanted)


def test_objects_and_labels_of_different_kinds():
    one, other = (np.empty(2, dtype=object) for _ in range(2))
    one[:], other[:] = [("a", 1), ("b", 2)], [("a", 1), ("b", 3)]
    np.testing.assert_array_equal(same_labels(one, other), [True, False])
    with pytest.raises(ValueError, match="labels of different kinds"):
        same_labels(np.array([1, 2]), np.array(["1", "2"]))


BIG = 2**62
KINDS = {
    "int64": lambda v: np.array(v, dtype=np.int64),
    "uint64": lambda v: np.array(v, dtype=np.uint64),
    "float64": lambda v: np.array(v, dtype=np.float64),
    "objects": lambda v: as_labels(np.array(v, dtype=object), "y"),
    "list": lambda v: as_labels(list(v), "y"),
}


@pytest.mark.parametrize("one", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_large_whole_numbers_are_compared_exactly(one, other):
    """Python's own comparison is the truth, of what is really in the arrays."""
    a = KINDS[one]([BIG, BIG + 1, BIG + 2, 3, 2**53, BIG])
    b = KINDS[other]([BIG, BIG, BIG + 2, 3, 2**53 + 1, 5])
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    np.testing.assert_array_equal(same_labels(a, b), [v == w for v, w in pairs])
    coder = LabelCoder(a)
    known = a.tolist()
    codes = coder.encode(b)
    assert [c >= 0 for c in codes] == [w in known for w in b.tolist()]
    np.testing.assert_array_equal(
        coder.matches(b, coder.decode(coder.encode(a))), [v == w for v, w in pairs]
    )


def test_labels_beyond_all_dtypes():
    huge = as_labels([2**63 + 1, -1, 2**70], "y")
    assert as_targets([2**63 + 1, -1, 2**70], 3).tolist() == [2**63 + 1, -1, 2**70]
    np.testing.assert_array_equal(
        same_labels(huge, np.array([2**63 + 1, 2**63, 7], dtype=np.uint64)), [True, False, False]
    )


@pytest.mark.parametrize("kinds", [(np.int64, np.uint64), (np.uint64, np.int64)])
def test_a_model_of_large_labels_is_attacked_as_any_other(kinds):
    """y and predictions in other dtypes: nothing is right by rounding, and nothing is fooled."""
    mine, theirs = kinds
    X = np.linspace(-1, 1, 41)[:, None]
    names = np.array([BIG, BIG + 1])

    class Large:
        def predict(self, Z):
            return names.astype(theirs)[(Z[:, 0] > 0.1).astype(int)]

    y = names.astype(mine)[(X[:, 0] > 0.1).astype(int)]
    space = FeatureSpace.from_data(X, scale=None)
    found = adversarial_distances(Large(), X, y, space=space)
    np.testing.assert_allclose(found, np.abs(X[:, 0] - 0.1), atol=1e-3)
    wrong = adversarial_distances(Large(), X, np.full(41, BIG, dtype=mine), space=space)
    assert (wrong[X[:, 0] > 0.1] == 0).all() and (wrong[X[:, 0] <= 0.1] > 0).all()


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.float64])
def test_answers_are_compared_with_the_wanted_label_exactly(dtype):
    """A model's answers may come in another dtype than y: 2**62 is not 2**62 + 1 in any of them."""
    coder = LabelCoder(np.array([2**62, 2**62 + 1]))
    wanted = coder.decode(np.array([0, 1]))
    answers = np.full(2, 2**62).astype(dtype)
    np.testing.assert_array_equal(coder.matches(answers, wanted), [True, False])
