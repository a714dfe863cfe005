"""One call from models and a table to a report."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from tqdm.auto import tqdm

from specreg_sklearn._show_versions import versions
from specreg_sklearn._typing import Classifier, MaxSamples, RandomState, Scale
from specreg_sklearn.attacks import BlackBoxAttack
from specreg_sklearn.metrics import adversarial_band, suggest_eps
from specreg_sklearn.metrics.measurement import Measurement
from specreg_sklearn.report._report import RobustnessReport
from specreg_sklearn.report.document import (
    FORMAT,
    MOST_PREDICTED,
    SCHEMA_VERSION,
    TOLERANCES,
    class_counts,
    class_name,
    data_fingerprint,
    follow_up,
    labels_fingerprint,
    own_hash,
    parameters_of,
    pickle_fingerprint,
    row_records,
    threat_model,
)
from specreg_sklearn.space import NORMS, FeatureSpace, check_norm
from specreg_sklearn.tables import (
    DEFAULT_MAX_SAMPLES,
    Table,
    as_table,
    as_targets,
    ask,
    check_eps,
    check_estimator,
    check_max_samples,
    check_positive_int,
    check_seed,
    same_labels,
    stacklevel_of_caller,
    take_rows,
)

MAX_NODES = 1000


def robustness_report(
    models: Classifier | Mapping[str, Classifier],
    X: Any,
    y: Any,
    *,
    space: FeatureSpace | None = None,
    eps: float | None = None,
    norm: float = 2,
    scale: Scale = "std",
    pool: ArrayLike | None = None,
    attack: str | BlackBoxAttack = "strongest",
    max_samples: MaxSamples = DEFAULT_MAX_SAMPLES,
    max_nodes: int = MAX_NODES,
    random_state: RandomState = 0,
    n_jobs: int | None = None,
    verbose: int = 0,
    feature_names: ArrayLike | None = None,
) -> RobustnessReport:
    """Measure one model or several and report it in a form that somebody else can check.

    The distance of each measured row to the nearest row that the model gets wrong is bounded by a
    proof and by an attack, as :func:`~specreg_sklearn.metrics.adversarial_band` does; everything
    else in the report follows from these rows.

    Parameters
    ----------
    models : classifier or dict of classifiers by name
        Fitted classifiers, pipelines or searches. All are measured on the same rows.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows in the columns that the models expect, which they were not trained on.
    y : array-like of shape (n_samples,)
        True labels.
    space : FeatureSpace or None, default=None
        What may change, how far, and in which units. None means every numeric column within the
        range of `pool`, or of `X` without one, with units by `scale`.
    eps : float or None, default=None
        The size of moves that the report is about, in the units of the space. None takes the one
        that :func:`~specreg_sklearn.metrics.suggest_eps` suggests for the data.
    norm : {0, 1, 2, inf}, default=2
        The norm of ``(X_adv - X) / scale``; 0 counts the columns that change.
    scale : "std", "range", None, float, array or dict, default="std"
        Units of the distance, where there is no `space`.
    pool : array-like or DataFrame of shape (n_pool, n_features), default=None
        Rows that attacks start from, such as training rows; None means `X`.
    attack : str or BlackBoxAttack, default="strongest"
        As in :func:`~specreg_sklearn.metrics.robust_accuracy_score`.
    max_samples : int, "all" or None, default=100
        How many rows are measured, chosen by label and seed; "all", or None, takes every row.
    max_nodes : int, default=1000
        How many nodes the search of a proof looks at for a row. The more, the more rows are exact,
        and the longer it takes, to report and to verify: with 1000 a forest of 100 deep trees takes
        about as long as its attack.
    random_state : None, int, RandomState or Generator, default=0
        Seed of the choice of rows and of the attack. It is kept in the report as one number.
    n_jobs : int or None, default=None
        Workers of joblib.
    verbose : int, default=0
        1 and more shows progress bars.
    feature_names : array-like of shape (n_features,) or None, default=None
        How the report calls the columns of an array; a frame has names of its own.

    Returns
    -------
    RobustnessReport
        Readable in a notebook, and written as HTML, JSON or Markdown.

    Raises
    ------
    ValueError, TypeError
        If a parameter, or the pair of X and y, is not accepted.
    sklearn.exceptions.NotFittedError
        If a model is not fitted.

    See Also
    --------
    verify_report : Ask a report's models again and recompute its proofs.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from specreg_sklearn.report import robustness_report, verify_report
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> trees = HistGradientBoostingClassifier(max_iter=10, random_state=0).fit(X[::2], y[::2])
    >>> report = robustness_report(trees, X[1::2], y[1::2], eps=0.3, max_samples=20)
    >>> report.headline
    'Within 0.3 standard deviations, an attacker turns exactly ... of ... right answers wrong.'
    >>> verify_report(report, trees, X[1::2], y[1::2]).held
    True
    """
    named = _named(models)
    n_rows = as_table(X).n_rows
    labels = as_targets(y, n_rows)
    norm = check_norm(norm, NORMS, "robustness_report")
    seed = check_seed(random_state)
    if space is None:
        measured_with = Measurement(norm, attack, None, scale, max_samples, seed, pool=pool)
        space = measured_with.space_of(X)
    else:
        measured_with = Measurement(norm, attack, space, scale, max_samples, seed, pool=pool)
        measured_with.check()
    if eps is None:
        suggestion = suggest_eps(X, y, space, norm=norm, random_state=seed)
        eps, eps_from = suggestion.suggested, f"suggested: {suggestion.reason}"
    else:
        eps, eps_from = check_eps(eps), "given"
    places = measured_with.places_of(X, y)
    attack_name = attack if isinstance(attack, str) else repr(attack)
    names = _feature_names(feature_names, as_table(X))
    document: dict[str, Any] = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "headline": "",
        "threat_model": threat_model(space, norm, float(eps), eps_from, names),
        "data": _data(X, labels, places) | {"feature_names": names},
        "settings": {
            "attack": attack_name,
            "max_samples": check_max_samples(max_samples),
            "random_state": seed,
            "max_nodes": check_positive_int(max_nodes, "max_nodes"),
            "pool_sha256": None if pool is None else data_fingerprint(pool),
        },
        "tolerances": dict(TOLERANCES),
        "models": [],
        "comparison": [],
        "limits": [],
        "versions": versions(),
    }
    options = {
        "norm": norm,
        "attack": attack,
        "space": space,
        "pool": pool,
        "max_samples": max_samples,
        "max_nodes": max_nodes,
        "random_state": seed,
        "n_jobs": n_jobs,
        "verbose": verbose,
    }
    bar = tqdm(named.items(), desc="models", disable=verbose < 1 or len(named) == 1)
    for name, model in bar:
        document["models"].append(_measured(name, model, X, labels, options))
    parts = follow_up(document)
    for record, summary in zip(document["models"], parts.pop("summaries"), strict=True):
        record["summary"] = summary
    document |= parts
    document["sha256"] = own_hash(document)
    return RobustnessReport(document)


def _feature_names(names: ArrayLike | None, table: Table) -> list[str] | None:
    if names is None:
        return None
    if table.names is not None:
        raise ValueError("feature_names is for arrays; X is a frame, and has names of its own.")
    found = [str(name) for name in np.asarray(names).ravel()]
    if len(found) != table.n_columns or len(set(found)) != len(found):
        raise ValueError(
            f"feature_names holds {len(set(found))} different names; X has {table.n_columns} "
            "columns, and each has a name of its own."
        )
    return found


def _named(models: Any) -> dict[str, Any]:
    if not isinstance(models, Mapping):
        check_estimator(models)
        return {_short_name(models): models}
    if not models:
        raise ValueError("models={} holds no model; give one, or a dict of them by name.")
    for name, model in models.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"models has the name {name!r}; accepted: text that is not empty.")
        try:
            check_estimator(model)
        except TypeError as error:
            raise TypeError(f"models[{name!r}]: {error}") from error
    return dict(models)


def _short_name(model: object) -> str:
    steps = getattr(model, "steps", None)
    return type(steps[-1][1] if steps else model).__name__


def _data(X: Any, labels: np.ndarray, places: np.ndarray) -> dict[str, Any]:
    return {
        "n_rows": len(labels),
        "n_columns": as_table(X).n_columns,
        "n_measured": len(places),
        "X_sha256": data_fingerprint(X),
        "y_sha256": labels_fingerprint(labels),
        "classes": class_counts(labels, places.tolist()),
    }


def _measured(
    name: str, model: Classifier, X: Any, labels: np.ndarray, options: dict[str, Any]
) -> dict[str, Any]:
    """Return what was found about one model, without what follows from it."""
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")
        band = adversarial_band(model, X, labels, **options)
        X_part = take_rows(X, band.places)
        predicted = ask(model.predict, X_part, len(band))
        answers = ask(model.predict, band.X_adv, len(band))
        n_asked = min(len(labels), MOST_PREDICTED)
        first = X if n_asked == len(labels) else take_rows(X, np.arange(n_asked))
        of_all = ask(model.predict, first, n_asked)
    for warning in met:
        warnings.warn(warning.message, warning.category, stacklevel=stacklevel_of_caller())
    return {
        "name": name,
        "class": class_name(model),
        "parameters": parameters_of(model),
        "predictions": {
            "n_rows": n_asked,
            "n_right": int(same_labels(of_all, labels[:n_asked]).sum()),
            "sha256": labels_fingerprint(of_all),
        },
        "pickle_sha256": pickle_fingerprint(model),
        "proof": next((p for p in band.proved_by.tolist() if p), ""),
        "unproved": band.unproved,
        "warnings": [{"category": w.category.__name__, "message": str(w.message)} for w in met],
        "seconds": round(time.perf_counter() - start, 2),
        "n_queries": int(band.n_queries.sum()),
        "n_nodes": int(band.n_nodes.sum()),
        "rows": row_records(
            X_part,
            band.X_adv,
            places=band.places,
            labels=labels[band.places],
            predicted=predicted,
            answers=answers,
            lower=band.lower,
            upper=band.upper,
            status=band.status,
            found_by=band.found_by,
            proved_by=band.proved_by,
        ),
    }
