"""Labels of two arrays, compared row by row."""

from __future__ import annotations

import numpy as np
import pytest

from specreg_sklearn.tables import same_labels


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
