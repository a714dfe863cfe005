"""The one training loop: skorch with a penalised loss and in-memory batches."""

from specreg_sklearn.training._batches import TensorRows, batched
from specreg_sklearn.training._epoch_callbacks import EpochBar, EpochKeeper, Patience
from specreg_sklearn.training._net import PenalizedNet
from specreg_sklearn.training._sklearn_callbacks import SklearnCallbackBridge
from specreg_sklearn.training._solver_device_seed import draw_seed, resolve_device, solver_settings
from specreg_sklearn.training._threads import threads_for_step

__all__ = [
    "EpochBar",
    "EpochKeeper",
    "Patience",
    "PenalizedNet",
    "SklearnCallbackBridge",
    "TensorRows",
    "batched",
    "draw_seed",
    "resolve_device",
    "solver_settings",
    "threads_for_step",
]
