"""The composition of stages, with a Lipschitz constant for every pair of outputs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from specreg_sklearn.certificates.bounds._eclipse import FeasiblePoint, HiddenLayer
from specreg_sklearn.certificates.bounds._tuned_eclipse import tuned_points
from specreg_sklearn.certificates.stages import (
    Affine,
    Elementwise,
    Stage,
    compare_with_models,
    run,
)
from specreg_sklearn.spectral.bounds import (
    above,
    certified_matrix_norm,
    pair_distances,
    times,
    times_all,
)

# A Gram matrix of this side takes half a gigabyte, and minutes to invert.
_WIDEST_ECLIPSE = 8192


class CertifiedMap:
    """A function on rows, made of stages, that can be evaluated and bounded.

    Parameters
    ----------
    stages : list of Stage
        Applied in this order.

    Attributes
    ----------
    stages : tuple of Stage
        As given; :meth:`evaluate` runs through them.
    folded : tuple of Stage
        The same function with neighbouring affine stages merged; the bounds are computed here,
        so that a scaler in front costs nothing.

    Raises
    ------
    ValueError
        If there is no stage, or if the widths of two neighbours differ.

    Examples
    --------
    >>> import numpy as np
    >>> from specreg_sklearn.certificates import Affine, CertifiedMap, Elementwise
    >>> hidden = Affine([[3.0, 0.0], [0.0, 1.0]])
    >>> function = CertifiedMap([hidden, Elementwise("relu"), Affine([[1.0, 0.0], [0.0, 1.0]])])
    >>> function.evaluate(np.array([[1.0, 2.0]]))[0]
    array([[3., 2.]])
    >>> round(float(function.pair_constants()[0, 1]), 2)  # exact is 3.16, the product 4.24
    3.2
    """

    def __init__(self, stages: Iterable[Stage]) -> None:
        self.stages = tuple(stages)
        if not self.stages:
            raise ValueError("A certified map needs at least one stage.")
        width: int | None = None
        for stage in self.stages:
            if None not in (width, stage.n_inputs) and width != stage.n_inputs:
                raise ValueError(f"A stage wants {stage.n_inputs} columns and gets {width}.")
            width = width if stage.n_outputs is None else stage.n_outputs
        if width is None:
            raise ValueError("The number of outputs is not known: no stage states it.")
        self.n_outputs = width
        self.n_inputs = next((s.n_inputs for s in self.stages if s.n_inputs is not None), None)

    @cached_property
    def folded(self) -> tuple[Stage, ...]:
        """The stages with neighbouring affine ones merged."""
        folded: list[Stage] = []
        for stage in self.stages:
            if isinstance(stage, Elementwise) and stage.activation.name == "identity":
                continue
            last = folded[-1] if folded else None
            if isinstance(stage, Affine) and isinstance(last, Affine):
                folded[-1] = stage.after(last)
            else:
                folded.append(stage)
        return tuple(folded)

    def evaluate(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the outputs in float64 and how far rounding may have moved them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            Rows, taken to be exact.

        Returns
        -------
        outputs : ndarray of shape (n_samples, n_outputs)
            Computed values.
        delta : ndarray of shape (n_samples, n_outputs)
            Bound of the distance to the value in real arithmetic.
        """
        Y = np.asarray(X, dtype=np.float64)
        return run(self.stages, Y, np.zeros_like(Y))

    def compare(self, X: np.ndarray) -> None:
        """Compare the stages that were read off a torch module with that module, on rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_inputs)
            Rows.

        Raises
        ------
        NoLipschitzBound
            If the module computes something else on one of them.
        """
        compare_with_models(self.stages, np.asarray(X, dtype=np.float64))

    def pair_constants(self) -> np.ndarray:
        """Return an l2 Lipschitz constant for every difference of two outputs.

        Returns
        -------
        ndarray of shape (n_outputs, n_outputs)
            Entry (j, k) bounds the constant of ``output j - output k``: the smallest of the
            product of the layers' norms, ECLipsE-Fast, and the same with multipliers that are
            chosen for this readout. Zero on the diagonal.
        """
        return np.minimum(*self._pair_bounds)

    def pair_methods(self) -> np.ndarray:
        """Return which bound is the smaller one: "product" or "eclipse", of shape (K, K)."""
        product, eclipse = self._pair_bounds
        return np.where(eclipse < product, "eclipse", "product")

    def lipschitz(self) -> float:
        """Return an l2 Lipschitz constant of the map to all outputs."""
        return self._bounds[0]

    def feature_lipschitz(self) -> float:
        """Return an l2 Lipschitz constant of the map up to the input of the last affine stage.

        One if the map is that stage alone; the constant of the whole map if it does not end in
        an affine stage.
        """
        return self._bounds[1]

    @property
    def readout_factor(self) -> float:
        """Norm of the last affine stage; one if the map does not end in one."""
        return self._readout.lipschitz() if self._readout is not None else 1.0

    @cached_property
    def _readout(self) -> Affine | None:
        last = self.folded[-1] if self.folded else None
        return last if isinstance(last, Affine) else None

    @cached_property
    def _segments(self) -> _Segments:
        return _Segments(self.folded if self._readout is None else self.folded[:-1])

    @cached_property
    def _bounds(self) -> tuple[float, float]:
        """The constants of the whole map and of its features."""
        product, eclipse = self._segments.product, self._segments.eclipse
        features = min(product, self._segments.constant)
        if self._readout is None:
            return features, features
        whole = times(features, self.readout_factor)
        if eclipse is not None:
            weight, error = self._readout.dense(), self._readout.uncertainty()
            # The last point is the best one for pairs; the first one is ECLipsE-Fast.
            both = {0: eclipse, 1: self._points[-1]}.values()
            norm = min(point.norm(weight, error) for point in both)
            whole = min(whole, times(self._segments.before, norm))
        return whole, features

    @cached_property
    def _pair_bounds(self) -> tuple[np.ndarray, np.ndarray]:
        if self._readout is None:
            # Two outputs of a map with constant L differ by a function of constant sqrt(2) L.
            distances = above(np.sqrt(2.0) * (1.0 - np.eye(self.n_outputs)), 1)
            constant = self._segments.constant
            return distances * self._segments.product, times_all(distances, constant)
        weight, error = self._readout.dense(), self._readout.uncertainty()
        distances = pair_distances(weight)
        if error:
            distances = above(distances + np.sqrt(2.0) * error * (1.0 - np.eye(len(weight))), 3)
        product = times_all(distances, self._segments.product)
        eclipse = self._segments.eclipse
        if eclipse is None:
            return product, times_all(distances, self._segments.constant)
        pairs = np.min([point.pairs(weight, error) for point in self._points], axis=0)
        return product, times_all(pairs, self._segments.before)

    @cached_property
    def _points(self) -> list[FeasiblePoint]:
        """Feasible points for the open segment and the readout, ECLipsE-Fast first."""
        eclipse, readout = self._segments.eclipse, self._readout
        if eclipse is None or readout is None:
            return []
        layers = self._segments.layers
        return tuned_points(eclipse, layers, readout.dense(), readout.uncertainty())


class _Segments:
    """Constants of the stages before the readout.

    ECLipsE-Fast wants an affine stage before every activation, and slopes that are not negative.
    Stages that do not fit end a segment; constants of segments are multiplied.
    """

    def __init__(self, stages: tuple[Stage, ...]) -> None:
        self.product = 1.0
        self.before = 1.0  # constant of all closed segments
        self.layers: list[HiddenLayer] = []  # of the open segment
        pending: Affine | None = None
        for stage in stages:
            self.product = times(self.product, stage.lipschitz())
            if isinstance(stage, Affine):
                pending = stage
            elif pending is not None and _is_monotone(stage):
                weight, error = pending.dense(), pending.uncertainty()
                self.layers.append(HiddenLayer(weight, error, stage.lipschitz()))
                pending = None
            else:
                self._close(pending)
                self.before = times(self.before, stage.lipschitz())
                pending = None

    def _close(self, pending: Affine | None) -> None:
        constant = 1.0
        eclipse = _eclipse(self.layers)
        if eclipse is not None:
            constant = eclipse.constant
            if pending is not None:
                constant = eclipse.norm(pending.dense(), pending.uncertainty())
        else:
            for layer in self.layers:
                size = above(certified_matrix_norm(layer.weight) + layer.weight_error, 1)
                constant = times(constant, size, layer.slope)
            if pending is not None:
                constant = times(constant, pending.lipschitz())
        self.before = times(self.before, constant)
        self.layers = []

    @cached_property
    def eclipse(self) -> FeasiblePoint | None:
        """The open segment; None if there is none."""
        return _eclipse(self.layers)

    @cached_property
    def constant(self) -> float:
        """The constant of all stages."""
        if self.eclipse is not None:
            return times(self.before, self.eclipse.constant)
        return self.product if self.layers else min(self.product, self.before)


def _is_monotone(stage: Stage) -> bool:
    return isinstance(stage, Elementwise) and stage.activation.low >= 0.0


def _eclipse(layers: list[HiddenLayer]) -> FeasiblePoint | None:
    if not layers or max(len(layer.weight) for layer in layers) > _WIDEST_ECLIPSE:
        return None
    try:
        return FeasiblePoint(layers)
    except (ArithmeticError, np.linalg.LinAlgError):  # rounding leaves no proof: the product does
        return None
