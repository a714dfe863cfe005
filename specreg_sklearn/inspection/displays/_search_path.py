"""Paths of strengths: through the candidates of a search, or of an encoder that chose its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted


def path_of_encoder(estimator: object) -> tuple[float, dict[str, np.ndarray]]:
    """Return the strength that an encoder chose, and what it saw on the way, by name."""
    encoder: Any = estimator
    while not hasattr(encoder, "alpha_tolerance"):
        if hasattr(encoder, "best_estimator_"):
            encoder = encoder.best_estimator_
        elif hasattr(encoder, "steps"):
            encoder = encoder.steps[-1][1]
        else:
            break
    name = type(estimator).__name__
    if isinstance(encoder, type) or not hasattr(encoder, "alpha_tolerance"):
        raise TypeError(
            f"estimator={name} has no path of strengths: a SpectrallyRegularizedEncoder has one, "
            "and a pipeline or search that ends in it."
        )
    check_is_fitted(encoder, "net_")
    if encoder.alpha_path_ is None:
        raise ValueError(
            f"estimator={name} was fitted with alpha={encoder.alpha!r} and has no path of "
            "strengths. Fit it with alpha='auto' and a penalty, or with alpha='scale' where the "
            "network has a certificate."
        )
    return encoder.alpha_, dict(encoder.alpha_path_)


def path_of_search(
    search: BaseEstimator,
    param: str | None,
    scores: str | Sequence[str] | None,
    fixed: dict[str, Any],
    return_train_score: bool,
) -> tuple[str, np.ndarray, dict[str, np.ndarray]]:
    """Return the parameter, its values in increasing order, and by name the scores of each fold."""
    if not hasattr(search, "cv_results_"):
        kinds = ("param_grid", "param_distributions")
        if isinstance(search, type) or not any(hasattr(search, kind) for kind in kinds):
            raise TypeError(
                f"search={type(search).__name__} is no search with cv_results_, such as "
                "GridSearchCV."
            )
        check_is_fitted(search, "cv_results_")
    results = search.cv_results_
    drawn, strength, rows = _candidates(results["params"], param, fixed)
    known = [key[len("mean_test_") :] for key in results if key.startswith("mean_test_")]
    wanted = known if scores is None else [scores] if isinstance(scores, str) else list(scores)
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise ValueError(f"scores={scores!r} is not accepted; the search has {known}.")
    found = {}
    for name in wanted:
        found[name] = _fold_scores(results, "test", name)[rows]
        if return_train_score:
            if f"mean_train_{name}" not in results:
                raise ValueError(
                    "return_train_score=True, but the search did not keep training scores; fit "
                    "it with return_train_score=True."
                )
            found[f"{name}, train"] = _fold_scores(results, "train", name)[rows]
    return drawn, strength, found


def _candidates(
    params: list[dict[str, Any]], param: str | None, fixed: dict[str, Any]
) -> tuple[str, np.ndarray, np.ndarray]:
    """Return the parameter, its values in increasing order, and the candidates that hold them."""
    names = list(dict.fromkeys(name for candidate in params for name in candidate))
    unknown = [name for name in [param, *fixed] if name is not None and name not in names]
    if unknown:
        what = "param" if unknown[0] == param else "fixed"
        raise ValueError(f"{what} names {unknown[0]!r}; the search varies {names}.")
    rows = [
        k
        for k, candidate in enumerate(params)
        if all(name in candidate and candidate[name] == v for name, v in fixed.items())
    ]
    if not rows:
        raise ValueError(f"fixed={fixed!r} fits no candidate of the search.")
    varying = [n for n in names if len({repr(params[k].get(n)) for k in rows}) > 1]
    if param is None:
        if len(varying) != 1:
            raise ValueError(
                f"param=None, but the search varies {varying or names}; name the one to draw as "
                "param, and the values of the others as fixed."
            )
        param = varying[0]
    others = [name for name in varying if name != param]
    if others:
        raise ValueError(
            f"The search varies {others} besides {param!r}; name the value of each one in fixed."
        )
    values = [params[k].get(param) for k in rows]
    bad = [v for v in values if isinstance(v, bool) or not isinstance(v, (int, float, np.number))]
    if bad:
        raise ValueError(f"param={param!r} holds {bad[0]!r}, which is not a number.")
    strength = np.array(values, dtype=float)
    order = np.argsort(strength, kind="stable")
    return param, strength[order], np.array(rows)[order]


def _fold_scores(results: Mapping[str, Any], part: str, name: str) -> np.ndarray:
    """Return the scores of all candidates, one column per fold."""
    columns: list[np.ndarray] = []
    while f"split{len(columns)}_{part}_{name}" in results:
        fold = results[f"split{len(columns)}_{part}_{name}"]
        columns.append(np.asarray(fold, dtype=np.float64))
    return np.stack(columns, axis=1)
