"""Small tree ensembles of all kinds, and rows to fit them on."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier


def small_models(seed=0):
    """Return one unfitted ensemble of each kind, of 8 to 10 small trees."""
    kw = {"random_state": seed}
    return {
        "tree": DecisionTreeClassifier(**kw),
        "extra tree": ExtraTreeClassifier(max_depth=5, **kw),
        "forest": RandomForestClassifier(10, max_depth=3, **kw),
        "forest of pure leaves": RandomForestClassifier(8, **kw),
        "extra trees": ExtraTreesClassifier(8, max_depth=4, **kw),
        "boosting": GradientBoostingClassifier(n_estimators=10, max_depth=2, **kw),
        "boosting by histograms": HistGradientBoostingClassifier(
            max_iter=10, max_leaf_nodes=4, min_samples_leaf=3, **kw
        ),
        "adaptive boosting": AdaBoostClassifier(n_estimators=10, **kw),
        "bagging": BaggingClassifier(n_estimators=8, max_features=0.7, **kw),
    }


KINDS = tuple(small_models())


def outside_models():
    """Return the ensembles of other libraries, as far as they are installed, small."""
    found = {}
    try:
        from lightgbm import LGBMClassifier
    except ImportError:
        pass
    else:
        found["lightgbm"] = LGBMClassifier(
            n_estimators=8, num_leaves=4, min_child_samples=3, verbose=-1, n_jobs=1
        )
    try:
        from xgboost import XGBClassifier
    except ImportError:
        pass
    else:
        found["xgboost"] = XGBClassifier(n_estimators=8, max_depth=2, n_jobs=1)
    try:
        from catboost import CatBoostClassifier
    except ImportError:
        pass
    else:
        found["catboost"] = CatBoostClassifier(
            iterations=8, depth=3, verbose=0, allow_writing_files=False, thread_count=1
        )
    return found


def toy_rows(seed=0, *, n_classes=2, n_rows=80, n_columns=3, whole=False, dtype=np.float64):
    """Return rows and labels that no small ensemble separates."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_columns))
    if whole:
        X = np.rint(3 * X)
    y = (X[:, 0] + np.sin(2 * X[:, 1]) + 0.5 * rng.normal(size=n_rows) > 0).astype(int)
    if n_classes == 3:
        y = y + (X[:, -1] > 0.7)
    return X.astype(dtype), y
