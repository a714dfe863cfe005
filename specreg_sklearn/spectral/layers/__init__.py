"""Layers of torch as the linear operators that they apply."""

from specreg_sklearn.spectral.layers._batch_norm import (
    BATCH_NORMS,
    batch_norm_scale,
    fold_batch_norm,
    spread_over,
)
from specreg_sklearn.spectral.layers._convolution import CONVOLUTIONS, TRANSPOSED, Convolution
from specreg_sklearn.spectral.layers._eval_mode import evaluated, weight_of
from specreg_sklearn.spectral.layers._module_copy import copied, replaced_method
from specreg_sklearn.spectral.layers._used_layers import UsedLayer, used_layers

__all__ = [
    "BATCH_NORMS",
    "CONVOLUTIONS",
    "TRANSPOSED",
    "Convolution",
    "UsedLayer",
    "batch_norm_scale",
    "copied",
    "evaluated",
    "fold_batch_norm",
    "replaced_method",
    "spread_over",
    "used_layers",
    "weight_of",
]
