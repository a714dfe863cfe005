"""A report checked against models and data, without an attack."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from specreg_sklearn._typing import Classifier
from specreg_sklearn.report.document import (
    TOLERANCES,
    class_counts,
    data_fingerprint,
    follow_up,
    labels_fingerprint,
    norm_from_json,
    own_hash,
    read_document,
    strange_keys,
    threat_model,
)
from specreg_sklearn.report.verify._differences import differences
from specreg_sklearn.report.verify._model_checks import model_checks
from specreg_sklearn.report.verify._verification import Verification, check_of
from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.tables import (
    as_table,
    as_targets,
    check_estimator,
)

ON_TRUST = (
    "created",
    "versions",
    "models[].warnings, seconds, n_queries, n_nodes, found_by, pickle_sha256",
    "threat_model.eps_from, data.feature_names, bounds in threat_model.space of columns that stay",
    "settings.attack, pool_sha256 (without pool), max_nodes beyond what the proofs take",
    "parameters that only another version of a package knows",
    "that no nearer row was found and left out, beyond what proofs say",
)
"""What cannot be computed from models and data."""


def verify_report(
    report: Any,
    model: Classifier | Mapping[str, Classifier],
    X: Any,
    y: Any,
    *,
    space: FeatureSpace | None = None,
    pool: Any = None,
    proofs: bool = True,
    n_jobs: int | None = None,
) -> Verification:
    """Check a report against the models and the data that it is about.

    Fingerprints are compared, the choice of rows is made again, every witness is built from the
    data and asked about, its distance is computed from the units in the report, every lower bound
    is proved again, and all counts, shares and sentences are computed from the rows.

    Parameters
    ----------
    report : str, path-like, dict or RobustnessReport
        The path of the JSON, or what stands in it.
    model : classifier or dict of classifiers by name
        The fitted model; several by the names that they have in the report. Of a report on several
        models, those that are not given are left out.
    X : array-like or DataFrame of shape (n_samples, n_features)
        The data of the report, all rows in order.
    y : array-like of shape (n_samples,)
        True labels.
    space : FeatureSpace or None, default=None
        Only where the threat model holds functions (a repair, formulas, rules): they do not stand
        in the file.
    pool : array-like or DataFrame of shape (n_pool, n_features), default=None
        The pool of the report, if there was one, to be compared with its fingerprint. None takes
        the fingerprint on trust: nothing else in the report can be computed from a pool.
    proofs : bool, default=True
        Whether lower bounds are proved again, which takes most of the time. False asks the model
        and computes with numpy, nothing else.
    n_jobs : int or None, default=None
        Workers of joblib, for proofs.

    Returns
    -------
    Verification
        A table of what held, with the place of each claim that did not.

    Raises
    ------
    ValueError, TypeError
        If the report is cut off, has another schema version or holds functions and no `space` is
        given; if a model is not in the report, or its columns are not those of `X`; or the pair of
        X and y is not accepted.
    OSError
        If the file cannot be read.

    Notes
    -----
    No attack is run, and none is imported. What is checked is that the report says nothing false:
    a witness that was found and then left out of it, with every number adapted, is noticed only
    where a proof knows better. The hash of the file itself tells accidents from what was written,
    not forgers from authors: keep it, or the file, where they cannot reach it.

    Tolerances, relative and stated in the report: 1e-9 for what is computed from the file, 1e-6 for
    proofs and for witnesses. A witness that another machine's order of sums puts on the right side
    of the boundary is asked again, farther away by 1e-6 of its changes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from specreg_sklearn.report import robustness_report, verify_report
    >>> X, y = load_iris(return_X_y=True)
    >>> tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y)
    >>> report = robustness_report(tree, X, y, eps=0.2, max_samples=15).to_dict()
    >>> verify_report(report, tree, X, y).held
    True
    >>> report["models"][0]["rows"][4]["lower"] *= 2
    >>> found = verify_report(report, tree, X, y)
    >>> "models[0].rows[4].lower" in [place for place, why in found.failures]
    True
    """
    document = read_document(report.to_dict() if hasattr(report, "to_dict") else report)
    named = _named(document, model)
    n_rows = as_table(X).n_rows
    labels = as_targets(y, n_rows)
    space = _space_of(document, space)
    checks = [
        check_of("form and hash of the file", "", 1, _file(document)),
        check_of("fingerprints of the data", "", 5, _data(document, X, labels)),
        *(
            []
            if pool is None
            else [check_of("fingerprint of the pool", "", 1, _pool(document, pool))]
        ),
        check_of("threat model", "", len(document["threat_model"]), _threat(document, space)),
        check_of("what follows from the rows", "", *_follow_up(document)),
    ]
    for i, record in enumerate(document["models"]):
        if record["name"] in named:
            checks += model_checks(
                document, i, named[record["name"]], X, labels, space, proofs, n_jobs
            )
    return Verification(tuple(checks), bool(proofs), ON_TRUST)


def _named(document: dict[str, Any], model: Any) -> dict[str, Any]:
    """Return models by the names that they have in the report."""
    known = [record["name"] for record in document["models"]]
    if not isinstance(model, Mapping):
        check_estimator(model)
        if len(known) > 1:
            raise ValueError(
                f"The report is about {len(known)} models, {known}. Pass model as a dict by name, "
                "such as {" + f"{known[0]!r}: model" + "}."
            )
        return {known[0]: model}
    strange = [name for name in model if name not in known]
    if strange or not model:
        raise ValueError(f"model has the names {list(model)!r}; those of the report are {known!r}.")
    for each in model.values():
        check_estimator(each)
    return dict(model)


def _space_of(document: dict[str, Any], space: FeatureSpace | None) -> FeatureSpace:
    threat = document["threat_model"]
    if space is not None:
        if not isinstance(space, FeatureSpace):
            raise TypeError(f"space={type(space).__name__} is not a FeatureSpace or None.")
        return space
    if threat["space"] is None:
        raise ValueError(
            f"The threat model of the report holds functions ({', '.join(threat['functions'])}), "
            "which are not in the file. Pass space, the FeatureSpace that it was made with."
        )
    try:
        return FeatureSpace.from_json(json.dumps(threat["space"]))
    except (TypeError, KeyError, IndexError, ValueError) as error:
        raise ValueError(
            f"threat_model.space of the report is no feature space: {error}"
        ) from error


def _file(document: dict[str, Any]) -> list[tuple[str, str]]:
    failed = [(place, "does not belong there") for place in strange_keys(document)]
    found = own_hash(document)
    if found != document["sha256"]:
        stated = document["sha256"][:12]
        failed.append(("sha256", f"is {stated}...; that of the content is {found[:12]}..."))
    return failed


def _data(document: dict[str, Any], X: Any, labels: np.ndarray) -> list[tuple[str, str]]:
    table = as_table(X)
    stated = {key: v for key, v in document["data"].items() if key != "feature_names"}
    rows = [row["row"] for row in document["models"][0]["rows"]]
    found = {
        "n_rows": table.n_rows,
        "n_columns": table.n_columns,
        "n_measured": len(rows),
        "X_sha256": data_fingerprint(X),
        "y_sha256": labels_fingerprint(labels),
        "classes": class_counts(labels, [row for row in rows if 0 <= row < len(labels)]),
    }
    return list(differences(stated, found, "data", 0.0))


def _pool(document: dict[str, Any], pool: Any) -> list[tuple[str, str]]:
    stated = document["settings"]["pool_sha256"]
    return list(differences(stated, data_fingerprint(pool), "settings.pool_sha256", 0.0))


def _threat(document: dict[str, Any], space: FeatureSpace) -> list[tuple[str, str]]:
    stated = document["threat_model"]
    norm, names = norm_from_json(stated["norm"]), document["data"]["feature_names"]
    failed: list[tuple[str, str]] = []
    if norm not in (0, 1, 2, np.inf):
        return [("threat_model.norm", f"is {stated['norm']!r}; accepted: 0, 1, 2, 'inf'")]
    if not stated["eps"] >= 0:
        return [("threat_model.eps", f"is {stated['eps']!r}, and no distance")]
    found = threat_model(space, norm, stated["eps"], stated["eps_from"], names)
    failed += differences(stated, found, "threat_model", TOLERANCES["number"])
    failed += differences(document["tolerances"], TOLERANCES, "tolerances", 0.0)
    return failed


def _follow_up(document: dict[str, Any]) -> tuple[int, list[tuple[str, str]]]:
    try:
        found = follow_up(document)
    except (TypeError, KeyError, ValueError, ZeroDivisionError) as error:
        return 1, [("models", f"shares cannot be computed: {error}")]
    summaries = found.pop("summaries")
    failed: list[tuple[str, str]] = []
    for name, part in found.items():
        failed += differences(document[name], part, name, TOLERANCES["number"])
    for i, summary in enumerate(summaries):
        stated = document["models"][i]["summary"]
        failed += differences(stated, summary, f"models[{i}].summary", TOLERANCES["number"])
    return _n_leaves([found, summaries]), failed


def _n_leaves(value: object) -> int:
    if isinstance(value, (dict, list)):
        parts = value.values() if isinstance(value, dict) else value
        return sum(map(_n_leaves, parts))
    return 1
