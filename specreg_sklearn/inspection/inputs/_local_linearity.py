"""How far the loss around a row is from its tangent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from sklearn.utils import gen_batches
from torch import Tensor

from specreg_sklearn._typing import Classifier, RandomState, Scale
from specreg_sklearn.inspection.inputs._row_perturbations import (
    LossOfRows,
    PerturbableRows,
    RowLoss,
    ascend,
    random_perturbations,
    row_loss,
)
from specreg_sklearn.inspection.model import (
    ModelView,
    check_positive,
    rows_of,
    targets_of,
    units_of,
)
from specreg_sklearn.objectives.perturbations import value_and_gradient
from specreg_sklearn.space import check_norm
from specreg_sklearn.tables import check_positive_int, check_seed

_BLOCK_ROWS = 4096


def local_linearity(
    estimator: Classifier,
    X: Any,
    y: Any = None,
    *,
    eps: float,
    norm: float = np.inf,
    loss: Literal["cross_entropy"] | RowLoss = "cross_entropy",
    n_steps: int = 20,
    n_starts: int = 4,
    scale: Scale = None,
    random_state: RandomState = 0,
) -> np.ndarray:
    """Largest gap found between the loss near a row and its linear model at the row.

    The gap of a perturbation d is ``|l(x + d) - l(x) - d . grad l(x)|``. Where it is small
    a single gradient step is as good as a long attack; where it is large, attacks of few steps
    look harmless.

    Parameters
    ----------
    estimator : classifier, pipeline or search
        Fitted; a network or a linear model at the end.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows.
    y : array-like of shape (n_samples,), default=None
        Labels of the loss; None takes the predictions.
    eps : float
        Largest size of a perturbation, positive, in units of `scale`.
    norm : {2, inf}, default=inf
        Its norm.
    loss : "cross_entropy" or callable, default="cross_entropy"
        A callable gets logits of shape (n_samples, n_classes) and class codes, float64 and int64
        tensors, and returns one loss a row.
    n_steps : int, default=20
        Steps of the search, one forward and one backward pass each.
    n_starts : int, default=4
        Random perturbations from which the search starts; the largest gap counts.
    scale : None, "std", "range", float or array of shape (n_features,), default=None
        Units of the perturbations; None is the units of `X`.
    random_state : None, int, RandomState or Generator, default=0
        Seed of the random perturbations.

    Returns
    -------
    ndarray of shape (n_samples,), float64
        Gaps, in units of the loss: lower bounds of the largest gap.

    Raises
    ------
    TypeError, ValueError, sklearn.exceptions.NotFittedError
        As :func:`logit_margins`, and if a parameter is not accepted.

    See Also
    --------
    loss_curvature : The change of the gradient along one direction.

    References
    ----------
    Qin et al., "Adversarial robustness through local linearization", NeurIPS 2019.

    Examples
    --------
    For a loss that is the square of a linear score the gap is that of its second derivative.

    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.inspection import local_linearity
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = LogisticRegression(max_iter=5000).fit(X, y)
    >>> gaps = local_linearity(
    ...     model, X[:5], eps=0.1, norm=2, loss=lambda logits, codes: logits[:, 1] ** 2
    ... )
    >>> half_hessian = np.linalg.norm(model.coef_ / 2) ** 2
    >>> bool(np.allclose(gaps, half_hessian * 0.1**2))
    True
    """
    size = check_positive(eps, "eps")
    norm = check_norm(norm, (2, np.inf), "local_linearity")
    check_positive_int(n_steps, "n_steps", least=0)
    check_positive_int(n_starts, "n_starts")
    per_row = row_loss(loss)
    view = ModelView(estimator)
    rows = rows_of(view, X)
    codes = targets_of(view, rows, y)
    units = units_of(view, X, scale)
    generator = torch.Generator().manual_seed(check_seed(random_state))
    gaps = np.empty(len(rows))
    for part in gen_batches(len(rows), _BLOCK_ROWS):
        of_rows = LossOfRows(view, per_row, codes[part])
        perturbable = PerturbableRows(torch.from_numpy(rows[part]), units)
        best = torch.zeros(len(rows[part]), dtype=torch.float64)
        gap = _gap_to_tangent(of_rows, perturbable)
        for _ in range(n_starts):
            start = random_perturbations(perturbable.shape, size, norm, generator)
            found = ascend(gap, start, radius=size, norm=norm, n_steps=n_steps)
            best = torch.maximum(best, found)
        gaps[part] = best.numpy()
    return gaps


def _gap_to_tangent(loss: LossOfRows, rows: PerturbableRows) -> Callable[[Tensor], Tensor]:
    """Return the function from perturbations to the gap between the loss and its linear model."""

    def at(perturbations: Tensor) -> Tensor:
        return loss(rows.after(perturbations))

    here, slope = value_and_gradient(at, torch.zeros(rows.shape, dtype=torch.float64))

    def gap(perturbations: Tensor) -> Tensor:
        return (at(perturbations) - here - (perturbations * slope).sum(dim=1)).abs()

    return gap
