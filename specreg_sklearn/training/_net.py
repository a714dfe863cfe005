"""The skorch net of all encoders: objective plus strength times penalty."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, SupportsIndex

import torch
from skorch.callbacks import Callback
from skorch.utils import to_tensor
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader, Dataset

from specreg_sklearn.constraints import BoundConstraint
from specreg_sklearn.objectives import Objective
from specreg_sklearn.penalties import BoundPenalty
from specreg_sklearn.training._batches import Batch, BatchLoader, TensorRows
from specreg_sklearn.training._interruption import is_interruption
from specreg_sklearn.training._plain_state import plain_state, restore
from specreg_sklearn.training._scoring import (
    ScoredNet,
    listens_to_batches,
    outputs_of,
    plain,
    tell_batch_end,
    wants_training_outputs,
)


class PenalizedNet(ScoredNet):
    """A skorch net that minimises ``objective + strength * penalty + weight_decay * sum(w ** 2)``.

    It differs from ``skorch.NeuralNet`` in six ways: the criterion gives per-sample losses, which
    are averaged with sample weights, and is told when an epoch begins; the gradient of a penalty
    is added after the backward pass; a constraint moves the weights after the optimizer's step;
    batches are slices of tensors in memory; the bookkeeping of a batch is skipped when no callback
    asks for it, which makes the loop as fast as a bare torch one; and how the fit ended is noted in
    `stop_reason`: None after the last epoch, "stopped" by a callback, "interrupted" or "diverged".

    Parameters
    ----------
    module : torch.nn.Module
        The network, with weights.
    criterion : Objective
        Gives per-sample losses. For one with state, put its bound part into ``criterion_`` before
        the fit.
    penalty : BoundPenalty or None
        Bound to the parameters of `module`.
    strength : float
        The factor of the penalty.
    constraint : BoundConstraint or None
        Bound to the parameters of `module`; holds from the start, also during a burn-in.
    burn_in_epochs : int
        Epochs before the penalty starts.
    weight_decay : float
        The factor of the sum of squares of all weights; biases are left out.
    backbone_rate_factor : float
        The backbone learns at this multiple of ``lr``, the head at ``lr``.
    generator : torch.Generator
        A CPU generator for the order of the rows.
    **settings : dict
        As ``skorch.NeuralNet``.
    """

    def __init__(
        self,
        module: nn.Module,
        criterion: Objective,
        *,
        penalty: BoundPenalty | None = None,
        strength: float = 0.0,
        constraint: BoundConstraint | None = None,
        burn_in_epochs: int = 0,
        weight_decay: float = 0.0,
        backbone_rate_factor: float = 1.0,
        generator: torch.Generator | None = None,
        **settings: Any,
    ) -> None:
        self.penalty = penalty
        self.strength = strength
        self.constraint = constraint
        self.burn_in_epochs = burn_in_epochs
        self.weight_decay = weight_decay
        self.backbone_rate_factor = backbone_rate_factor
        self.generator = generator
        self.stop_reason: str | None = None
        # Scores need the labels, which reach them with the batches alone.
        super().__init__(module, criterion, use_caching=True, **settings)

    @property
    def _default_callbacks(self) -> list[tuple[str, Callback]]:
        return []  # losses are recorded by run_single_epoch

    def initialize_criterion(self) -> PenalizedNet:
        """Take the objective as it is: it is an object already."""
        self.criterion_ = self.criterion
        return self

    def initialize_optimizer(self, triggered_directly: bool | None = None) -> PenalizedNet:
        """Build the optimizer with weight decay on weights and none on biases."""
        parameters = [p for _, p in self.get_all_learnable_params() if p.requires_grad]
        settings = self.get_params_for("optimizer")
        self._weights_to_decay: list[Tensor] = []
        decays_itself = self.optimizer in (torch.optim.Adam, torch.optim.SGD)
        if self.weight_decay and not decays_itself:
            # Other classes take weight decay in other senses, or not at all: see train_step_single.
            self._weights_to_decay = [p for p in parameters if p.ndim > 1]
        groups = [{"params": parameters}]  # one group is a call less a step
        if self.weight_decay and decays_itself:
            # torch's decay is the gradient of (decay / 2) * sum of squares: hence the factor 2.
            groups = _split(groups, lambda p: p.ndim > 1, weight_decay=2 * self.weight_decay)
        if self.backbone_rate_factor != 1:
            backbone = set(self.module_.backbone.parameters())
            rate = self.backbone_rate_factor * self.lr
            groups = _split(groups, lambda p: p in backbone, lr=rate)
        self.optimizer_ = self.optimizer(
            groups if len(groups) > 1 else parameters, lr=self.lr, **settings
        )
        return self

    def resume_optimizer(self) -> None:
        """Take the learning rate and the weight decay of this fit, and keep the optimizer state."""
        state = self.optimizer_.state
        self.initialize_optimizer()
        self.optimizer_.state = state

    @property
    def penalty_is_on(self) -> bool:
        """Whether the current epoch trains with the penalty."""
        return (
            self.penalty is not None
            and self.strength > 0
            and len(self.history) > self.burn_in_epochs
        )

    @property
    def n_settling_epochs(self) -> int:
        """Epochs before penalty and objective both have their full strength."""
        return max(self.burn_in_epochs, getattr(self.criterion_, "n_warm_up_epochs", 0))

    @property
    def least_rows(self) -> int:
        """The fewest rows that make a batch: a batch norm compares two, and so may an objective."""
        norms = any(isinstance(layer, _BatchNorm) for layer in self.module_.modules())
        return max(2 if norms else 1, getattr(self.criterion, "least_rows", 1))

    def get_iterator(self, dataset: Dataset, training: bool = False) -> Iterable[Batch]:
        """Cut rows in memory into slices; leave every other kind of dataset to skorch."""
        if not isinstance(dataset, TensorRows):
            iterator = super().get_iterator(dataset, training)
            if isinstance(iterator, DataLoader):  # it draws a seed, needed or not
                iterator.generator = torch.Generator().manual_seed(0)
            return iterator
        if not training:
            return BatchLoader(dataset, len(dataset))
        return BatchLoader(
            dataset,
            self.batch_size,
            shuffle=True,
            generator=self.generator,
            least_rows=self.least_rows,
        )

    def get_loss(
        self,
        y_pred: Tensor,
        y_true: tuple[Tensor, Tensor | None],
        X: Tensor | None = None,
        training: bool = False,
    ) -> Tensor:
        """Return the weighted mean of the per-sample losses `y_pred`."""
        _, weight = y_true
        return y_pred.mean() if weight is None else y_pred @ (weight / weight.sum())

    def infer(self, x: Tensor, **fit_params: Any) -> Tensor:
        """Return the logits of the rows `x`."""
        return self.module_(to_tensor(x, device=self.device))

    def train_step(self, batch: Batch, **fit_params: Any) -> dict[str, Any]:
        """Take one optimizer step on the penalised loss of a batch."""
        if self._see_batch is not None:
            X, (y, weight) = batch
            self._see_batch(self.module_, X, y, weight)
        if self._needs_closure:
            step = super().train_step(batch, **fit_params)
        else:
            step = self.train_step_single(batch, **fit_params)
            if self._batch_listeners:
                parameters = self.get_all_learnable_params()
                told = {"named_parameters": parameters, "batch": plain(batch), "training": True}
                self.notify("on_grad_computed", **told)
            self.optimizer_.step()
        if self.constraint is not None:
            self.constraint.project()
        return step

    def train_step_single(self, batch: Batch, **fit_params: Any) -> dict[str, Any]:
        """Compute the gradient of the penalised loss of a batch."""
        X, target = batch
        self._clear_gradients()
        losses = self.criterion_.per_sample_loss(self.module_, X, target[0])
        loss = self.get_loss(losses, target, X, training=True)
        loss.backward()
        if self._penalty_now and self.penalty is not None:
            self.penalty.add_gradient(self.strength)
        for weight in self._weights_to_decay:
            if weight.grad is not None:
                weight.grad.add_(weight.detach(), alpha=2 * self.weight_decay)
        if self.constraint is not None:
            self.constraint.project_gradient()
        return {"loss": loss.detach(), "y_pred": None}

    def _set_training(self, training: bool = True) -> None:
        """Set the mode of the layers; skorch sets it anew for every epoch, which is seldom news."""
        layers = (self.module_, self.criterion_)
        for part in (layer for layer in layers if isinstance(layer, nn.Module)):
            if any(layer.training != training for layer in part.modules()):
                part.train(training)

    def _clear_gradients(self) -> None:
        """Do what ``zero_grad`` of the optimizer does, unless it is a class with its own.

        torch's tells its profiler about every call, which costs a small network 4 % of its step.
        """
        if type(self.optimizer_).zero_grad is not torch.optim.Optimizer.zero_grad:
            self.optimizer_.zero_grad()
            return
        for group in self.optimizer_.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def validation_step(self, batch: Batch, **fit_params: Any) -> dict[str, Any]:
        """Return the unpenalised loss and the logits of a batch."""
        X, target = batch
        # A loss that moves its rows would need gradients, and says little of held-out rows.
        loss = getattr(self.criterion_, "held_out_loss", self.criterion_.per_sample_loss)
        with torch.no_grad():
            losses = loss(self.module_, X, target[0])
            return {"loss": self.get_loss(losses, target, X), "y_pred": self.module_(X)}

    def run_single_epoch(
        self,
        iterator: Iterable[Batch] | None,
        training: bool,
        prefix: str,
        step_fn: Callable[..., dict[str, Any]],
        **fit_params: Any,
    ) -> None:
        """Run over all batches once; record ``<prefix>_loss`` and, for held-out rows, accuracy."""
        if iterator is None:
            return
        self._set_training(training)
        self._penalty_now = training and self.penalty_is_on
        self._see_batch = _batch_hook(self.penalty)
        callbacks = [callback for _, callback in self.callbacks_]
        self._batch_listeners = any(map(listens_to_batches, callbacks))
        shows_outputs = training and any(map(wants_training_outputs, callbacks))
        shown: list[tuple[Tensor, Tensor]] = []
        self._needs_closure = isinstance(self.optimizer_, torch.optim.LBFGS)
        if training and hasattr(self.criterion_, "begin_epoch"):
            self.criterion_.begin_epoch(len(self.history) - 1)
        loss, correct, total = 0.0, 0.0, 0.0
        for batch in iterator:
            if self._batch_listeners:
                self.notify("on_batch_begin", batch=plain(batch), training=training)
            step = step_fn(batch, **fit_params)
            _, (y, weight) = batch
            batch_weight = len(y) if weight is None else float(weight.sum())
            loss += batch_weight * float(step["loss"])
            total += batch_weight
            if not training:
                hits = (step["y_pred"].argmax(1) == y).to(step["loss"].dtype)
                correct += float(hits.sum() if weight is None else weight @ hits)
            if self._batch_listeners:
                if shows_outputs:
                    step["y_pred"] = outputs_of(self, batch[0])
                    shown.append((batch[0], step["y_pred"]))
                self.history.record_batch(f"{prefix}_loss", float(step["loss"]))
                self.history.record_batch(f"{prefix}_batch_size", len(y))
                tell_batch_end(self, plain(batch), training=training, **step)
        if training and self.constraint is not None:
            self.constraint.settle()  # before the epoch is scored, recorded or kept
        for X, outputs in shown:  # scores of an epoch are those of the weights that it ends with
            outputs.copy_(outputs_of(self, X))
        self.history.record(f"{prefix}_loss", loss / total)
        if not training:
            self.history.record(f"{prefix}_accuracy", correct / total)

    def fit_loop(self, *args: Any, **kwargs: Any) -> PenalizedNet:
        """Train, and note what ends it: skorch drops every KeyboardInterrupt."""
        try:
            return super().fit_loop(*args, **kwargs)
        except KeyboardInterrupt as error:
            if self.stop_reason is None:
                self.stop_reason = "interrupted" if is_interruption(error) else "stopped"
            raise

    def on_train_begin(self, *args: Any, **kwargs: Any) -> None:
        """Let the constraint hold from the first step, and for a fit that never ends an epoch."""
        super().on_train_begin(*args, **kwargs)
        if self.constraint is not None:
            self.constraint.settle()

    def set_callbacks(self, callbacks: list[Callback | tuple[str, Callback]]) -> None:
        """Replace the callbacks of the net, also of one that has been trained before."""
        self.callbacks = callbacks
        self.initialize_callbacks()

    def drop_fit_state(self) -> None:
        """Let go of what only a running fit needs: data, callbacks, warm vectors."""
        self.penalty = self.constraint = self._see_batch = None
        self.criterion_ = self.criterion  # the settings, without what was bound to the fit
        self.set_callbacks([])
        self.train_split = None

    def __getstate__(self) -> dict[str, Any]:
        """Return plain data, for formats that must not run code; skorch's state holds a pickle."""
        return plain_state(self)

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[Any, ...]:
        """Let pickles and copies keep the whole net, whatever its layers and attributes are."""
        state = _Everything(super().__getstate__())
        state["module"] = None  # module_ is the same object and travels with the optimizer
        return _new, (type(self),), state

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Of that type only: a file that claims to hold plain data must not bring a pickle.
        if isinstance(state, _Everything):
            super().__setstate__(dict(state))
            self.module = self.module_
        else:
            restore(self, state)


class _Everything(dict[str, Any]):
    """The attributes of a net in a pickle, as opposed to plain data."""


def _new(kind: type[PenalizedNet]) -> PenalizedNet:
    """Return a net without attributes, which a pickle or a copy gets later."""
    return kind.__new__(kind)


def _split(
    groups: list[dict[str, Any]], belongs: Callable[[Tensor], bool], **settings: float
) -> list[dict[str, Any]]:
    """Give the parameters that belong a group with settings of their own; drop empty groups."""
    split = []
    for group in groups:
        members = [p for p in group["params"] if belongs(p)]
        others = [p for p in group["params"] if not belongs(p)]
        split += [{**group, **settings, "params": members}, {**group, "params": others}]
    return [group for group in split if group["params"]]


def _batch_hook(penalty: BoundPenalty | None) -> Callable[..., None] | None:
    """Return the penalty's `see_batch` where it has one of its own; most do without."""
    hook = getattr(type(penalty), "see_batch", None)
    return None if hook in (None, BoundPenalty.see_batch) else getattr(penalty, "see_batch", None)
