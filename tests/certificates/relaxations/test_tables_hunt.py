"""A hunt for rows of tables that a network labels otherwise, nearer than its proof allows.

Random tables with whole numbers, columns far from zero and of any scale, in float32 and float64;
spaces with bounds inside and around the data, cells that move one way only, columns that stay,
prices; scalers and projections in front; ReLU and curves.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from specreg_sklearn import FeatureSpace
from specreg_sklearn.attacks import resolve_attack
from specreg_sklearn.certificates import distance_prover
from specreg_sklearn.tables import as_table

pytestmark = pytest.mark.filterwarnings("ignore")
N_ROWS = 6


def random_model(rng):
    """Return a fitted pipeline, its rows, and which of their columns hold whole numbers."""
    n, d = 200, int(rng.integers(3, 12))
    X = rng.normal(size=(n, d)) if rng.random() < 0.5 else rng.exponential(size=(n, d)) ** 2
    whole = rng.random(d) < 0.25
    X[:, whole] = np.rint(2 * X[:, whole])
    score = X @ rng.normal(size=d) + 0.3 * X**2 @ rng.normal(size=d)
    y = (score > np.median(score)).astype(int) + (rng.random(n) < 0.1)
    far = rng.choice([0.0, 1e2, 1e4])
    X = X * np.where(whole, 1, 10 ** rng.uniform(-2, 2, size=d)) + far
    X = X.astype(rng.choice([np.float32, np.float64]))
    front = [[StandardScaler()], [MinMaxScaler()], [StandardScaler(), PCA(d // 2)]]
    last = MLPClassifier(
        tuple(rng.integers(3, 13, size=rng.integers(1, 3)).tolist()),
        activation=rng.choice(["relu", "relu", "tanh", "logistic"]),
        max_iter=int(rng.choice([5, 60])),
        learning_rate_init=0.02,
        random_state=0,
    )
    model = make_pipeline(*front[rng.integers(3)], last).fit(X, y)
    return model, X, np.where(whole, "integer", "real").tolist()


def random_space(rng, X, kinds):
    """Return a space of the rows."""
    d = X.shape[1]
    options = {"types": kinds if rng.random() < 0.5 else ["real"] * d}
    if rng.random() < 0.5:
        options["increase_only"] = [0]
    if rng.random() < 0.4:
        options["decrease_only"] = [1]
    if d > 4 and rng.random() < 0.4:
        options["mutable"] = [j for j in range(d) if j != 3]
    bounds = rng.choice(["data", "none", "inside"])
    if bounds == "none":
        options["bounds"] = None
    elif bounds == "inside":
        low, high = np.quantile(X.astype(float), [0.2, 0.8], axis=0)
        options["bounds"] = {j: (min(low[j], high[j] - 1e-6), high[j]) for j in range(d)}
    elif rng.random() < 0.5:
        options["cost"] = {2: (2.0, 3.0)}
    return FeatureSpace.from_data(X, **options)


def gaps_of(seed):
    """Return lower bounds of some rows over the nearest rows that anybody finds."""
    rng = np.random.default_rng(seed)
    model, X, kinds = random_model(rng)
    some = rng.choice(len(X), N_ROWS, replace=False)
    space, labels = random_space(rng, X, kinds), model.predict(X[some])
    norm = (1, 2, np.inf)[seed % 3]
    rows, prover = space.bind(X[some]), distance_prover(model, X)
    assert prover.name == "relaxation"
    proved = prover.bounds(rows, norm=norm, max_nodes=int(rng.choice([1, 300, 1500])))
    attack = resolve_attack("auto", norm=norm, max_queries=800)
    found = attack.run(model, X[some], labels, space=space, pool=X)
    cells = rows.read(as_table(found.X_adv), np.arange(N_ROWS))
    again = prover.bounds(rows, norm=norm, max_nodes=1, known=cells)
    nearest = np.minimum(np.minimum(proved.upper, again.upper), found.distances)
    for bounds in (proved, again):
        shown = np.isfinite(bounds.upper)
        given = rows.build(np.where(shown[:, None], bounds.witness, rows.raw), np.arange(N_ROWS))
        assert (model.predict(given)[shown] != labels[shown]).all()
    known = np.isfinite(nearest) & (nearest > 0)
    assert (proved.lower <= nearest)[np.isfinite(nearest)].all()
    return (proved.lower[known] / nearest[known]).tolist()


def test_some_tables():
    ratios = [ratio for seed in range(4) for ratio in gaps_of(seed)]
    assert len(ratios) > 10 and np.median(ratios) > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("part", range(6))
def test_many_tables(part):
    ratios = [ratio for seed in range(100 + 30 * part, 130 + 30 * part) for ratio in gaps_of(seed)]
    assert len(ratios) > 80 and np.median(ratios) > 0.7
