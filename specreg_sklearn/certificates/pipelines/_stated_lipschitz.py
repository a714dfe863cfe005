"""A function whose Lipschitz constant the user vouches for."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any


class StatedLipschitz:
    """A function together with its Lipschitz constant, for a ``FunctionTransformer``.

    Certificates cannot look into a function. Wrapped like this, it may stand in a pipeline whose
    radius is asked for: the proof then rests on the constant stated here.

    Parameters
    ----------
    func : callable
        Maps rows, an array of shape (n_samples, n_features), to rows, each by itself. It must
        accept float64 arrays and give the same rows for an array as for a frame.
    constant : float
        A number >= 0 with ``||func(a) - func(b)||_2 <= constant * ||a - b||_2`` for all rows `a`
        and `b`. For a function of single cells it is the largest slope.

    Raises
    ------
    TypeError
        If `func` cannot be called.
    ValueError
        If `constant` is not a finite number >= 0.

    Examples
    --------
    The slope of ``arcsinh`` is nowhere above 1.

    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from specreg_sklearn.metrics import StatedLipschitz, certified_radius
    >>> squash = FunctionTransformer(StatedLipschitz(np.arcsinh, 1.0))
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(squash, LogisticRegression(max_iter=500)).fit(X, y)
    >>> bool(np.median(certified_radius(model, X)) > 0.1)
    True
    """

    def __init__(self, func: Callable[..., Any], constant: float) -> None:
        if not callable(func):
            raise TypeError(f"func={func!r} is not a function.")
        number = isinstance(constant, Real) and not isinstance(constant, bool)
        if not (number and math.isfinite(constant) and constant >= 0):
            raise ValueError(f"constant={constant!r} is not accepted; give a finite number >= 0.")
        self.func = func
        self.constant = float(constant)

    def __call__(self, X: Any, **kw_args: object) -> Any:
        return self.func(X, **kw_args)

    def __repr__(self) -> str:
        return f"StatedLipschitz({self.func!r}, {self.constant!r})"
