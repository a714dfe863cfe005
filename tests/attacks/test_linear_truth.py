"""On linear models the distance is known in closed form: no attack may report less."""

from __future__ import annotations

import numpy as np
import pytest

from specreg_sklearn.attacks import ARTAttack, FeatureSpace


def exact_distances(model, X, y, scale, dual):
    """Return min over j of (f_y - f_j) / ||w_y - w_j||_dual in scaled units."""
    W, b = model.coef_, model.intercept_
    if len(W) == 1:
        W, b = np.vstack([np.zeros_like(W), W]), np.append(0.0, b)
    scores = X @ W.T + b
    out = np.full(scores.shape, np.inf)
    for i, k in enumerate(np.searchsorted(model.classes_, y)):
        for j in range(len(W)):
            if j != k:
                slope = np.linalg.norm((W[k] - W[j]) * scale, ord=dual)
                out[i, j] = (scores[i, k] - scores[i, j]) / slope
    return out.min(axis=1)


# HopSkipJump keeps to the basin of its start and has 2500 queries: on ten classes, and in Linf, it
# ends farther out. Each bound is the larger median of the two scales, rounded up.
@pytest.mark.parametrize(
    ("data", "scale", "norm", "dual", "median"),
    [
        # Standardised: its scale "std" is one.
        ("cancer", "std", 2, 2, 1.02),
        ("cancer", "std", np.inf, 1, 1.03),
        ("digits", "std", 2, 2, 1.06),
        ("digits", None, 2, 2, 1.06),
        ("digits", "std", np.inf, 1, 1.15),
        ("digits", None, np.inf, 1, 1.15),
    ],
)
def test_hop_skip_jump_reaches_but_never_beats_the_exact_distance(
    request, data, scale, norm, dual, median
):
    X, y, model = request.getfixturevalue(data)
    right = model.predict(X) == y
    rows = np.flatnonzero(right)[:12]
    # Pixels that are always empty have no unit; the model gives them no weight.
    space = FeatureSpace.from_data(X, bounds=None, scale=scale, mutable=X.std(axis=0) > 0)
    result = ARTAttack("HopSkipJump", norm=norm).run(model, X[rows], y[rows], space=space, pool=X)
    exact = exact_distances(model, X[rows], y[rows], space.scale, dual)
    ratio = result.distances / exact
    assert result.success.all()
    assert ratio.min() >= 1 - 1e-9
    assert np.median(ratio) <= median


@pytest.mark.parametrize("name", ["BoundaryAttack", "SignOPTAttack"])
def test_other_attacks_never_beat_the_exact_distance(cancer, name):
    X, y, model = cancer
    rows = np.flatnonzero(model.predict(X) == y)[:4]
    space = FeatureSpace.from_data(X, bounds=None)
    attack = ARTAttack(name, max_iter=3)
    result = attack.run(model, X[rows], y[rows], space=space, pool=X)
    exact = exact_distances(model, X[rows], y[rows], space.scale, 2)
    assert result.success.all()
    assert (result.distances >= exact * (1 - 1e-9)).all()


def test_units_do_not_matter(cancer):
    """The same model in units of 1e-6 and 1e6, with the matching scale, gives equal distances."""
    X, y, model = cancer
    unit = np.where(np.arange(X.shape[1]) % 2, 1e-6, 1e6)

    class InOtherUnits:
        def predict(self, Z):
            return model.predict(Z / unit)

    rows = np.flatnonzero(model.predict(X) == y)[:6]
    attack = ARTAttack("HopSkipJump", max_iter=3)
    plain = attack.run(model, X[rows], y[rows], pool=X)
    other = attack.run(InOtherUnits(), X[rows] * unit, y[rows], pool=X * unit)
    np.testing.assert_allclose(other.distances, plain.distances, rtol=1e-3)
