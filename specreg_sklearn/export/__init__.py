"""Files for other programs: ONNX models, and the types that skops may load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from specreg_sklearn._lazy import lazy_names

if TYPE_CHECKING:
    from specreg_sklearn.export._to_onnx import to_onnx
    from specreg_sklearn.export._trusted_types import SKOPS_TRUSTED_TYPES

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "SKOPS_TRUSTED_TYPES": "specreg_sklearn.export._trusted_types",
        "to_onnx": "specreg_sklearn.export._to_onnx",
    },
)

__all__ = ["SKOPS_TRUSTED_TYPES", "to_onnx"]
