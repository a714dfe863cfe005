"""What a network makes of rows that it was not trained on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates import Affine, CertifiedMap, Elementwise, torch_stages
from specreg_sklearn.estimators._training_report import spectral_norms
from specreg_sklearn.modules import Network, predicting
from specreg_sklearn.training import HeldOutLook, PenalizedNet, batched


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
    """

    def __init__(self, X: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> None:
        self.X, self.codes = X, codes
        self.weights = weights.astype(np.float64)
        self._bound: Callable[[Network], float] | None = None
        self._is_read = False

    def look(self, net: PenalizedNet) -> HeldOutLook:
        """Return accuracy, losses and certificate, by the weights as they are."""
        network = net.module_
        if not self._is_read:  # once: the layers stay
            self._bound, self._is_read = _feature_bound(network), True
        with predicting(network):
            logits = batched(network, self.X, device=net.device).astype(np.float64)
        rows = np.arange(len(logits))
        shifted = logits - logits.max(axis=1, keepdims=True)
        losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[rows, self.codes]
        right = logits.argmax(axis=1) == self.codes
        return HeldOutLook(
            accuracy=float(np.average(right, weights=self.weights)),
            log_loss=float(np.average(losses, weights=self.weights)),
            certificate=self._certificate(network, logits),
            losses=losses,
        )

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


def _feature_bound(network: Network) -> Callable[[Network], float] | None:
    """Return what bounds how fast features change; None for a network that has no certificate.

    The product of the norms of a plain chain takes a fraction of the time of a proof, and orders
    the strengths of one network as well.
    """
    try:
        stages = torch_stages(network.backbone, network.input_shape)
    except (TypeError, ValueError):
        return None
    n_affine = sum(isinstance(stage, Affine) for stage in stages)
    plain = all(
        isinstance(stage, Affine) or (isinstance(stage, Elementwise) and stage.lipschitz() <= 1)
        for stage in stages
    )
    if plain and n_affine == len(spectral_norms(network, has_readout=False)):
        return _product_of_norms
    return _proof


def _product_of_norms(network: Network) -> float:
    return math.prod(spectral_norms(network, has_readout=False).values())


def _proof(network: Network) -> float:
    return CertifiedMap(torch_stages(network.backbone, network.input_shape)).lipschitz()
