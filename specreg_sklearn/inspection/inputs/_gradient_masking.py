"""Signs that gradients mislead attacks, so that a model looks more robust than it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from specreg_sklearn._typing import Classifier, Eps, MaxSamples, RandomState, Scale
from specreg_sklearn.attacks import BlackBoxAttack
from specreg_sklearn.inspection.inputs._gradient_attacks import GradientAttacks
from specreg_sklearn.inspection.model import (
    ModelView,
    Report,
    check_positive_grid,
    codes_of,
    rows_of,
    units_of,
)
from specreg_sklearn.metrics.measurement import Measurement, shares_beyond
from specreg_sklearn.space import FeatureSpace, as_norm, check_norm
from specreg_sklearn.tables import (
    DEFAULT_MAX_SAMPLES,
    ask,
    check_positive_int,
    check_seed,
    same_labels,
    subsample,
)


@dataclass(frozen=True, repr=False, eq=False)
class MaskingReport(Report):
    """Accuracies under attacks of growing strength, and the checks they pass or fail.

    Parameters
    ----------
    eps : ndarray of shape (n_eps,)
        Sizes of the attacks.
    clean : float
        Accuracy on the clean rows.
    noise, fgsm, pgd, black_box : ndarray of shape (n_eps,)
        Share of rows that are classified correctly and withstand one random perturbation on the
        surface of the ball, one gradient step, projected gradient ascent, and an attack that sees
        predictions only. Rows that the latter could not decide count as withstanding it.
    huge_eps, pgd_at_huge_eps : float
        A size at which nothing can be robust, and the share that withstands it.
    failures : tuple of str
        What is wrong, in words; empty if nothing is.
    remarks : tuple of str
        What is no sign of masked gradients and yet should be known: sizes at which the attack by
        predictions found less than its gradients show, so that a robust accuracy measured with it
        is too high.
    n_rows : int or None
        How many rows all shares are of; None if it is not known.
    """

    eps: np.ndarray
    clean: float
    noise: np.ndarray
    fgsm: np.ndarray
    pgd: np.ndarray
    black_box: np.ndarray
    huge_eps: float
    pgd_at_huge_eps: float
    failures: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    n_rows: int | None = None

    @property
    def passed(self) -> bool:
        """Whether no sign of masked gradients was found."""
        return not self.failures

    def __repr__(self) -> str:
        head = f"{'eps':>10}{'noise':>10}{'fgsm':>10}{'pgd':>10}{'black box':>12}"
        of_rows = "" if self.n_rows is None else f", measured on {self.n_rows} rows"
        lines = [f"MaskingReport: {'passed' if self.passed else 'FAILED'}{of_rows}", head]
        columns = (self.eps, self.noise, self.fgsm, self.pgd, self.black_box)
        for e, noise, fgsm, pgd, black in zip(*columns, strict=True):
            lines.append(f"{e:>10.4g}{noise:>10.3f}{fgsm:>10.3f}{pgd:>10.3f}{black:>12.3f}")
        lines.append(f"{self.huge_eps:>10.4g}{'':>20}{self.pgd_at_huge_eps:>10.3f}")
        return "\n".join([*lines, *self.failures, *self.remarks])


def gradient_masking_report(
    estimator: Classifier,
    X: Any,
    y: Any,
    *,
    eps: Eps,
    norm: float = np.inf,
    scale: Scale = None,
    n_steps: int = 40,
    n_restarts: int = 2,
    attack: str | BlackBoxAttack = "auto",
    tolerance: float = 0.02,
    max_samples: MaxSamples = DEFAULT_MAX_SAMPLES,
    random_state: RandomState = 0,
    n_jobs: int | None = None,
) -> MaskingReport:
    """Check whether gradients show attacks the way, before robustness is claimed with them.

    A model whose gradients vanish or mislead withstands attacks by gradients, and falls to others.
    Four things hold where gradients are honest:

    1. accuracy under attack does not rise with `eps`;
    2. it is zero where `eps` reaches across the data;
    3. projected gradient ascent is no weaker than one gradient step, and that than random noise;
    4. an attack that sees predictions only is not stronger than one that sees gradients.

    Parameters
    ----------
    estimator : classifier, pipeline or search
        Fitted; a network or a linear model at the end.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows.
    y : array-like of shape (n_samples,)
        True labels.
    eps : float or array-like of shape (n_eps,)
        Sizes of the attacks, positive and increasing, in the norm of ``(X_adv - X) / scale``.
    norm : {2, inf}, default=inf
        The norm.
    scale : None, "std", "range", float or array of shape (n_features,), default=None
        Units of the perturbations; None is the units of `X`.
    n_steps : int, default=40
        Steps of projected gradient ascent, of length ``2.5 * eps / n_steps``.
    n_restarts : int, default=2
        Its starts: the row itself, then random ones. Where none of them fools the model, every
        other class is made a target in turn, beginning with the likeliest.
    attack : str or BlackBoxAttack, default="auto"
        The attack by predictions: :class:`~specreg_sklearn.attacks.CGBA` in L2,
        :class:`~specreg_sklearn.attacks.RayS` in Linf. Like the others it has no bounds.
    tolerance : float, default=0.02
        Share of rows by which a check may be missed: attacks are searches, and not exact.
    max_samples : int, "all" or None, default=100
        Use only so many rows, chosen as in :func:`~specreg_sklearn.metrics.robust_accuracy_score`.
    random_state : None, int, RandomState or Generator, default=0
        Seed of the choice of rows and of all attacks.
    n_jobs : int or None, default=None
        Workers of the attack by predictions.

    Returns
    -------
    MaskingReport
        With `passed`, `failures` and the accuracies.

    Raises
    ------
    TypeError, ValueError, sklearn.exceptions.NotFittedError
        As :func:`logit_margins`, and if a parameter is not accepted.

    Notes
    -----
    The report also says where predictions find less than gradients: more than the tolerance and
    two standard errors of the difference apart. That is no fault of the model; it takes more
    queries, the more columns there are.

    Attacks by gradients raise another logit over that of the true class, in float64. Unlike
    cross-entropy, this does not flatten out where the model is sure. A report that passes proves
    nothing; one that fails says that gradients must not be trusted.

    References
    ----------
    Athalye, Carlini, Wagner, "Obfuscated gradients give a false sense of security", ICML 2018.
    Carlini et al., "On evaluating adversarial robustness", arXiv:1902.06705.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from specreg_sklearn.inspection import gradient_masking_report
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    >>> report = gradient_masking_report(
    ...     model, X, y, eps=[0.1, 0.3], norm=2, scale="std", max_samples=60
    ... )
    >>> report.passed
    True
    """
    grid, _ = check_positive_grid(eps, "eps")
    norm = check_norm(norm, (2, np.inf), "gradient_masking_report")
    check_positive_int(n_steps, "n_steps")
    check_positive_int(n_restarts, "n_restarts")
    if isinstance(tolerance, bool) or not 0 <= float(tolerance) < 1:
        raise ValueError(f"tolerance={tolerance!r} is not accepted; give a number in [0, 1).")
    seed = check_seed(random_state)
    view = ModelView(estimator)
    everything = rows_of(view, X)
    units = units_of(view, X, scale)
    X_part, y_part = subsample(X, y, max_samples, seed)
    rows = rows_of(view, X_part)
    codes = codes_of(view.classes, y_part, len(rows))
    attacks = GradientAttacks(view, rows, codes, units, norm, seed)
    reach = np.ptp(everything, axis=0)[units > 0] / units[units > 0]
    huge = max(float(as_norm(norm).length(reach[None])[0]), float(grid[-1]))
    space = FeatureSpace.from_data(X, bounds=None, scale=scale)
    measurement = Measurement(norm, attack, space, "std", max_samples, seed, n_jobs)
    result = measurement.run_attack(estimator, X, y)
    black_box = shares_beyond(result.distances, grid, "gradient_masking_report", result.status)
    accuracies = {
        "noise": np.array([attacks.after_noise(e) for e in grid]),
        "fgsm": np.array([attacks.after_one_step(e) for e in grid]),
        "pgd": np.array([attacks.after_ascent(e, n_steps, n_restarts) for e in grid]),
        "black_box": black_box,
    }
    at_huge = attacks.after_ascent(huge, n_steps, n_restarts)
    failures = _failures(accuracies, grid, huge, at_huge, tolerance)
    predicted = ask(estimator.predict, X_part, len(rows))
    other = np.mean(~same_labels(predicted, view.classes[attacks.clean_codes]))
    if other > tolerance:
        failures.append(f"predict and the largest logit differ on {other:.1%} of the rows.")
    return MaskingReport(
        grid,
        attacks.clean,
        **accuracies,
        huge_eps=huge,
        pgd_at_huge_eps=at_huge,
        failures=tuple(failures),
        remarks=tuple(_remarks(accuracies, grid, tolerance, len(codes))),
        n_rows=len(codes),
    )


def _failures(
    accuracies: dict[str, np.ndarray],
    grid: np.ndarray,
    huge: float,
    at_huge: float,
    tolerance: float,
) -> list[str]:
    """Return what speaks for masked gradients, in words."""
    found = []
    pgd = accuracies["pgd"]
    for k in np.flatnonzero(np.diff([*pgd, at_huge]) > tolerance):
        sizes = [*grid, huge]
        found.append(f"Accuracy under pgd rises from eps={sizes[k]:.4g} to eps={sizes[k + 1]:.4g}.")
    if at_huge > tolerance:
        found.append(
            f"{at_huge:.1%} of the rows withstand pgd at eps={huge:.4g}, which reaches across the "
            "data."
        )
    for strong, weak in (("pgd", "fgsm"), ("fgsm", "noise"), ("pgd", "black_box")):
        for k in np.flatnonzero(accuracies[strong] > accuracies[weak] + tolerance):
            found.append(
                f"{strong} is weaker than {weak} at eps={grid[k]:.4g}: accuracy "
                f"{accuracies[strong][k]:.3f} against {accuracies[weak][k]:.3f}."
            )
    return found


def _remarks(
    accuracies: dict[str, np.ndarray], grid: np.ndarray, tolerance: float, n_rows: int
) -> list[str]:
    """Return where the attack by predictions is the weaker one, by more than chance."""
    pgd, black_box = accuracies["pgd"], accuracies["black_box"]
    # Both attacks see the same rows, and each row on which they differ counts one way: with d of n
    # rows the standard error of the difference is sqrt(d) / n.
    two_errors = 2 * np.sqrt(np.abs(pgd - black_box) / n_rows)
    return [
        f"black_box is weaker than pgd at eps={grid[k]:.4g}: accuracy {black_box[k]:.3f} against "
        f"{pgd[k]:.3f}. Its queries do not suffice; trust pgd, or raise max_queries."
        for k in np.flatnonzero(black_box > pgd + (tolerance + two_errors))
    ]
