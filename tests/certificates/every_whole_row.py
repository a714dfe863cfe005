"""Distances in tables of whole numbers, where every row of the space can be asked."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from specreg_sklearn.certificates import distance_prover
from specreg_sklearn.space import FeatureSpace

NORMS = (0, 1, 2, np.inf)
IN_EVERY_SPACE = pytest.mark.parametrize(
    "options",
    [
        {"scale": None},
        {"scale": [1.0, 2.0, 0.7, 3.0]},
        {"scale": [1.0, 2.0, 0.7, 3.0], "cost": {0: (3.0, 1.0), 2: 2.5}},
        {"scale": [0.5, 2.0, 0.7, 1.0], "increase_only": [1], "decrease_only": [3]},
        {"scale": None, "mutable": [1, 2]},
    ],
    ids=["cells", "units", "prices", "one way", "two move"],
)


def assert_exact(model, X, clean, options):
    """Compare the bounds of clean rows with the nearest of all rows in a space of four columns."""
    rows = FeatureSpace.from_data(X, **options).bind(clean)
    own = model.predict(clean)
    some, sizes = np.isin(np.arange(4), rows.columns), (rows.low, rows.high)
    grid = np.array(list(product(*(np.arange(a, b + 1) for a, b in zip(*sizes, strict=True)))))
    prover = distance_prover(model, X)
    found = {norm: prover.bounds(rows, norm=norm) for norm in NORMS}
    for i, label in enumerate(own):
        owner = np.full(len(grid), i)
        low, high = rows.box(np.array([i]))
        inside = ((grid >= low) & (grid <= high)).all(axis=1)
        Z = np.tile(clean[i], (len(grid), 1))
        Z[:, some] = grid
        other = inside & (model.predict(Z) != label)
        for norm in NORMS:
            exact = rows.distance(grid[other], owner[other], norm).min(initial=np.inf)
            lower, upper, _, closed, _ = (part[i] for part in found[norm])
            assert lower <= exact <= upper * (1 + 1e-12) and closed
            np.testing.assert_allclose(lower, exact, rtol=1e-8)
