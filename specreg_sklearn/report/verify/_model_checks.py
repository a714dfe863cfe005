"""What a report says of one model: that it is this one, on these rows, with these witnesses."""

from __future__ import annotations

from typing import Any

import numpy as np

from specreg_sklearn._show_versions import versions
from specreg_sklearn._typing import Classifier
from specreg_sklearn.report.document import (
    MOST_PREDICTED,
    class_name,
    labels_fingerprint,
    parameters_of,
    plain_label,
)
from specreg_sklearn.report.verify._differences import differences
from specreg_sklearn.report.verify._verification import Check, check_of
from specreg_sklearn.report.verify._witnesses import check_witnesses
from specreg_sklearn.space import FeatureSpace
from specreg_sklearn.tables import (
    as_table,
    ask,
    check_fitted_columns,
    same_labels,
    sampled_rows,
    take_rows,
)


def model_checks(
    document: dict[str, Any],
    i: int,
    model: Classifier,
    X: Any,
    labels: np.ndarray,
    space: FeatureSpace,
    proofs: bool,
    n_jobs: int | None,
) -> list[Check]:
    """Return the checks of one model, number `i` of the report."""
    record, at = document["models"][i], f"models[{i}]"
    name, rows = record["name"], record["rows"]
    check_fitted_columns(model, as_table(X))
    same = _packages(document["versions"]) == _packages(versions())
    fingerprint = _fingerprint(record, model, X, labels, same, at)
    out = [
        check_of("fingerprint of the model", name, 3, fingerprint),
        check_of("choice of the rows", name, len(rows), _choice(document, rows, labels, at)),
    ]
    places = np.array([row["row"] if 0 <= row["row"] < len(labels) else 0 for row in rows])
    X_part = take_rows(X, places)
    predicted = ask(model.predict, X_part, len(rows)).tolist()
    answers: list[tuple[str, str]] = []
    for k, row in enumerate(rows):
        truth = plain_label(
            labels[places[k]].item() if hasattr(labels, "item") else labels[places[k]]
        )
        found = {"label": truth, "predicted": plain_label(predicted[k])}
        for key, value in found.items():
            answers += differences(row[key], value, f"{at}.rows[{k}].{key}", 0.0)
    out.append(check_of("labels and predictions", name, 2 * len(rows), answers))
    n = sum(bool(row["changes"]) for row in rows)
    witnesses = check_witnesses(model, X_part, rows, space, document["threat_model"], at)
    out += [
        check_of("name of the proof", name, 2, _proof(record, at)),
        check_of("witnesses asked again", name, n, witnesses.asked),
        check_of("witnesses inside the space", name, n, witnesses.inside),
        check_of("distances of the witnesses", name, n, witnesses.distances),
    ]
    if proofs:
        # Only now: without proofs numpy and the model are all that is needed.
        from specreg_sklearn.report.verify._proofs import check_proofs

        failed = check_proofs(
            model,
            X_part,
            witnesses.X_adv,
            rows,
            space,
            unproved=record["unproved"],
            norm=document["threat_model"]["norm"],
            max_nodes=document["settings"]["max_nodes"],
            n_jobs=n_jobs,
            place=at,
        )
        n = sum(row["lower"] != 0 for row in rows)
        out.append(check_of("lower bounds proved again", name, n, failed))
    return out


def _packages(versions: dict[str, str]) -> dict[str, str]:
    return {name: number for name, number in versions.items() if name != "system"}


def _fingerprint(
    record: dict[str, Any],
    model: Any,
    X: Any,
    labels: np.ndarray,
    same_versions: bool,
    at: str,
) -> list[tuple[str, str]]:
    n = min(len(labels), MOST_PREDICTED)
    predicted = ask(model.predict, X if n == len(labels) else take_rows(X, np.arange(n)), n)
    mine = parameters_of(model)
    if not same_versions:
        # Versions of a package add parameters and take some away.
        common = record["parameters"].keys() & mine.keys()
        mine = record["parameters"] | {key: mine[key] for key in common}
    found = {
        "class": class_name(model),
        "parameters": mine,
        "predictions": {
            "n_rows": n,
            "n_right": int(same_labels(predicted, labels[:n]).sum()),
            "sha256": labels_fingerprint(predicted),
        },
    }
    failed: list[tuple[str, str]] = []
    for key, value in found.items():
        failed += differences(record[key], value, f"{at}.{key}", 0.0)
    return failed


def _proof(record: dict[str, Any], at: str) -> list[tuple[str, str]]:
    """Compare what is said to have proved distances with what the rows say."""
    name = next((row["proved_by"] for row in record["rows"] if row["proved_by"]), "")
    failed = list(differences(record["proof"], name, f"{at}.proof", 0.0))
    if name and record["unproved"]:
        failed.append((f"{at}.unproved", f"says that nothing is proved; the rows name {name!r}"))
    return failed


def _choice(
    document: dict[str, Any], rows: list[dict[str, Any]], labels: np.ndarray, at: str
) -> list[tuple[str, str]]:
    settings = document["settings"]
    chosen = sampled_rows(labels, settings["max_samples"], settings["random_state"]).tolist()
    stated = [row["row"] for row in rows]
    if len(stated) != len(chosen):
        return [(f"{at}.rows", f"has {len(stated)} rows; the settings choose {len(chosen)}")]
    return [
        (f"{at}.rows[{k}].row", f"is {mine}; the settings choose {theirs}")
        for k, (mine, theirs) in enumerate(zip(stated, chosen, strict=True))
        if mine != theirs
    ]
