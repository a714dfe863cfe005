"""Ten thousand reported rows, and not one that breaks a promise.

Every attack meets every model and container. What it reports is checked from scratch: by the
model itself on the very rows that came back, and by plain definitions of bounds, units and budgets.
"""

from __future__ import annotations

import time
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from specreg_sklearn import attacks as A
from specreg_sklearn.estimators import SpectrallyRegularizedEncoder

ATTACKS = [
    A.CGBA(max_queries=80),
    A.CGBA(max_queries=250, starts="uniform"),
    A.TangentAttack(max_queries=90),
    A.TangentAttack(max_queries=120, axis_ratio=1.5),
    A.HopSkipJump(max_iter=2, init_eval=20, max_queries=150),
    A.HopSkipJump(max_iter=2, init_eval=20, max_queries=100, norm=np.inf),
    A.RayS(max_queries=100),
    A.SquareAttack(max_queries=80),
    A.SquareAttack(max_queries=60, norm=np.inf),
    A.ARTAttack("HopSkipJump", max_iter=1, init_eval=20, max_queries=100),
    A.ARTAttack("BoundaryAttack", max_iter=4, max_queries=80),
]


class Counting:
    """A model that counts the rows it is asked about, by the number in their last column."""

    def __init__(self, model):
        self.model, self.classes_, self.asked = model, model.classes_, np.zeros(999, int)
        scores = "decision_function" if hasattr(model, "decision_function") else "predict_proba"
        setattr(self, scores, lambda X: getattr(model, scores)(self._count(X)))

    def predict(self, X):
        return self.model.predict(self._count(X))

    def _count(self, X):
        number = X[:, -1] if isinstance(X, np.ndarray) else X["number"].to_numpy()
        self.asked += np.bincount(number.astype(int), minlength=len(self.asked))
        return X


def as_seen(X):
    """Return what models look at: no numbers of rows, and what old pipelines know for polars."""
    if isinstance(X, pl.DataFrame):
        X = pd.DataFrame({name: X[name].to_numpy() for name in X.columns})
    return X[:, :-1] if isinstance(X, np.ndarray) else X.drop(columns="number")


def levels_follow(moved, clean):
    """The part is not above the whole, and the level says whether they are equal."""
    moved["part"] = np.minimum(moved["part"], moved["whole"].astype(np.float32))
    moved["level"] = np.where(moved["part"] == moved["whole"], "full", "some")
    return moved


# --- Problems ------------------------------------------------------------------------------------


class Problem:
    """A fitted pipeline of steps, its rows, and what an attack may do to them."""

    def __init__(
        self, X, y, *steps, eps, numbered=True, polars=False, mutable=None, scale="std",
        bounds="data", whole=(), repair=None,
    ):  # fmt: skip
        if numbered:
            # No attack may change this column, and no model looks at it.
            number = np.arange(len(X)).astype(getattr(X, "dtype", int))
            X = X.assign(number=number) if hasattr(X, "assign") else np.column_stack([X, number])
            steps = FunctionTransformer(as_seen), *steps
        self.model = clone(make_pipeline(*steps)).fit(X, y)
        X = pl.from_pandas(X) if polars else X
        self.X, self.y, self.eps, self.numbered = X, y, eps, numbered
        self.rounds_by_array = isinstance(steps[-1], SpectrallyRegularizedEncoder)
        columns = dict(enumerate(columns_of(X)))
        numeric = [j for j in columns if not isinstance(columns[j][0], (str, bool))]
        mutable = numeric[: len(numeric) - numbered] if mutable is None else mutable
        options = {"scale": scale, "bounds": bounds, "repair": repair}
        types = dict.fromkeys(whole, "integer")
        self.space = A.FeatureSpace.from_data(X, mutable=mutable, types=types, **options)
        # By column: lowest, highest, unit, whether whole, for those that may move as numbers.
        self.limits, self.mutable = {}, mutable
        for j in set(mutable) & set(numeric):
            values = np.array(columns[j], dtype=float)
            ends = np.nanmin(values), np.nanmax(values)
            units = {"std": np.nanstd(values), "range": ends[1] - ends[0], None: 1}
            box = {"data": ends, None: (-np.inf, np.inf)}.get(bounds, bounds)
            is_whole = j in whole or isinstance(columns[j][0], int)
            self.limits[j] = *box, units.get(scale, scale), is_whole


@pytest.fixture(scope="module")
def problems():
    rng, n = np.random.default_rng(0), 240
    cancer, ill = (part[:240] for part in load_breast_cancer(return_X_y=True))
    wine, grape = load_wine(return_X_y=True)
    gaps = np.where(rng.random(wine.shape) < 0.1, np.nan, wine)
    digits, digit = (part[:250] for part in load_digits(return_X_y=True))
    iris, flower = load_iris(return_X_y=True)
    mixed = iris.astype(object)
    mixed[:, 0] = [int(10 * cell) for cell in iris[:, 0]]
    people = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n).astype(np.int16),
            "city": rng.choice(["A", "B", "C"], n),
            "debt": rng.normal(size=n) * 1e4,
            "income": rng.lognormal(3, 1, n).astype(np.float32),
            "member": rng.random(n) < 0.5,
        }
    )
    owes = people["age"] / 20 - np.log(people["income"]) + people["debt"] / 1e4
    pays = np.where(owes + (people["city"] == "A") > owes.median(), "no", "yes")
    kinds = make_column_transformer(
        (OneHotEncoder(), ["city", "member"]), (StandardScaler(), ["age", "debt", "income"])
    )
    parts = pd.DataFrame({"part": rng.uniform(0, 30, n), "whole": rng.integers(1, 20, n)})
    parts = levels_follow(parts.astype({"part": np.float32, "whole": np.int16}), None)
    parts.index = rng.permutation(n)
    left = (parts["whole"] - parts["part"]).to_numpy()
    levels = make_column_transformer((OneHotEncoder(), ["level"]), remainder="passthrough")
    rule = {"mutable": [0, 1, 2], "repair": levels_follow}
    forest = RandomForestClassifier(10, random_state=0)
    boosting = HistGradientBoostingClassifier(max_iter=10, random_state=0)
    scaler, logistic, neighbours = StandardScaler(), LogisticRegression(), KNeighborsClassifier()
    mlp = MLPClassifier((16,), solver="lbfgs", max_iter=50, random_state=0)
    encoder = SpectrallyRegularizedEncoder(hidden_layer_sizes=8, max_iter=20, random_state=0)
    P, f2, f4 = Problem, np.float16, np.float32
    return {
        "float64": P(cancer, ill, scaler, logistic, eps=2.0, numbered=False),
        "float32": P(cancer.astype(f4), ill, scaler, mlp, eps=0.7, scale="range"),
        "float16": P(cancer.astype(f2), ill, forest, eps=2.0, bounds=(0, 6e4)),
        "immutable": P(wine, grape, boosting, eps=2.0, mutable=[0, 4, 6, 9, 11, 12]),
        "missing": P(gaps, grape, boosting, eps=2.0, bounds=None, scale="range"),
        "uint8": P(digits.astype(np.uint8), digit, neighbours, eps=14.0, scale=None),
        "int64": P(digits.astype(int), digit, scaler, mlp, eps=2.0, scale=4.0, bounds=(0, 16)),
        "whole": P(wine, grape, scaler, neighbours, eps=2.0, whole=[4]),
        "object": P(mixed, flower == 1, logistic, eps=1.5, bounds=(0, 99)),
        "encoder": P(wine.astype(f4), grape == 1, scaler, encoder, eps=2.0),
        "pandas": P(people, pays, kinds, logistic, eps=1.5),
        "trees": P(people, pays, kinds, boosting, eps=1.5, mutable=[0, 2]),
        "polars": P(people, pays, kinds, forest, eps=1.5, bounds=None, polars=True),
        "repair": P(parts, left > np.median(left), levels, forest, eps=1.5, **rule),
    }


# --- Checks --------------------------------------------------------------------------------------


def columns_of(X):
    """Return the cells of each column as Python objects."""
    return X.T.tolist() if isinstance(X, np.ndarray) else [X[name].to_list() for name in X.columns]


def attack_and_check(p, attack, n, *, targeted, within):
    """Attack n rows, check every one of them, and return how many were reported."""
    X, y, classes = p.X[-n:], p.y[-n:], p.model.classes_
    if targeted:
        y = classes[(np.searchsorted(classes, y) + 1) % len(classes)]
    eps = p.eps if within or isinstance(attack, A.SquareAttack) else None
    model = Counting(p.model) if p.numbered else p.model
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*found no adversarial row")
        attack = clone(attack).set_params(targeted=targeted)
        result = attack.run(model, X, y, space=p.space, eps=eps, pool=p.X)
    reported = np.isin(result.status, ["found", "stopped_at_eps"])
    assert ((p.model.predict(result.X_adv) == y) == targeted)[reported].all()
    steps = check_rows(p, X, result.X_adv, reported)
    distance = np.linalg.norm(steps, ord=attack.norm, axis=1)
    np.testing.assert_allclose(result.distances[reported], distance[reported], rtol=1e-9)
    assert (distance[reported] > 0).all()
    within = isinstance(attack, A.SquareAttack) & reported | (result.status == "stopped_at_eps")
    assert (result.distances[within] <= (eps or 0)).all()
    assert (result.n_queries <= attack.max_queries).all()
    if p.numbered:
        # Two answers are free, about the row itself and about it in the pool. The first row is left
        # out: it also fills up blocks.
        asked = model.asked[len(p.X) - n : len(p.X)] - 2
        free = (asked - result.n_queries)[1:][reported[1:]]
        # So are those about rows that hold, when another one of the array is asked again. That
        # happens where the model rounds its answers by what else is in the array.
        assert (free >= 0).all() and (p.rounds_by_array or not free.any())
    return int(reported.sum())


def check_rows(p, X, X_adv, reported):
    """Check containers and cells; return the steps in units of the space."""
    assert type(X_adv) is type(X) and X_adv.shape == X.shape
    if isinstance(X, np.ndarray):
        assert X_adv.dtype == X.dtype
    elif isinstance(X, pl.DataFrame):
        assert X_adv.schema == X.schema
    else:
        assert X_adv.columns.equals(X.columns) and X_adv.index.equals(X.index)
        assert X_adv.dtypes.equals(X.dtypes)
    new_cells, steps = columns_of(X_adv), np.zeros(X.shape)
    for j, (old, new) in enumerate(zip(columns_of(X), new_cells, strict=True)):
        assert [type(cell) for cell in new] == [type(cell) for cell in old]
        stays = ~reported | (j not in p.mutable)
        # repr tells 1 from 1.0 and 0.0 from -0.0, and shows every digit.
        assert all(repr(a) == repr(b) for a, b, s in zip(old, new, stays, strict=True) if s)
        if j in p.limits:
            low, high, unit, whole = p.limits[j]
            clean, moved = np.array(old, dtype=float), np.array(new, dtype=float)
            known = ~np.isnan(clean)
            np.testing.assert_array_equal(~np.isnan(moved), known)
            assert (moved >= np.minimum(low, clean))[known].all()
            assert (moved <= np.maximum(high, clean))[known].all()
            assert not whole or (moved == np.rint(moved))[known].all()
            steps[known, j] = (moved - clean)[known] / unit
    if p.space.repair:
        for part, whole, level in zip(*new_cells[:3], strict=True):
            assert part <= whole and level == ("full" if part == whole else "some")
    return steps


def check_all(problems, n, n_art, stride, turns):
    count, began = 0, time.perf_counter()
    for i, (name, p) in enumerate(problems.items()):
        for j in range(i % stride, len(ATTACKS), stride):
            rows = n_art if isinstance(ATTACKS[j], A.ARTAttack) else n
            for turn in range(turns):
                how = {"targeted": (i + j + turn) % 2 == 0, "within": (i + j // 2 + turn) % 3 == 0}
                print(f"{name}: {ATTACKS[j]}, {how}", end="\r")
                count += attack_and_check(p, ATTACKS[j], rows, **how)
    print(f"\n{count} reported rows in {time.perf_counter() - began:.1f} s")
    return count


@pytest.mark.usefixtures("no_check_of_repeats")
def test_none_of_a_hundred_rows_fails(problems):
    assert check_all(problems, n=6, n_art=3, stride=5, turns=1) >= 100


@pytest.mark.slow
@pytest.mark.usefixtures("no_check_of_repeats")
def test_none_of_ten_thousand_rows_fails(problems):
    assert check_all(problems, n=50, n_art=20, stride=1, turns=2) >= 10_000
