"""From an estimator's parameters to a net that is ready to train."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from skorch.callbacks import Callback
from skorch.helper import predefined_split
from torch import nn

from specreg_sklearn.constraints import resolve_constraint
from specreg_sklearn.estimators._input_shape import choose_input_shape
from specreg_sklearn.estimators._trained_backbone import trained_backbone
from specreg_sklearn.estimators._training_rows import TrainingRows
from specreg_sklearn.modules import Network, build_network
from specreg_sklearn.objectives import Objective, bind_objective
from specreg_sklearn.penalties import bind_penalty, resolve_penalty
from specreg_sklearn.training import (
    STRENGTHS,
    EpochBar,
    EpochKeeper,
    HeldOutRows,
    Patience,
    PenalizedNet,
    SklearnCallbackBridge,
    StrengthChoice,
    TensorRows,
    choose_strength,
    epochs_at_weakest,
    epochs_to_scale_by,
    resolve_device,
    scale_strength,
    solver_settings,
    tensor_rows,
)

if TYPE_CHECKING:
    from specreg_sklearn.estimators._feature_encoder import FeatureEncoderMixin

# What a choice of the strength holds out, and how many rows it takes for that to tell anything.
_HELD_OUT_SHARE, _FEWEST_ROWS = 0.2, 50

Callbacks: TypeAlias = Sequence[Callback | tuple[str, Callback]] | None


class NoReadout(nn.Identity):
    """Stands where penalties and constraints are given a readout, and there is none."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.in_features = in_features


def build_net(
    estimator: FeatureEncoderMixin,
    objective: Objective,
    rows: TrainingRows,
    seed: int,
    strength: float,
    *,
    head: Callable[[int], nn.Module],
    row_shape: tuple[int, ...] | None = None,
    n_epochs: int | None = None,
) -> PenalizedNet:
    """Build the net of an encoder, or take up the one of the last fit on a warm start.

    It comes initialised, with objective, penalty and constraint bound to its parameters. `strength`
    is that of the penalty. `head`
    maps the number of features to what reads them, `row_shape` holds the axes of a row where the
    user's rows had more than one, and `seed` seeds everything that is drawn. `n_epochs` are run now
    where that is not `max_iter`, over which schedules stretch either way.
    """
    # A projector is no readout: training alone needs it, and nothing is penalised or held there.
    has_readout = getattr(objective, "uses_labels", True)
    penalty = resolve_penalty(estimator.penalty, has_readout=has_readout)
    constraint = resolve_constraint(estimator.constraint)
    optimizer, optimizer_settings = solver_settings(estimator.solver)
    device = resolve_device(estimator.device)
    # Streams of their own: a penalty must not change the start weights or the order of the rows.
    weight_draws, row_order, penalty_draws, constraint_draws, objective_draws = (
        torch.Generator().manual_seed(seed + stream) for stream in range(5)
    )
    module, trained_shape = trained_backbone(estimator.module)
    network = build_network(
        module,
        input_shape=choose_input_shape(
            estimator.input_shape, row_shape, rows.X.shape[1], trained_shape
        ),
        head=head,
        settings={
            "hidden_layer_sizes": estimator.hidden_layer_sizes,
            "activation": estimator.activation,
        },
        dtype=torch.float64 if rows.X.dtype == np.float64 else torch.float32,
        generator=weight_draws,
    ).to(device)
    mixed_precision = bool(getattr(estimator, "mixed_precision", False))
    if mixed_precision and network.dtype != torch.float32:
        raise ValueError(
            "mixed_precision=True needs rows of float32, and X is float64: double precision has no "
            "part in it. Give X.astype(np.float32), or mixed_precision=False."
        )
    net = _reusable_net(estimator, network, optimizer, device)
    if net is None:
        net = PenalizedNet(
            network,
            objective,
            optimizer=optimizer,
            generator=row_order,
            device=device,
            predict_nonlinearity=torch.nn.Softmax(dim=-1),
            burn_in_epochs=int(estimator.burn_in * estimator.max_iter),
            verbose=0,
            train_split=None,
            **{f"optimizer__{key}": value for key, value in optimizer_settings.items()},
        )
    net.criterion = objective
    net.strength = strength
    net.weight_decay = float(estimator.weight_decay)
    net.lr = float(estimator.learning_rate_init)
    net.backbone_rate_factor = float(getattr(estimator, "backbone_learning_rate_factor", 1.0))
    net.max_epochs = int(estimator.max_iter) if n_epochs is None else n_epochs
    if net.initialized_:
        net.initialize_criterion()
        net.resume_optimizer()
    else:
        net.initialize()
    net.criterion_ = bind_objective(
        objective,
        net.module_,
        generator=objective_draws,
        n_epochs=int(estimator.max_iter),
        labelled_share=rows.labelled_share,
        X=rows.X,
    )
    network = net.module_
    network.mixed_precision = mixed_precision
    parts = network.backbone, network.head if has_readout else NoReadout(network.n_features_out)
    shape = net.module_.input_shape
    if penalty is not None:
        net.penalty = bind_penalty(penalty, *parts, generator=penalty_draws, input_shape=shape)
    if constraint is not None:
        net.constraint = constraint.bind(*parts, generator=constraint_draws, input_shape=shape)
    return net


def strength_of(
    estimator: FeatureEncoderMixin,
    objective: Objective,
    rows: TrainingRows,
    seed: int,
    *,
    tolerance: float,
    head: Callable[[int], nn.Module],
    row_shape: tuple[int, ...] | None = None,
) -> StrengthChoice:
    """Find the strength that `alpha` names by rows that are held out.

    "auto" trains one network on the others while the strength rises, "scale" one network for each
    of a few strengths. ValueError if there are too few labelled rows. The arguments are those of
    :func:`build_net`.
    """
    n_labelled = int(np.sum(rows.codes >= 0))
    if n_labelled < _FEWEST_ROWS:
        raise ValueError(
            f"alpha={estimator.alpha!r} holds out {_HELD_OUT_SHARE:.0%} of the labelled rows to "
            f"choose the strength by, and needs at least {_FEWEST_ROWS} of them; there are "
            f"{n_labelled}. Give alpha a number, such as 1e-2."
        )
    training, held_out = _split(rows.codes, _HELD_OUT_SHARE, seed)
    X, codes, weights = rows.X, rows.codes, rows.weights
    kept = rows._replace(X=X[training], codes=codes[training], weights=weights[training])
    judged_by = HeldOutRows(X[held_out], codes[held_out], weights[held_out])
    path = copy.copy(estimator)  # a clone would copy the weights of a trained module
    path.warm_start = False
    by_scale = estimator.alpha == "scale"
    n_epochs = epochs_to_scale_by if by_scale else epochs_at_weakest
    path.max_iter = n_epochs(estimator.max_iter)

    def untrained(strength: float) -> tuple[PenalizedNet, TensorRows]:
        path.penalty = estimator.penalty if strength else None
        net = build_net(path, objective, kept, seed, strength, head=head, row_shape=row_shape)
        return net, attach_rows(net, path, kept, seed, early_stopping=False)

    def patience() -> Patience:
        return _patience(path, holds_out=False)

    verbose = estimator.verbose
    if by_scale:
        return scale_strength(untrained, patience, judged_by, len(rows.classes), verbose=verbose)
    return choose_strength(
        *untrained(STRENGTHS[0]), judged_by, patience(), tolerance=tolerance, verbose=verbose
    )


def attach_rows(
    net: PenalizedNet,
    estimator: FeatureEncoderMixin,
    rows: TrainingRows,
    seed: int,
    *,
    early_stopping: bool,
    held_out: TrainingRows | None = None,
) -> TensorRows:
    """Return the rows to train on, on the net's device; the net gets the ones to hold out.

    Those are `held_out`, or without them a part of the rows, where early stopping asks for it. The
    net also gets its batch size. `seed` seeds the split.
    """
    X, codes, weights = rows.X, rows.codes, rows.weights
    if held_out is not None:
        held_out_rows = tensor_rows(held_out.X, held_out.codes, held_out.weights, net.device)
        net.train_split = predefined_split(held_out_rows)
    elif early_stopping:
        training, others = _split(codes, estimator.validation_fraction, seed)
        held_out_rows = tensor_rows(X[others], codes[others], weights[others], net.device)
        net.train_split = predefined_split(held_out_rows)
        X, codes, weights = X[training], codes[training], weights[training]
    auto = estimator.batch_size == "auto"
    net.batch_size = min(200, len(X)) if auto else int(estimator.batch_size)
    _check_batches(net, len(X))
    return tensor_rows(X, codes, weights, net.device)


def _check_batches(net: PenalizedNet, n_samples: int) -> None:
    """Raise where rows are compared with others of their batch, and there would be none."""
    least = net.least_rows
    if min(n_samples, net.batch_size) >= least:
        return
    found = f"n_samples={n_samples}" if n_samples < least else f"batch_size={net.batch_size}"
    objective = getattr(net.criterion, "least_rows", 1) >= least
    owner = f"objective={net.criterion!r}" if objective else "a network with batch norm"
    raise ValueError(
        f"{found} is too small: {owner} compares the rows of a batch, of which there must be at "
        f"least {least}."
    )


def attach_callbacks(
    net: PenalizedNet, estimator: FeatureEncoderMixin, bridge: SklearnCallbackBridge | None
) -> None:
    """Give the net its callbacks: ours, the user's, scikit-learn's, and the stopping rule last."""
    callbacks: list[Any] = [("epoch_keeper", EpochKeeper())]
    if estimator.verbose:
        callbacks.append(("epoch_bar", EpochBar(estimator.max_iter, type(estimator).__name__)))
    callbacks.extend(_checked_callbacks(estimator.callbacks))
    if bridge is not None:
        callbacks.append(("sklearn_callbacks", bridge))
    holds_out = getattr(estimator, "early_stopping", False)
    callbacks.append(("patience", _patience(estimator, holds_out=holds_out)))
    net.set_callbacks(callbacks)


def _patience(estimator: FeatureEncoderMixin, *, holds_out: bool) -> Patience:
    return Patience(
        "valid_accuracy" if holds_out else "objective",
        patience=estimator.n_iter_no_change,
        threshold=estimator.tol,
        lower_is_better=not holds_out,
    )


def _checked_callbacks(callbacks: Callbacks) -> list[Any]:
    for callback in callbacks or []:
        instance = callback[1] if isinstance(callback, tuple) else callback
        if not isinstance(instance, Callback):
            raise TypeError(
                f"callbacks={callbacks!r} must hold instances of skorch.callbacks.Callback, or "
                f"tuples of a name and an instance; {callback!r} is neither."
            )
    return list(callbacks or [])


def _reusable_net(
    estimator: FeatureEncoderMixin,
    network: Network,
    optimizer: type[torch.optim.Optimizer],
    device: torch.device,
) -> PenalizedNet | None:
    """Return the net of the last fit if it has the shape, dtype and device of `network`."""
    net = getattr(estimator, "net_", None) if estimator.warm_start else None
    if net is None or net.optimizer is not optimizer or torch.device(net.device) != device:
        return None
    return net if _layout(net.module_) == _layout(network) else None


def _layout(network: Network) -> tuple[str, dict[str, tuple[torch.Size, torch.dtype]]]:
    weights = network.state_dict().items()
    return str(network), {name: (value.shape, value.dtype) for name, value in weights}


def _split(codes: np.ndarray, fraction: float, seed: int) -> list[np.ndarray]:
    """Return the rows to train on and the rows to hold out, stratified where classes allow it.

    Unlabelled rows, of code -1, cannot be scored: all of them are trained on.
    """
    labelled = codes >= 0
    if not labelled.all():
        with_labels, without = np.flatnonzero(labelled), np.flatnonzero(~labelled)
        training, held_out = _split(codes[labelled], fraction, seed)
        return [np.sort(np.r_[with_labels[training], without]), with_labels[held_out]]
    n_held_out = math.ceil(fraction * len(codes))
    counts = np.bincount(codes)
    n_classes = np.count_nonzero(counts)
    can_stratify = (
        counts[counts > 0].min() > 1 and n_classes <= n_held_out <= len(codes) - n_classes
    )
    return train_test_split(
        np.arange(len(codes)),
        test_size=n_held_out,
        random_state=seed,
        stratify=codes if can_stratify else None,
    )
