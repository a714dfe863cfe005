"""How fast the gradient of the loss turns along a direction."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils import gen_batches

from specreg_sklearn._typing import Classifier
from specreg_sklearn.inspection.inputs._row_perturbations import LossOfRows, RowLoss, row_loss
from specreg_sklearn.inspection.model import ModelView, check_positive, rows_of, targets_of
from specreg_sklearn.objectives.perturbations import input_gradient, steepest

_BLOCK_ROWS = 4096


def loss_curvature(
    estimator: Classifier,
    X: Any,
    y: Any = None,
    *,
    h: float,
    direction: Literal["gradient_sign", "gradient"] | ArrayLike = "gradient_sign",
    loss: Literal["cross_entropy"] | RowLoss = "cross_entropy",
) -> np.ndarray:
    """Change of the loss's gradient along a direction, per unit of length.

    ``||grad l(x + h z) - grad l(x)||_2 / h`` with a direction z of length 1: about the length of
    the Hessian times z.

    Parameters
    ----------
    estimator, X, y
        As in :func:`local_linearity`.
    h : float
        Length of the step, positive, in units of `X`. ReLU networks are affine in pieces: a step
        must be long enough to leave them.
    direction : {"gradient_sign", "gradient"} or array, default="gradient_sign"
        The direction: the signs of the gradient, along which Linf attacks go, the gradient itself,
        or an array of shape (n_features,) or (n_samples, n_features). It is brought to length 1.
    loss : "cross_entropy" or callable, default="cross_entropy"
        As in :func:`local_linearity`.

    Returns
    -------
    ndarray of shape (n_samples,), float64
        Curvatures, in units of the loss per squared unit of `X`. 0 where the gradient, and with it
        the direction, is zero.

    Raises
    ------
    TypeError, ValueError, sklearn.exceptions.NotFittedError
        As :func:`local_linearity`.

    See Also
    --------
    local_linearity : The largest gap between the loss and its tangent.

    References
    ----------
    Moosavi-Dezfooli, Fawzi, Uesato, Frossard, "Robustness via curvature regularization, and vice
    versa", CVPR 2019.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.inspection import loss_curvature
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=500).fit(X, y)
    >>> loss_curvature(model, X, y, h=0.1).shape
    (150,)
    """
    step = check_positive(h, "h")
    per_row = row_loss(loss)
    view = ModelView(estimator)
    rows = rows_of(view, X)
    codes = targets_of(view, rows, y)
    given = None if isinstance(direction, str) else _directions(direction, rows.shape)
    if given is None and direction not in ("gradient_sign", "gradient"):
        raise ValueError(f"direction={direction!r} is not 'gradient_sign', 'gradient' or an array.")
    curvatures = np.empty(len(rows))
    for part in gen_batches(len(rows), _BLOCK_ROWS):
        x = torch.from_numpy(rows[part])
        of_rows = LossOfRows(view, per_row, codes[part])
        here = input_gradient(of_rows, x)
        along = here if given is None else torch.from_numpy(given[part])
        if given is None and direction == "gradient_sign":
            along = here.sign()
        there = input_gradient(of_rows, x + step * steepest(along, 2))
        curvatures[part] = (torch.linalg.vector_norm(there - here, dim=1) / step).numpy()
    return curvatures


def _directions(direction: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.asarray(direction, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"direction={direction!r} does not hold numbers.") from error
    if array.shape not in (shape, shape[1:]) or not np.isfinite(array).all():
        raise ValueError(
            f"direction has shape {array.shape}; finite numbers of shape {shape} or {shape[1:]} "
            "are accepted."
        )
    if (np.abs(array).max(axis=-1) == 0).any():
        raise ValueError("direction holds a zero vector, which points nowhere.")
    return np.broadcast_to(array, shape).copy()
