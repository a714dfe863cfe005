"""Models that write to their input, or keep it, are asked as if they did not."""

from __future__ import annotations

import numpy as np
import pytest

from specreg_sklearn.attacks import CGBA, FeatureSpace, HopSkipJump


class Overwriting:
    """Spoils the array it is given."""

    def __init__(self, model):
        self.model = model

    def predict(self, X):
        labels = self.model.predict(X)
        X[:] = -1.0
        return labels


class Keeping:
    """Keeps every array it is given, with a copy of what it held then."""

    def __init__(self, model):
        self.model, self.seen = model, []

    def predict(self, X):
        self.seen.append((X, X.copy()))
        return self.model.predict(X)


@pytest.mark.parametrize("attack", [CGBA(max_queries=400), HopSkipJump(max_queries=400)])
@pytest.mark.parametrize("bounds", [None, (0.0, 1.0)])
def test_spoiled_input_changes_nothing(digits, attack, bounds):
    X, y, model = digits
    space = FeatureSpace.from_data(X, bounds=bounds, scale=None)
    options = {"space": space, "pool": X[:200].copy()}
    plain = attack.run(model, X[:12].copy(), y[:12], **options)
    options["pool"] = X[:200].copy()
    spoiled = attack.run(Overwriting(model), X[:12].copy(), y[:12], **options)
    np.testing.assert_array_equal(plain.X_adv, spoiled.X_adv)
    np.testing.assert_array_equal(plain.distances, spoiled.distances)


@pytest.mark.parametrize("bounds", [None, (0.0, 1.0)])
def test_kept_arrays_stay_as_they_were(digits, bounds):
    X, y, model = digits
    keeping = Keeping(model)
    space = FeatureSpace.from_data(X, bounds=bounds, scale=None)
    CGBA(max_queries=400).run(keeping, X[:12], y[:12], space=space, pool=X[:200])
    assert len(keeping.seen) > 20
    for array, copy in keeping.seen:
        np.testing.assert_array_equal(array, copy)
