"""Distances by search against all cells of small ensembles, asked of `predict` one by one."""

from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from specreg_sklearn.certificates.trees import TreeEnsemble, nearest_rows
from specreg_sklearn.space import FeatureSpace
from tests.certificates.trees.models import KINDS, outside_models, small_models, toy_rows

NORMS = (0, 1, 2, np.inf)


def every_distance(ensemble, rows, i, norms):
    """Return the smallest distances at which predict gives another label, one per norm.

    The nearest number of each cell is taken from a list of all thresholds and their neighbours, so
    that no code of the search is used.
    """
    boxes, x = ensemble.boxes, rows.raw[i]
    low, high = (np.broadcast_to(end, (1, len(x)))[0] for end in rows.box(np.array([i])))
    dtypes = {int(k): dtype for dtype, some in rows.narrow for k in some}
    choices = []
    for k, j in enumerate(rows.columns.tolist()):
        cuts = boxes.thresholds[boxes.cell_start[j] - j : boxes.cell_start[j + 1] - j - 1]
        near = np.concatenate([[x[k]], cuts, np.nextafter(cuts, np.inf)])
        if rows.integer[k]:
            near = np.unique(np.concatenate([[x[k]], np.floor(cuts), np.floor(cuts) + 1]))
        if k in dtypes:
            cast = near.astype(dtypes[k])
            ends = [np.nextafter(cast, dtypes[k].type(end)) for end in (-np.inf, np.inf)]
            near = np.concatenate([cast, *ends]).astype(np.float64)
        near = near[(near >= low[k]) & (near <= high[k])]
        near = near[np.argsort(np.abs(near - x[k]), kind="stable")]
        _, first = np.unique(np.searchsorted(cuts, near), return_index=True)
        choices.append(near[first])
    points = np.array(list(product(*choices)))
    owner = np.full(len(points), i)
    own = ensemble.estimator.predict(rows.build(rows.raw[[i]], np.array([i])))
    # CatBoost gives labels of several classes as a column.
    other = (ensemble.estimator.predict(rows.build(points, owner)) != own).ravel()
    if not other.any():
        return [np.inf] * len(norms)
    return [rows.distance(points[other], owner[other], norm).min() for norm in norms]


def check_against_all_cells(model, X, y, n_rows=2, **options):
    model.fit(X, y)
    ensemble = TreeEnsemble.from_estimator(model)
    rows = FeatureSpace.from_data(X, **options).bind(X[:n_rows])
    found = [nearest_rows(ensemble, rows, norm=norm) for norm in NORMS]
    for i in range(n_rows):
        exact = every_distance(ensemble, rows, i, NORMS)
        for norm, result, distance in zip(NORMS, found, exact, strict=True):
            assert result.closed[i], (norm, i)
            assert result.upper[i] == pytest.approx(distance, rel=1e-12), (norm, i)
            assert result.lower[i] <= distance
            assert result.lower[i] >= distance * (1 - 2e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [
    {"bounds": None, "scale": None},
    {"scale": [0.5, 1.0, 2.0]},
    {"bounds": (-1.5, 1.5), "mutable": [0, 1]},
], ids=["free", "units", "bounds"])  # fmt: skip
def test_every_kind_in_every_norm(kind, options):
    X, y = toy_rows(0)
    check_against_all_cells(small_models()[kind], X, y, **options)


@pytest.mark.parametrize("kind", KINDS)
def test_whole_numbers_and_float32(kind):
    X, y = toy_rows(1, whole=True)
    types = ["integer", "integer", "real"]
    check_against_all_cells(small_models(1)[kind], X, y, scale=None, types=types)
    X, y = toy_rows(2, dtype=np.float32)
    check_against_all_cells(small_models(2)[kind], X, y, scale=None)


@pytest.mark.parametrize("kind", KINDS)
def test_three_classes(kind):
    X, y = toy_rows(3, n_classes=3)
    check_against_all_cells(small_models(3)[kind], X, y, scale=[1.0, 2.0, 0.5])


@pytest.mark.parametrize("name", ["lightgbm", "xgboost", "catboost"])
def test_other_libraries(name):
    pytest.importorskip(name)
    for n_classes in (2, 3):
        X, y = toy_rows(4, n_classes=n_classes)
        check_against_all_cells(outside_models()[name], X, y, bounds=(-1.5, 2.5), scale=None)


def _settings():
    """Return models with settings that change how trees grow or stop, and what they are."""
    X, y = toy_rows(4)
    late = {"eval_set": [(X[:30], y[:30])]}
    kw = {"random_state": 0}
    yield (
        HistGradientBoostingClassifier(
            max_iter=8,
            max_leaf_nodes=4,
            monotonic_cst=[1, 0, -1],
            interaction_cst=[{0, 1}, {2}],
            **kw,
        ),
        {},
        X,
    )
    yield RandomForestClassifier(8, max_depth=3, monotonic_cst=[1, 0, -1], **kw), {}, X
    yield RandomForestClassifier(8, max_depth=3, **kw), {}, csr_array(X)
    try:
        from lightgbm import LGBMClassifier, early_stopping
    except ImportError:
        pass
    else:
        few = {"num_leaves": 4, "min_child_samples": 3, "verbose": -1, "n_jobs": 1}
        stop = {**late, "callbacks": [early_stopping(2, verbose=False)]}
        yield LGBMClassifier(n_estimators=40, learning_rate=0.8, **few), stop, X
        yield LGBMClassifier(n_estimators=8, boosting_type="dart", **few), {}, X
        yield LGBMClassifier(n_estimators=8, monotone_constraints=[1, 0, -1], **few), {}, X
    try:
        from xgboost import XGBClassifier
    except ImportError:
        pass
    else:
        few = {"max_depth": 2, "n_jobs": 1}
        stop = {**late, "verbose": False}
        yield (
            XGBClassifier(n_estimators=40, learning_rate=0.9, early_stopping_rounds=2, **few),
            stop,
            X,
        )
        yield XGBClassifier(n_estimators=3, num_parallel_tree=3, subsample=0.7, **few), {}, X
        yield XGBClassifier(n_estimators=8, monotone_constraints=(1, 0, -1), **few), {}, X
    try:
        from catboost import CatBoostClassifier
    except ImportError:
        pass
    else:
        few = {"iterations": 8, "depth": 3, "thread_count": 1}
        few |= {"verbose": 0, "allow_writing_files": False}
        shares = {"loss_function": "CrossEntropy"}
        yield CatBoostClassifier(grow_policy="Lossguide", max_leaves=5, **few), {}, X
        yield CatBoostClassifier(grow_policy="Depthwise", **few), {}, X.astype(np.float32)
        yield CatBoostClassifier(monotone_constraints=[1, 0, -1], **shares, **few), {}, X
        yield CatBoostClassifier(**few | {"iterations": 40}, early_stopping_rounds=2), late, X


@pytest.mark.filterwarnings("ignore:The argument 'eval_set'")
def test_settings_that_change_how_trees_grow_or_stop():
    X, y = toy_rows(4)
    for model, options, given in _settings():
        model.fit(given, y, **options)
        ensemble = TreeEnsemble.from_estimator(model)
        rows = FeatureSpace.from_data(X, scale=None).bind(X[:1])
        exact = every_distance(ensemble, rows, 0, NORMS)
        for norm, distance in zip(NORMS, exact, strict=True):
            found = nearest_rows(ensemble, rows, norm=norm)
            assert found.closed[0], (model, norm)
            assert found.upper[0] == pytest.approx(distance, rel=1e-12), (model, norm)
