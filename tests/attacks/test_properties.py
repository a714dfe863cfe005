"""Random spaces, containers, models and budgets: what an attack promises holds for all of them."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from specreg_sklearn.attacks import (
    CGBA,
    FeatureSpace,
    HopSkipJump,
    RayS,
    SquareAttack,
    TangentAttack,
)

ATTACKS = [CGBA, HopSkipJump, TangentAttack, RayS, SquareAttack]


def examples(n):
    """Run a property on n random examples, the same ones every time."""
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(
        max_examples=n,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=checks,
    )


# --- Data ----------------------------------------------------------------------------------------

NUMERIC = ["float64", "float32", "int8", "uint8", "int64", "missing", "whole", "objects"]
OTHER = ["bool", "text", "category"]


def numbers(kind, n, rng):
    """Return one column, as a numpy array, of numbers or anything else."""
    if kind in ("float64", "float32"):
        return (rng.normal(size=n) * 10.0 ** rng.integers(-3, 4)).astype(kind)
    if kind in ("int8", "uint8", "int64"):
        low, high = {"int8": (-128, 128), "uint8": (0, 256), "int64": (-5, 10**6)}[kind]
        return rng.integers(low, high, size=n).astype(kind)
    if kind == "missing":
        return np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n))
    if kind == "whole":
        return rng.integers(-9, 10, size=n).astype(float)
    if kind == "objects":
        mixed = [int(v) if v > 0 else float(v) for v in rng.integers(-9, 10, size=n)]
        return np.array([*mixed, None], dtype=object)[:n]
    if kind == "bool":
        return rng.random(n) < 0.5
    return np.array(["red", "green", "blue"], dtype=object)[rng.integers(3, size=n)]


@st.composite
def tables(draw):
    """Return (X, kinds of columns): an array, a list or a frame."""
    container = draw(st.sampled_from(["numpy", "objects", "list", "pandas", "polars"]))
    n, rng = draw(st.integers(5, 12)), np.random.default_rng(draw(st.integers(0, 2**16)))
    if container == "numpy":
        kinds = [draw(st.sampled_from(NUMERIC[:6]))] * draw(st.integers(1, 5))
        return np.column_stack([numbers(kind, n, rng) for kind in kinds]), kinds
    allowed = NUMERIC + OTHER
    if container == "polars":
        allowed = [k for k in allowed if k not in ("objects", "category")]
    elif container != "pandas":
        # Arrays of objects and lists hold Python's numbers.
        allowed = ["float64", "missing", "whole", "objects", "int64", "text"]
    kinds = [draw(st.sampled_from(NUMERIC[:2])) if container == "pandas" else "float64"]
    kinds += draw(st.lists(st.sampled_from(allowed), min_size=1, max_size=4))
    columns = [numbers(kind, n, rng) for kind in kinds]
    if container in ("objects", "list"):
        rows = [list(row) for row in zip(*(c.tolist() for c in columns), strict=True)]
        if container == "list":
            # All numbers alike, numpy would make one array of floats of them.
            kinds.append("text")
            return [[*row, "end"] for row in rows], kinds
        return np.array(rows, dtype=object), kinds
    data = {f"c{j}": c for j, c in enumerate(columns)}
    if container == "polars":
        return pl.DataFrame({k: c.tolist() if c.dtype == object else c for k, c in data.items()}), [
            *kinds
        ]
    frame = pd.DataFrame(data, index=rng.permutation(n) * 3)
    for j, kind in enumerate(kinds):
        if kind == "category":
            frame[f"c{j}"] = frame[f"c{j}"].astype("category")
    return frame, kinds


def columns_of(X):
    """Return the cells of each column as a list of Python objects."""
    if isinstance(X, pd.DataFrame):
        return [X.iloc[:, j].tolist() for j in range(X.shape[1])]
    if isinstance(X, pl.DataFrame):
        return [column.to_list() for column in X.iter_columns()]
    return [list(column) for column in zip(*X, strict=True)]


def is_number(kind):
    return kind in NUMERIC


def as_floats(cells):
    return np.array([np.nan if c is None else c for c in cells], dtype=float)


# --- Spaces --------------------------------------------------------------------------------------


@st.composite
def spaces(draw):
    """Return X and what its space should be: a dict of plain arrays, found in the plainest way."""
    X, kinds = draw(tables())
    names = [f"c{j}" for j in range(len(kinds))] if hasattr(X, "columns") else None
    columns = columns_of(X)
    numeric = np.array([is_number(kind) for kind in kinds])
    values = [as_floats(c) if k else np.zeros(1) for c, k in zip(columns, numeric, strict=True)]
    known = [v[~np.isnan(v)] if (v == v).any() else np.zeros(1) for v in values]
    low, high = np.array([v.min() for v in known]), np.array([v.max() for v in known])
    scale = draw(st.sampled_from(["std", "range", None, 0.5, "array"]))
    unit = {
        "std": np.array([v.std() if np.ptp(v) > 0 else 1.0 for v in known]),
        "range": np.where(high > low, high - low, 1.0),
        "array": np.linspace(0.25, 3, len(kinds)),
        None: np.ones(len(kinds)),
        0.5: np.full(len(kinds), 0.5),
    }[scale]
    bounds = draw(st.sampled_from(["data", None, "wide", "narrow", "dict"]))
    if isinstance(scale, str) and scale != "array" and (low == high)[numeric].any():
        # A constant column has no unit, so nothing may give it room.
        bounds = "data"
    lo, hi, given_bounds = low.copy(), high.copy(), bounds
    if bounds is None:
        lo[:], hi[:] = -np.inf, np.inf
    elif bounds == "wide":
        lo, hi = low - 2.5, high + 1.25
        given_bounds = (lo, hi)
    elif bounds == "narrow":
        lo, hi = low + (high - low) / 4, high
        given_bounds = (lo, np.full(len(hi), np.inf))
        hi = given_bounds[1]
    elif bounds == "dict":
        j = int(np.flatnonzero(numeric)[0])
        lo[j], hi[j] = low[j] - 1, np.inf
        given_bounds = {names[j] if names else j: (lo[j], None)}
    types = ["integer" if k == "whole" else "auto" for k in kinds]
    whole = np.array([k in ("int8", "uint8", "int64") for k in kinds])
    given_types = {names[j] if names else j: "integer" for j, t in enumerate(types) if t != "auto"}
    if draw(st.booleans()):
        whole |= np.array([k == "whole" for k in kinds])
    else:
        given_types = {}
    mutable = numeric.copy()
    if draw(st.booleans()):
        mutable &= np.array(draw(st.lists(st.booleans(), min_size=len(kinds), max_size=len(kinds))))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="bounds of column")
        space = FeatureSpace.from_data(
            X,
            mutable=mutable if draw(st.booleans()) or not (mutable == numeric).all() else None,
            bounds=given_bounds,
            types=given_types,
            scale=unit if scale == "array" else scale,
        )
    return X, space, {"lo": lo, "hi": hi, "unit": unit, "whole": whole, "mutable": mutable}


def check_rows(X, X_adv, truth):
    """Whatever was done to the rows, they are still rows of the space."""
    assert type(X_adv) is type(X)
    if isinstance(X, pd.DataFrame):
        assert X_adv.dtypes.equals(X.dtypes) and X_adv.index.equals(X.index)
        assert X_adv.columns.equals(X.columns)
    elif isinstance(X, pl.DataFrame):
        assert X_adv.schema == X.schema
    elif isinstance(X, np.ndarray):
        assert X_adv.dtype == X.dtype and X_adv.shape == X.shape
    for j, (old, new) in enumerate(zip(columns_of(X), columns_of(X_adv), strict=True)):
        if not truth["mutable"][j]:
            # repr tells 1 from True and 0.0 from -0.0, and shows every digit.
            assert [repr(c) for c in new] == [repr(c) for c in old]
            continue
        clean, moved = as_floats(old), as_floats(new)
        np.testing.assert_array_equal(np.isnan(moved), np.isnan(clean))
        known = ~np.isnan(clean)
        clean, moved = clean[known], moved[known]
        assert np.isfinite(moved).all()
        assert (moved >= np.minimum(truth["lo"][j], clean)).all()
        assert (moved <= np.maximum(truth["hi"][j], clean)).all()
        if truth["whole"][j]:
            assert (moved == np.rint(moved)).all()


def distances(X, X_adv, truth, norm):
    """Return distances by their definition."""
    steps = [
        np.nan_to_num(as_floats(new) - as_floats(old)) / truth["unit"][j]
        for j, (old, new) in enumerate(zip(columns_of(X), columns_of(X_adv), strict=True))
        if truth["mutable"][j]
    ]
    return np.linalg.norm(np.array(steps), ord=norm, axis=0) if steps else np.zeros(len(X))


@examples(40)
@given(drawn=spaces(), seed=st.integers(0, 99), size=st.sampled_from([1e-3, 1.0, 1e6]))
def test_any_coordinates_make_rows_of_the_space(drawn, seed, size):
    X, space, truth = drawn
    Z = space.to_coordinates(X)
    back = space.materialise(Z, X)
    assert [[repr(c) for c in column] for column in columns_of(back)] == [
        [repr(c) for c in column] for column in columns_of(X)
    ]
    Z = Z + size * np.random.default_rng(seed).normal(size=Z.shape)
    moved = space.materialise(Z, X)
    check_rows(X, moved, truth)
    for norm in (2, np.inf):
        np.testing.assert_allclose(
            space.distances(moved, X, norm=norm), distances(X, moved, truth, norm), rtol=1e-9
        )
    # A row that is built is built again as it is.
    again = space.materialise(space.to_coordinates(moved), X)
    check_rows(X, again, truth)


# --- Attacks -------------------------------------------------------------------------------------


class Rule:
    """A model of any container: each row by itself, wavy, with classes of any kind."""

    def __init__(self, X, classes, seed):
        rng = np.random.default_rng(seed)
        self.classes_, self.ends = np.asarray(classes), []
        for cells in columns_of(X):
            if isinstance(cells[0], (str, bool, np.bool_)):
                self.ends.append(None)
            else:
                values = as_floats(cells)
                ends = (np.nanmin(values), np.nanmax(values)) if not np.isnan(values).all() else ()
                self.ends.append(ends)
        self.weights = rng.normal(size=len(self.ends))
        score = self.score(X)
        self.centres = np.quantile(score, np.linspace(0.1, 0.9, len(self.classes_)))

    def score(self, X):
        total = 0.0
        for weight, ends, cells in zip(self.weights, self.ends, columns_of(X), strict=True):
            if ends is None:
                part = np.array([len(str(c)) % 3 / 3 for c in cells])
            elif ends == ():
                part = np.zeros(len(cells))
            else:
                share = (np.nan_to_num(as_floats(cells)) - ends[0]) / (ends[1] - ends[0] or 1)
                part = share + 0.1 * np.sin(7 * share)
            total = total + weight * part
        return total

    def decision_function(self, X):
        scores = -np.abs(self.score(X)[:, None] - self.centres)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def predict(self, X):
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return self.classes_[(scores > 0).astype(int)]
        return self.classes_[scores.argmax(axis=1)]


@st.composite
def runs(draw, kind):
    """Return an attack of some kind and what it is run with."""
    norm = draw(st.sampled_from(sorted(kind._norms)))
    attack = kind(
        norm=norm,
        max_queries=draw(st.integers(29, 120)),
        batch_rows=draw(st.sampled_from([7, 16384])),
        random_state=draw(st.integers(0, 9)),
    )
    if kind is not SquareAttack:
        attack.set_params(n_starts=draw(st.integers(1, 10)))
    eps = draw(st.sampled_from([0.1, 0.5, 2.0]))
    if kind is not SquareAttack and draw(st.booleans()):
        eps = None
    classes = draw(st.sampled_from([(0, 1), (1, 3, 7), ("no", "yes"), (False, True)]))
    return attack, eps, classes, draw(st.integers(0, 99))


@pytest.mark.parametrize("kind", ATTACKS)
def test_what_an_attack_returns(kind):
    @examples(10)
    @given(drawn=spaces(), run=runs(kind))
    def holds(drawn, run):
        (X, space, truth), (attack, eps, classes, seed) = drawn, run
        if not len(space.movable):
            return
        model = Rule(X, classes, seed)
        y = model.predict(X)
        # One row is wrong from the start.
        y[0] = model.classes_[1] if y[0] == model.classes_[0] else model.classes_[0]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*found no adversarial row")
            result = attack.run(model, X, y, eps=eps, space=space)
        check_rows(X, result.X_adv, truth)
        predicted = model.predict(result.X_adv)
        np.testing.assert_array_equal(predicted != y, result.success)
        found = distances(X, result.X_adv, truth, attack.norm)
        np.testing.assert_allclose(result.distances[result.success], found[result.success], 1e-9)
        assert np.isinf(result.distances[~result.success]).all()
        assert (found[~result.success] == 0).all() and result.distances[0] == 0
        assert (found[1:][result.success[1:]] > 0).all()
        if eps is not None:
            assert (result.distances[result.status == "stopped_at_eps"] <= eps).all()
        assert result.n_queries[0] == 0
        assert (result.n_queries <= attack.max_queries).all()

    holds()


class Counted:
    """Counts the rows that are asked about; the last column says on whose behalf."""

    def __init__(self, model, X):
        self.model, self.X, self.classes_ = model, X, model.classes_
        self.asked, self.moved = np.zeros(len(X), int), np.zeros(len(X), int)

    def _count(self, Z):
        owner = Z[:, -1].astype(int)
        self.asked += np.bincount(owner, minlength=len(self.X))
        self.moved += np.bincount(owner[(Z != self.X[owner]).any(axis=1)], minlength=len(self.X))
        return Z[:, :-1]

    def predict(self, Z):
        return self.model.predict(self._count(Z))

    def decision_function(self, Z):
        return self.model.decision_function(self._count(Z))


@pytest.mark.usefixtures("no_check_of_repeats")
@pytest.mark.parametrize("kind", ATTACKS)
def test_no_query_beyond_the_budget(kind):
    @examples(10)
    @given(
        n=st.integers(3, 12),
        d=st.integers(1, 12),
        max_queries=st.integers(29, 400),
        n_classes=st.integers(2, 4),
        run=runs(kind),
    )
    def holds(n, d, max_queries, n_classes, run):
        attack, eps, _, seed = run
        attack.set_params(max_queries=max_queries)
        X = np.random.default_rng(seed).normal(size=(n, d))
        model = Rule(X, np.arange(n_classes), seed)
        y, X = model.predict(X), np.column_stack([X, np.arange(float(n))])
        counted = Counted(model, X)
        space = FeatureSpace.from_data(X, mutable=range(d), scale=None)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*found no adversarial row")
            result = attack.run(counted, X, y, eps=eps, space=space)
        assert (counted.moved <= result.n_queries).all()
        assert (result.n_queries <= max_queries).all()
        # The predictions of clean rows are free, once; the first row fills up blocks, too.
        attacked = np.isin(result.status, ["found", "stopped_at_eps", "unverified"])
        attacked[0] = False
        np.testing.assert_array_equal((counted.asked - 1)[attacked], result.n_queries[attacked])

    holds()


@pytest.mark.parametrize("kind", ATTACKS)
def test_repaired_rows_obey_their_rules(kind):
    """Column 0 is not above column 1, and columns 2 to 4 are flags of which one is set."""

    def obeys(X):
        return (X[:, 0] <= X[:, 1]) & (np.sort(X[:, 2:5], axis=1) == [0, 0, 1]).all(axis=1)

    def repair(moved, clean):
        moved[:, 0] = np.minimum(moved[:, 0], moved[:, 1])
        moved[:, 2:5] = np.eye(3)[moved[:, 2:5].argmax(axis=1)]
        return moved

    class Strict(Rule):
        def score(self, X):
            assert obeys(X).all()
            return super().score(X)

    @examples(8)
    @given(run=runs(kind), dtype=st.sampled_from([np.float32, np.float64, np.int64]))
    def holds(run, dtype):
        attack, eps, classes, seed = run
        rng = np.random.default_rng(seed)
        pairs = np.sort(rng.integers(0, 20, size=(10, 2)) + rng.random((10, 2)), axis=1)
        flags = np.eye(3)[rng.permutation(np.arange(10) % 3)]
        X = np.column_stack([pairs, flags, rng.random(10) * 9]).astype(dtype)
        model = Strict(X, classes, seed)
        y = model.predict(X)
        space = FeatureSpace.from_data(X, mutable=range(5), repair=repair)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*found no adversarial row")
            result = attack.run(model, X, y, eps=eps, space=space)
        assert obeys(result.X_adv).all() and result.X_adv.dtype == dtype
        assert (result.X_adv[:, 5] == X[:, 5]).all()
        np.testing.assert_array_equal(model.predict(result.X_adv) != y, result.success)
        steps = (result.X_adv.astype(float) - X) / space.scale
        found = np.linalg.norm(steps, ord=attack.norm, axis=1)
        np.testing.assert_allclose(result.distances[result.success], found[result.success], 1e-9)
        assert (result.n_queries <= attack.max_queries).all()

    holds()
