"""The spectral complexity of a network, and margins in its units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch

from specreg_sklearn._typing import Classifier
from specreg_sklearn.certificates.networks import TorchGraph
from specreg_sklearn.certificates.pipelines import classifier_stages
from specreg_sklearn.certificates.stages import Elementwise
from specreg_sklearn.inspection.margins import margins_of
from specreg_sklearn.inspection.model import ModelView, rows_of, targets_of
from specreg_sklearn.inspection.weights._singular_values import weight_of

Reference: TypeAlias = Classifier | Sequence[np.ndarray] | None
"""A model with layers of the same shapes, the matrices themselves, or zero."""


def spectral_complexity(estimator: Classifier, reference: Reference = None) -> float:
    """Product of the layers' norms, times how far the layers are from a reference.

    With weights W_l, spectral norms s_l and references M_l it is
    ``prod s_l * (sum_l (sum of row norms of (W_l - M_l) / s_l) ** (2/3)) ** (3/2)``, times the
    slopes of the activations where they differ from 1.

    Parameters
    ----------
    estimator : classifier, pipeline or search
        Fitted; a fully connected network or a linear model. Scalers in front do not count: the
        complexity is that of the function of what the network reads.
    reference : None, estimator or sequence of ndarray, default=None
        Weights to measure distance from, such as the start of the training: a fitted model with
        layers of the same shapes, or matrices (n_outputs, n_inputs) in order. None is zero.

    Returns
    -------
    float
        The complexity, without the factors of the generalisation bound it comes from.

    Raises
    ------
    TypeError, ValueError, sklearn.exceptions.NotFittedError
        As :func:`logit_margins`, ``ValueError`` if the network is not fully connected, or the
        reference does not fit.

    See Also
    --------
    normalized_margins : Margins divided by the complexity.

    Notes
    -----
    Implementations differ on whether norms of rows or of columns are summed. Here they are the
    norms of a unit's incoming weights, as in the paper.

    References
    ----------
    Bartlett, Foster, Telgarsky, "Spectrally-normalized margin bounds for neural networks", NeurIPS
    2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.inspection import spectral_complexity
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=500).fit(X, y)
    >>> rows = np.linalg.norm(model.coef_, axis=1).sum()  # of one layer nothing else is left
    >>> bool(np.isclose(spectral_complexity(model), rows))
    True
    """
    view = ModelView(estimator)
    weights = _weights(view)
    stages = classifier_stages(estimator)
    slopes = [stage.lipschitz() for stage in stages if isinstance(stage, Elementwise)]
    norms = np.array([np.linalg.norm(weight, 2) for weight in weights])
    if not norms.all():
        return 0.0
    references = _references(reference, weights)
    distances = np.array(
        [np.linalg.norm(w - m, axis=1).sum() for w, m in zip(weights, references, strict=True)]
    )
    return float(np.prod(slopes) * np.prod(norms) * np.sum((distances / norms) ** (2 / 3)) ** 1.5)


def normalized_margins(
    estimator: Classifier,
    X: Any,
    y: Any,
    *,
    reference: Reference = None,
) -> np.ndarray:
    """Logit margins over spectral complexity and the size of the rows.

    ``margin * n / (complexity * sqrt(sum of squared norms of the n rows))``, with the rows as the
    network reads them, behind scalers. Unlike logit margins they can be compared between networks.

    Parameters
    ----------
    estimator : classifier, pipeline or search
        As in :func:`spectral_complexity`.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows.
    y : array-like of shape (n_samples,)
        True labels; a row that is misclassified has a negative margin.
    reference : None, estimator or sequence of ndarray, default=None
        As in :func:`spectral_complexity`.

    Returns
    -------
    ndarray of shape (n_samples,), float64
        Margins.

    Raises
    ------
    TypeError, ValueError, sklearn.exceptions.NotFittedError
        As :func:`spectral_complexity`, and if `X` or `y` does not fit the model, or the complexity
        or all rows are zero.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.inspection import normalized_margins
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=500).fit(X, y)
    >>> bool(((normalized_margins(model, X, y) > 0) == (model.predict(X) == y)).all())
    True
    """
    view = ModelView(estimator)
    rows = rows_of(view, X)
    codes = targets_of(view, rows, y)
    size = float(np.linalg.norm(view.evaluate(view.network_input, rows)))
    complexity = spectral_complexity(estimator, reference)
    if size * complexity == 0:
        raise ValueError("Margins cannot be normalised: the complexity or all rows are zero.")
    margins = margins_of(view.evaluate(view.logits, rows), codes)
    return margins * len(rows) / (complexity * size)


def _weights(view: ModelView) -> list[np.ndarray]:
    weights = []
    name = type(view.estimator).__name__
    for label, layer in view.layers.items():
        weight = layer if isinstance(layer, np.ndarray) else weight_of(layer).numpy()
        if weight.ndim != 2:
            raise ValueError(
                f"spectral_complexity is for fully connected networks; layer {label!r} of {name} "
                f"has weights of shape {weight.shape}."
            )
        weights.append(weight)
    graphs = [s for s in classifier_stages(view.estimator) if isinstance(s, TorchGraph)]
    if graphs or not weights:
        raise ValueError(
            f"spectral_complexity is for fully connected networks, layer after layer; {name} is "
            "another kind of model."
        )
    return weights


def _references(reference: Reference, weights: list[np.ndarray]) -> list[np.ndarray]:
    if reference is None:
        return [np.zeros_like(weight) for weight in weights]
    if isinstance(reference, Sequence) and not hasattr(reference, "predict"):
        given = [
            part.detach().numpy() if isinstance(part, torch.Tensor) else np.asarray(part)
            for part in reference
        ]
    else:
        given = _weights(ModelView(reference))
    shapes, wanted = ([weight.shape for weight in group] for group in (given, weights))
    if shapes != wanted:
        raise ValueError(f"reference has weights of shapes {shapes}; the model has {wanted}.")
    return given
