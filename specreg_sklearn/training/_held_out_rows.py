"""What a network makes of rows that it was not trained on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from specreg_sklearn._typing import BoolArray, FloatArray
from specreg_sklearn.certificates import Affine, CertifiedMap, Elementwise, torch_stages
from specreg_sklearn.modules import Network, predicting
from specreg_sklearn.spectral import matrix_norm, used_layers
from specreg_sklearn.training._batches import batched
from specreg_sklearn.training._net import PenalizedNet


class HeldOutLook(NamedTuple):
    """What a network makes of held-out rows.

    Parameters
    ----------
    accuracy, log_loss : float
        Weighted means.
    certificate : float
        Median certified radius, 0 for wrong rows; NaN where the network has no certificate.
    losses : ndarray of shape (n_samples,)
        Log loss of each row.
    wrong : ndarray of shape (n_samples,), bool
        Which rows get another label than their own.
    """

    accuracy: float
    log_loss: float
    certificate: float
    losses: FloatArray
    wrong: BoolArray


class HeldOutRows:
    """Rows to judge a network by, while it is trained.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.
    codes : ndarray of shape (n_samples,), int
        Positions of their classes.
    weights : ndarray of shape (n_samples,)
        Weights.

    Attributes
    ----------
    shares : ndarray of shape (n_samples,)
        The weights as parts of their sum.
    balanced_shares : ndarray of shape (n_samples,)
        The same where every class counts alike.
    """

    def __init__(self, X: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> None:
        self.X, self.codes = X, codes
        self.shares = weights.astype(np.float64) / weights.sum(dtype=np.float64)
        of_classes = np.bincount(codes, weights=self.shares)
        self.balanced_shares = self.shares / of_classes[codes] / np.count_nonzero(of_classes)
        self._bound: Callable[[Network], float] | None = None
        self._read: Network | None = None

    def look(self, net: PenalizedNet) -> HeldOutLook:
        """Return accuracy, losses and certificate, by the weights as they are."""
        network = net.module_
        if self._read is not network:  # once for each: the layers of a network stay
            self._bound, self._read = _feature_bound(network), network
        logits, losses = self._scored(net)
        right = logits.argmax(axis=1) == self.codes
        return HeldOutLook(
            accuracy=float(right @ self.shares),
            log_loss=float(losses @ self.shares),
            certificate=self._certificate(network, logits),
            losses=losses,
            wrong=~right,
        )

    def calibrated_losses(self, net: PenalizedNet) -> FloatArray:
        """Return the log loss of each row, at the temperature that makes their mean the least.

        A penalty makes a network less sure, which a temperature mends: what is left is what the
        network no longer tells apart.
        """
        logits, _ = self._scored(net)
        margins = logits - logits[np.arange(len(logits)), self.codes][:, None]
        peak = np.abs(margins).max()
        if not 0 < peak < np.inf:
            return _losses(margins)
        margins /= peak
        # The mean is convex in the factor; at the ends of this range it is that of a guess, or of
        # a network that is as sure as it can be.
        found = minimize_scalar(
            lambda log_factor: _losses(math.exp(log_factor) * margins) @ self.shares,
            bounds=(-12, 12),
            method="bounded",
        )
        return _losses(math.exp(found.x) * margins)

    def log_loss(self, net: PenalizedNet) -> float:
        """Return the weighted mean of the log loss alone, by the weights as they are."""
        return float(self._scored(net)[1] @ self.shares)

    def _scored(self, net: PenalizedNet) -> tuple[FloatArray, FloatArray]:
        """Return the logits, and the log loss of each row."""
        with predicting(net.module_):
            logits = batched(net.module_, self.X, device=net.device).astype(np.float64)
        return logits, _losses(logits - logits[np.arange(len(logits)), self.codes][:, None])

    def _certificate(self, network: Network, logits: FloatArray) -> float:
        """Return the median of margins over Lipschitz constants, 0 for a row that is wrong."""
        if self._bound is None:
            return math.nan
        head: Any = network.head
        readout = head.weight.detach().cpu().double().numpy()
        constants = np.linalg.norm(readout[:, None] - readout[None], axis=2)[self.codes]
        constants *= self._bound(network)
        rows = np.arange(len(logits))
        margins = logits[rows, self.codes][:, None] - logits
        with np.errstate(divide="ignore", invalid="ignore"):
            radii = np.where(constants > 0, margins / constants, np.inf)
        radii[rows, self.codes] = np.inf
        return float(np.median(radii.min(axis=1).clip(min=0)))


def in_standard_errors(differences: FloatArray, shares: FloatArray) -> FloatArray:
    """Return weighted means over the last axis, each as a multiple of its standard error.

    Row by row a difference is far less noisy than the two means that it comes from.

    Parameters
    ----------
    differences : ndarray of shape (..., n_samples)
        What one network has more than another, for each row.
    shares : ndarray of shape (n_samples,)
        Weights that sum to 1.

    Returns
    -------
    ndarray of shape (...)
        ``inf`` for a positive mean without an error, and 0 for another one.
    """
    mean = differences @ shares
    error = np.sqrt((differences - mean[..., None]) ** 2 @ shares**2)
    return np.divide(mean, error, out=np.where(mean > 0, np.inf, 0.0), where=error > 0)


def _losses(margins: FloatArray) -> FloatArray:
    """Return log losses by what the logits of all classes lie above that of the own class."""
    top = margins.max(axis=1)
    return np.asarray(top + np.log(np.exp(margins - top[:, None]).sum(axis=1)))


def _feature_bound(network: Network) -> Callable[[Network], float] | None:
    """Return what bounds how fast features change; None for a network that has no certificate.

    The product of the norms of a plain chain takes a fraction of the time of a proof, and orders
    the strengths of one network as well.
    """
    try:
        stages = torch_stages(network.backbone, network.input_shape)
    except (TypeError, ValueError):
        return None
    plain = all(
        isinstance(stage, Affine) or (isinstance(stage, Elementwise) and stage.lipschitz() <= 1)
        for stage in stages
    )
    layers = used_layers(network.backbone, network.input_shape) if plain else []
    n_affine = sum(isinstance(stage, Affine) for stage in stages)
    if len(layers) == n_affine and all(layer.weight().ndim == 2 for layer in layers):
        return lambda network: math.prod(matrix_norm(layer.weight().detach()) for layer in layers)
    return _proof


def _proof(network: Network) -> float:
    return CertifiedMap(torch_stages(network.backbone, network.input_shape)).lipschitz()
