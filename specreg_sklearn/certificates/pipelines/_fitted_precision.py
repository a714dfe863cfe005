"""In which floating point type a fitted step computes, read off the numbers that it holds."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.linear_model._base import LinearClassifierMixin
from sklearn.neural_network import MLPClassifier

from specreg_sklearn.certificates.pipelines._certified_estimator import NoCertificateError
from specreg_sklearn.certificates.stages import COARSEST, FINEST, Arithmetic, Precision
from specreg_sklearn.spectral.bounds import UNIT_ROUNDOFF

if TYPE_CHECKING:
    import torch

# Their scores are products of the rows with fitted numbers, and nothing else.
_PRODUCTS = (LinearClassifierMixin, MLPClassifier)


def fitted_precision(step: object, *, scores: bool) -> Precision:
    """Return the precision of a fitted step.

    Parameters
    ----------
    step : estimator
        Fitted.
    scores : bool
        Whether its scores are asked for, and not `transform`.

    Raises
    ------
    NoCertificateError
        If torch is set to multiply float32 numbers more coarsely than float32.
    """
    units = [_unit(dtype) for dtype in _dtypes(step, set())]
    arithmetic: Arithmetic = FINEST if scores and isinstance(step, _PRODUCTS) else COARSEST
    return Precision(max(units, default=UNIT_ROUNDOFF), arithmetic)


def _unit(dtype: np.dtype) -> float:
    return max(float(np.finfo(dtype).eps) / 2, UNIT_ROUNDOFF)


def _dtypes(value: Any, seen: set[int]) -> Iterator[np.dtype]:
    """Yield the floating point types of the numbers in a fitted attribute."""
    if id(value) in seen:
        return
    seen.add(id(value))
    torch = sys.modules.get("torch")
    if isinstance(value, (np.ndarray, np.generic)) or sparse.issparse(value):
        if value.dtype.kind == "f":
            yield value.dtype
    elif torch is not None and isinstance(value, torch.nn.Module):
        yield from _dtypes_of_module(value)
    elif torch is not None and isinstance(value, torch.Tensor):
        yield from _dtypes_of_tensors([value])
    else:
        for part in _parts(value):
            yield from _dtypes(part, seen)


def _parts(value: object) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, BaseEstimator):
        # Estimators inside are fitted ones in a union, a pipeline or a frozen model.
        torch = sys.modules.get("torch")
        return [
            part
            for name, part in vars(value).items()
            if name.endswith("_")
            or isinstance(part, (list, tuple, BaseEstimator))
            or (torch is not None and isinstance(part, torch.nn.Module))
        ]
    return []


def _dtypes_of_module(module: torch.nn.Module) -> Iterator[np.dtype]:
    tensors = [*module.parameters(), *module.buffers()]
    yield from _dtypes_of_tensors(tensors)


def _dtypes_of_tensors(tensors: list[Any]) -> Iterator[np.dtype]:
    torch = sys.modules["torch"]
    for dtype in {tensor.dtype for tensor in tensors if tensor.is_floating_point()}:
        if dtype == torch.bfloat16:
            raise NoCertificateError(
                "The network holds numbers in bfloat16, which have no certificate; convert it with "
                "module.float()."
            )
        if dtype == torch.float32 and torch.get_float32_matmul_precision() != "highest":
            raise NoCertificateError(
                "torch multiplies float32 numbers more coarsely than float32, so nothing is proved "
                "of the network; call torch.set_float32_matmul_precision('highest')."
            )
        yield torch.empty(0, dtype=dtype, device="cpu").numpy().dtype
