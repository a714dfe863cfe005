"""The one training loop: skorch with a penalised loss and in-memory batches."""

from specreg_sklearn.training._batches import TensorRows, batched, tensor_rows
from specreg_sklearn.training._epoch_callbacks import EpochBar, EpochKeeper, Patience
from specreg_sklearn.training._held_out_rows import HeldOutLook, HeldOutRows
from specreg_sklearn.training._interruption import hand_on_interruption
from specreg_sklearn.training._net import PenalizedNet
from specreg_sklearn.training._presets import preset_settings, warn_of_units
from specreg_sklearn.training._sklearn_callbacks import SklearnCallbackBridge
from specreg_sklearn.training._solver_device_seed import draw_seed, resolve_device, solver_settings
from specreg_sklearn.training._strength_choice import (
    STRENGTHS,
    StrengthChoice,
    choose_strength,
    epochs_at_weakest,
)
from specreg_sklearn.training._strength_scale import epochs_to_scale_by, scale_strength
from specreg_sklearn.training._threads import threads_for_step
from specreg_sklearn.training._torch_settings import own_torch_settings

__all__ = [
    "STRENGTHS",
    "EpochBar",
    "EpochKeeper",
    "HeldOutLook",
    "HeldOutRows",
    "Patience",
    "PenalizedNet",
    "SklearnCallbackBridge",
    "StrengthChoice",
    "TensorRows",
    "batched",
    "choose_strength",
    "draw_seed",
    "epochs_at_weakest",
    "epochs_to_scale_by",
    "hand_on_interruption",
    "own_torch_settings",
    "preset_settings",
    "resolve_device",
    "scale_strength",
    "solver_settings",
    "tensor_rows",
    "threads_for_step",
    "warn_of_units",
]
