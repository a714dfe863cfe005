"""A fitted classifier as a differentiable function with named layers.

Diagnostics need more than `predict`: logits, the features in front of the readout, what every layer
gives, and gradients of all of them. A view offers these for every model whose steps are known as
stages, third parties' steps included, and for the networks of this package.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from specreg_sklearn._typing import Classifier
from specreg_sklearn.certificates.networks import TorchGraph
from specreg_sklearn.certificates.pipelines import (
    CLASSIFIER,
    TRANSFORMER,
    NoCertificateError,
    Role,
    best_of_search,
    classifier_stages,
    transformer_stages,
)
from specreg_sklearn.certificates.stages import Affine, Elementwise, Stage, apply_stages
from specreg_sklearn.estimators import (
    SelfSupervisedEncoder,
    SpectrallyRegularizedEncoder,
    is_only_backbone_and_head,
)
from specreg_sklearn.inspection.model._network_part import NetworkPart
from specreg_sklearn.spectral import UsedLayer

# Numbers of one block of rows while a view is evaluated.
_BLOCK = 2**20


class StagePart:
    """A chain of stages inside a view; `is_last` where it ends in the scores.

    Its `layers` are the dense ones, as matrices (n_outputs, n_inputs); preprocessing has none.
    `name` is put before the numbers of hidden layers.
    """

    def __init__(self, stages: list[Stage], name: str, is_last: bool) -> None:
        self.stages = stages
        self.n_inputs = next((s.n_inputs for s in stages if s.n_inputs is not None), None)
        dense = [k for k, s in enumerate(stages) if isinstance(s, Affine) and not s.is_diagonal]
        if not is_last and not _is_network(stages):
            dense = []
        self.layers: dict[str, Any] = {}
        self._ends: dict[int, str] = {}
        for number, k in enumerate(dense, start=1):
            scores = is_last and k == len(stages) - 1
            label = f"{name}logits" if scores else f"{name}hidden{number}"
            stage = stages[k]
            assert isinstance(stage, Affine)
            self.layers[label] = stage.dense()
            follows = k + 1 < len(stages) and isinstance(stages[k + 1], Elementwise)
            self._ends[k + 1 if follows else k] = label

    def features(self, x: Tensor) -> Tensor:
        """Return what the last stage reads."""
        return apply_stages(self.stages[:-1], x)

    def readout(self) -> tuple[Tensor, Tensor] | None:
        """Return weight and bias of the last stage, or None if it is not affine."""
        last = self.stages[-1]
        if not isinstance(last, Affine):
            return None
        bias = np.broadcast_to(last.bias, last.n_outputs)
        return torch.from_numpy(last.dense()), torch.from_numpy(bias.copy())

    def forward(self, x: Tensor, record: dict[str, Tensor] | None = None) -> Tensor:
        """Return the output; put what the layers give into `record`."""
        for k, stage in enumerate(self.stages):
            x = stage.tensor(x)
            if record is not None and k in self._ends:
                record[self._ends[k]] = x
        return x


class ModelView:
    """The logits, features and layers of a fitted classifier, in float64 and differentiable.

    Rows are in the units of the estimator's input: scalers and all other steps are part of the
    function. A step that cannot be followed raises a TypeError that names it.
    """

    def __init__(self, estimator: Classifier) -> None:
        if isinstance(estimator, type):
            raise TypeError(f"estimator={estimator.__name__} is a class; pass a fitted instance.")
        if not (hasattr(estimator, "fit") and is_classifier(estimator)):
            raise TypeError(
                f"{type(estimator).__name__} has no logits: it is not a classifier of scikit-learn."
            )
        self.estimator = estimator
        self.parts = _parts("", estimator, CLASSIFIER)
        classes = getattr(estimator, "classes_", None)
        if classes is None or isinstance(classes, list) or np.ndim(classes) != 1:
            raise TypeError(
                f"{type(estimator).__name__} has no logits: it has no array classes_ with one "
                "label per class."
            )
        self.classes = np.asarray(classes)
        self.n_inputs = next((p.n_inputs for p in self.parts if p.n_inputs is not None), None)
        self._last = self.parts[-1]

    @property
    def layers(self) -> dict[str, np.ndarray | UsedLayer]:
        """The layers with weights, in order: a matrix, or a layer of torch."""
        return {name: layer for part in self.parts for name, layer in part.layers.items()}

    def network_input(self, x: Tensor) -> Tensor:
        """Return rows as the first layer reads them, behind scalers and the like."""
        for part in self.parts:
            if part.layers:
                return x
            x = part.forward(x)
        return x

    def features(self, x: Tensor) -> Tensor:
        """Return the representation, which the readout reads, of shape (n_samples, n_features)."""
        for part in self.parts[:-1]:
            x = part.forward(x)
        return self._last.features(x)

    def readout(self) -> tuple[Tensor, Tensor]:
        """Return weight (n_classes, n_features) and bias (n_classes,) of the readout.

        A single score s of two classes stands for the logits -s/2 and s/2.
        """
        found = self._last.readout()
        if found is None:
            raise TypeError(
                f"{type(self.estimator).__name__} has no feature space: its last step is not a "
                "linear readout."
            )
        weight, bias = found
        if len(weight) == 1:
            sign = torch.tensor([[-0.5], [0.5]], dtype=torch.float64)
            return sign * weight, (sign * bias).ravel()
        return weight, bias

    def logits(self, x: Tensor, record: dict[str, Tensor] | None = None) -> Tensor:
        """Return logits of shape (n_samples, n_classes); layer outputs go into `record`."""
        for part in self.parts:
            x = part.forward(x, record)
        if x.shape[1] == 1 and len(self.classes) == 2:
            x = torch.cat([-x / 2, x / 2], dim=1)
        if x.shape[1] != len(self.classes):
            raise TypeError(
                f"{type(self.estimator).__name__} has {len(self.classes)} classes and "
                f"{x.shape[1]} scores; one score per class is needed, or one for two classes."
            )
        return x

    def layer_outputs(self, x: Tensor) -> dict[str, Tensor]:
        """Return what every layer gives, its batch norm and activation included.

        The readout of two classes gives a single score if the model has a single one.
        """
        record: dict[str, Tensor] = {}
        logits = self.logits(x, record)
        return record or {"logits": logits}

    def evaluate(self, function: Callable[[Tensor], Tensor], rows: np.ndarray) -> np.ndarray:
        """Apply a function of tensors to rows block by block, without gradients."""
        size = max(1, _BLOCK // max(rows.shape[1], 256))
        with torch.no_grad():
            blocks = [function(block).numpy() for block in torch.from_numpy(rows).split(size)]
        return np.concatenate(blocks)


def _parts(name: str, step: BaseEstimator, role: Role) -> list[StagePart | NetworkPart]:
    """Return the parts of a fitted step; `name` is its place in pipelines."""
    if type(step) is FrozenEstimator:
        return _parts(name, step.estimator, role)
    if type(step) in (GridSearchCV, RandomizedSearchCV):
        check_is_fitted(step)
        return _parts(name, best_of_search(step), role)
    if type(step) is Pipeline:
        return _pipeline_parts(name, step, role)
    if _is_plain_encoder(step, role):
        # A network inside a pipeline bears the name of its step: there may be another one.
        prefix = f"{name}." if role == TRANSFORMER and name else ""
        return [NetworkPart(step.module_, up_to_logits=role == CLASSIFIER, prefix=prefix)]
    stages = _stages_of(name, step, role)
    if not stages:
        return []
    return [StagePart(stages, f"{name}." if role == TRANSFORMER else "", role == CLASSIFIER)]


def _pipeline_parts(name: str, pipeline: Pipeline, role: Role) -> list[StagePart | NetworkPart]:
    parts: list[StagePart | NetworkPart] = []
    for number, (label, step) in enumerate(pipeline.steps):
        if step is None or (isinstance(step, str) and step == "passthrough"):
            continue
        last = role == CLASSIFIER and number == len(pipeline.steps) - 1
        place = f"{name}.{label}" if name else label
        parts += _parts(place, step, CLASSIFIER if last else TRANSFORMER)
    return parts


def _is_plain_encoder(step: BaseEstimator, role: Role) -> bool:
    """Tell whether a step is an encoder, or of a subclass that leaves its meaning alone."""
    for home in (SpectrallyRegularizedEncoder, SelfSupervisedEncoder):
        if isinstance(step, home) and hasattr(step, "net_"):
            return is_only_backbone_and_head(step, home, role)
    return False


def _stages_of(name: str, step: BaseEstimator, role: Role) -> list[Stage]:
    try:
        return classifier_stages(step) if role == CLASSIFIER else transformer_stages(step)
    except NoCertificateError as error:
        where = f"step {name!r}: " if name else ""
        kind = type(step).__name__
        reason = re.sub(r"\.? Accepted are .*", ".", str(error))
        if role == CLASSIFIER:
            raise TypeError(
                f"{where}{kind} has no logits that can be followed. Accepted are linear "
                "classifiers, MLPClassifier, RobustLinearProbe and SpectrallyRegularizedEncoder, "
                "alone, in pipelines or in searches; register_certified_step of "
                f"specreg_sklearn.metrics adds others. ({reason})"
            ) from error
        raise TypeError(
            f"{where}{kind} cannot be followed, so the logits behind it cannot be either. Accepted "
            "are scalers, linear projections, column selections and FunctionTransformer with a "
            "StatedLipschitz function; register_certified_step of specreg_sklearn.metrics adds "
            f"others. ({reason})"
        ) from error


def _is_network(stages: list[Stage]) -> bool:
    """Tell whether a transformer is a network rather than a scaler or a projection."""
    dense = False
    for stage in stages:
        if isinstance(stage, TorchGraph) or (dense and isinstance(stage, Elementwise)):
            return True
        dense |= isinstance(stage, Affine) and not stage.is_diagonal
    return False
