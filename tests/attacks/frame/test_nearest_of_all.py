"""Rows from elsewhere are taken over where the model repeats its answer, or all but."""

from __future__ import annotations

import numpy as np
import pytest

from specreg_sklearn.attacks.frame import NearestOfAll
from specreg_sklearn.space import FeatureSpace


class OtherAsAWhole:
    """A threshold at 1 that lies `blur` higher for arrays of four rows."""

    classes_ = np.array([0, 1])

    def __init__(self, blur):
        self.blur = blur

    def predict(self, X):
        return (X[:, 0] > 1 + self.blur * (len(X) == 4)).astype(int)


@pytest.mark.parametrize("blur", [0.0, 3e-11, 3e-8, 1e-3])
def test_rows_on_the_boundary_are_moved_on_by_a_hair(blur):
    X = np.array([[0.0, 5.0], [0.5, 7.0], [-1.0, 6.0], [0.2, 5.5]])
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    model = OtherAsAWhole(blur)
    nearest = NearestOfAll(model, X, np.zeros(4, int), space, norm=2, targeted=False)
    # Two rows one rounding behind the threshold, one that is beyond in any array, and none.
    cells = np.column_stack([[np.nextafter(1, 2), np.nextafter(1, 2), 2.0, np.nan], X[:, 1]])
    nearest.add_cells("proof", cells)
    result = nearest.result(None)
    expected = np.array([blur < 1e-6, blur < 1e-6, True, False])
    np.testing.assert_array_equal(result.success, expected)
    assert (model.predict(result.X_adv)[expected] == 1).all()
    np.testing.assert_allclose(result.distances[expected], [1.0, 0.5, 3.0][-expected.sum() :], 1e-6)
    if not blur:
        # Cells that hold stay as they are.
        np.testing.assert_array_equal(result.X_adv[:3], cells[:3])
    assert result.n_queries[3] == 0


def test_nobody_has_looked():
    X = np.zeros((4, 2))
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    nearest = NearestOfAll(OtherAsAWhole(0), X, np.zeros(4, int), space, norm=2, targeted=False)
    result = nearest.result(None)
    assert not result.success.any() and np.isinf(result.distances).all()
