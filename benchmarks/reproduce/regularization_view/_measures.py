"""What is measured on one network."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.reproduce.regularization_view._attacks import Agreement, withstands_pgd
from benchmarks.reproduce.regularization_view._problems import Problem, Rows
from specreg_sklearn.attacks import CGBA
from specreg_sklearn.inspection import (
    MaskingReport,
    boundary_mass,
    confidence_profile,
    feature_margins,
    generalization_gap,
    gradient_masking_report,
    layer_stretch,
    logit_margins,
    singular_value_spectrum,
)
from specreg_sklearn.metrics import adversarial_distances, certified_radius
from specreg_sklearn.tables import subsample

Figures = dict[str, float]


def measure(model: Any, problem: Problem, rows: Rows, seed: int) -> tuple[Figures, Agreement]:
    """Return numbers by name, and the comparison of the two attacks.

    Misclassified rows count as not robust, with the distance and the radius 0.
    """
    X, y = rows.X_test, rows.y_test
    found = {**_margins(model, problem, X, y), **_confidence(model, rows), **_spectra(model)}
    X_part, y_part = subsample(X, y, problem.n_attacked, seed)
    found |= _stretch(model, X_part, problem.stretch_radius, seed)
    right = model.predict(X_part) == y_part
    radii = np.where(right, certified_radius(model, X_part, scale=None), 0.0)
    distances, agreement = attacked(model, problem, rows, seed)
    found |= {
        "accuracy": float(np.mean(model.predict(X) == y)),
        "pgd linf": float(
            withstands_pgd(
                model, X, y, eps=problem.eval_linf, norm=np.inf, box=problem.box, seed=seed
            ).mean()
        ),
        "pgd l2": float(np.mean(agreement.by_gradients)),
        "certified": float(np.mean(right & (radii > problem.eval_l2))),
        "median radius": float(np.median(radii)),
        "failed attacks": float(np.isinf(distances).sum()),
    }
    if agreement.decided.any():
        found["cgba"] = float(np.mean(agreement.by_predictions[agreement.decided]))
        found["median distance"] = float(np.median(distances[agreement.decided]))
    return found, agreement


def attacked(model: Any, problem: Problem, rows: Rows, seed: int) -> tuple[np.ndarray, Agreement]:
    """Attack the same rows by predictions and by gradients, in L2 and within the same box.

    Returns
    -------
    distances : ndarray of shape (n_attacked,)
        Distances that the attack by predictions found; ``inf`` where it had no start.
    agreement : Agreement
        Which rows withstand both attacks at the radius of the evaluation.
    """
    X_part, y_part = subsample(rows.X_test, rows.y_test, problem.n_attacked, seed)
    distances = adversarial_distances(
        model,
        rows.X_test,
        rows.y_test,
        attack=CGBA(max_queries=problem.max_queries, random_state=seed),
        space=problem.space(rows.X_test),
        max_samples=problem.n_attacked,
        random_state=seed,
    )
    survives = withstands_pgd(
        model, X_part, y_part, eps=problem.eval_l2, norm=2, box=problem.box, seed=seed
    )
    decided = np.isfinite(distances)
    if not (decided & (distances > 0)).any():  # nothing is known but which rows are wrong anyway
        decided[:] = False
    return distances, Agreement(survives, distances > problem.eval_l2, decided)


def masking(model: Any, problem: Problem, rows: Rows, seed: int) -> MaskingReport:
    """Ask whether the gradients of the model can be believed, around the same radius in L2.

    As many rows as those of all seeds together, so that the report can see what they show.
    """
    return gradient_masking_report(
        model,
        rows.X_test,
        rows.y_test,
        eps=[0.5 * problem.eval_l2, problem.eval_l2, 2 * problem.eval_l2],
        norm=2,
        attack=CGBA(max_queries=problem.max_queries, random_state=seed),
        max_samples=problem.n_attacked * len(problem.seeds),
        random_state=seed,
    )


def _stretch(model: Any, X: np.ndarray, radius: float, seed: int) -> Figures:
    found = {}
    for layer, values in layer_stretch(model, X, radius=radius, random_state=seed).items():
        found[f"random stretch, {layer}"] = values.random_mean
        found[f"adversarial stretch, {layer}"] = values.adversarial_mean
        found[f"anisotropy, {layer}"] = values.anisotropy
    return found


def _margins(model: Any, problem: Problem, X: np.ndarray, y: np.ndarray) -> Figures:
    margins = logit_margins(model, X, y)
    return {
        "median logit margin": float(np.median(margins)),
        "std logit margin": float(np.std(margins)),
        "boundary mass": float(boundary_mass(margins, threshold=problem.boundary)),
        "median feature margin": float(np.median(feature_margins(model, X, normalize=True))),
    }


def _confidence(model: Any, rows: Rows) -> Figures:
    profile = confidence_profile(model, rows.X_test, rows.y_test)
    gap = generalization_gap(model, rows.X_train, rows.y_train, rows.X_test, rows.y_test)
    return {
        "max probability": float(profile.max_probability.mean()),
        "entropy": float(profile.entropy.mean()),
        "loss gap": gap.loss_gap,
        "error gap": gap.error_gap,
        "std test loss": gap.test_loss_std,
    }


def _spectra(model: Any) -> Figures:
    found, product = {}, 1.0
    for layer, values in singular_value_spectrum(model).items():
        found[f"sigma std, {layer}"] = values.std
        found[f"sigma cv, {layer}"] = values.cv
        found[f"sigma max, {layer}"] = values.max
        found[f"sigma min, {layer}"] = values.min
        product *= values.max
    found["product of sigma max"] = product
    return found
