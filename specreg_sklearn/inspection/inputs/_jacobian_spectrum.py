"""The singular values of the features' derivative at every row."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from specreg_sklearn._typing import Classifier, Scale
from specreg_sklearn.inspection.model import ModelView, rows_of, units_of

# Numbers that the Jacobians of one block of rows may hold.
_ENTRIES = 2**22


def feature_jacobian_spectrum(
    estimator: Classifier, X: Any, *, of: str = "features", scale: Scale = None
) -> np.ndarray:
    """Singular values of the derivative of the features with respect to the row.

    They say how far the features change when the row changes a little: the largest one in the worst
    direction, all of them together in all directions.

    Parameters
    ----------
    estimator : classifier, pipeline or search
        Fitted; a network or a linear model at the end. The features are what its readout reads.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows.
    of : {"features", "logits"}, default="features"
        What is differentiated.
    scale : None, "std", "range", float or array of shape (n_features,), default=None
        Units of the row; None is the units of `X`. Columns that do not vary are taken not to
        change with "std" and "range".

    Returns
    -------
    ndarray of shape (n_samples, n_values), float64
        In falling order; n_values is the smaller one of the numbers of columns and of outputs.

    Raises
    ------
    TypeError, ValueError, sklearn.exceptions.NotFittedError
        As :func:`logit_margins`, and if a parameter is not accepted.

    See Also
    --------
    layer_stretch : The same question for perturbations of a given length, and for every layer.
    singular_value_spectrum : The values of the weights, without the activations between them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.inspection import feature_jacobian_spectrum
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=500).fit(X, y)
    >>> values = feature_jacobian_spectrum(model, X[:2], of="logits")
    >>> bool(np.allclose(values, np.linalg.svd(model.coef_, compute_uv=False)))
    True
    """
    if of not in ("features", "logits"):
        raise ValueError(f"of={of!r} is not 'features' or 'logits'.")
    view = ModelView(estimator)
    rows = rows_of(view, X)
    units = torch.from_numpy(units_of(view, X, scale))
    function = view.features if of == "features" else view.logits
    with torch.no_grad():
        n_outputs = function(torch.from_numpy(rows[:1])).flatten(1).shape[1]
    size = max(1, _ENTRIES // (rows.shape[1] * n_outputs))
    values = []
    for block in torch.from_numpy(rows).split(size):
        x = block.detach().requires_grad_()
        with torch.enable_grad():
            jacobian = _jacobian(function(x).flatten(1), x)
        values.append(torch.linalg.svdvals(jacobian * units).numpy())
    return np.concatenate(values)


def _jacobian(outputs: Tensor, x: Tensor) -> Tensor:
    """Return derivatives of shape (n_samples, n_outputs, n_features)."""
    n_outputs = outputs.shape[1]
    if not outputs.requires_grad:  # the outputs do not depend on the rows
        return torch.zeros(len(x), n_outputs, x.shape[1], dtype=x.dtype)
    slopes = [
        torch.autograd.grad(outputs[:, k].sum(), x, retain_graph=k < n_outputs - 1)[0]
        for k in range(n_outputs)
    ]
    return torch.stack(slopes, dim=1)
