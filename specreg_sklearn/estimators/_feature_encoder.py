"""What the two encoders have in common: a net that is trained, and features that it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn

from specreg_sklearn._sklearn_compat import (
    CallbackSupportMixin,
    HasMethods,
    Interval,
    StrOptions,
    fit_has_callbacks,
)
from specreg_sklearn._typing import Activation, Solver
from specreg_sklearn.certificates import Stage, torch_stages
from specreg_sklearn.certificates.pipelines import Role
from specreg_sklearn.constraints import Constraint
from specreg_sklearn.estimators._build_net import (
    Callbacks,
    attach_callbacks,
    attach_rows,
    build_net,
)
from specreg_sklearn.estimators._differentiable import WithPullback, with_pullback
from specreg_sklearn.estimators._input_shape import check_row_shape, flat_rows, warn_of_raw_pixels
from specreg_sklearn.estimators._stored_version import StoredVersionMixin
from specreg_sklearn.estimators._trained_backbone import Module
from specreg_sklearn.estimators._training_report import spectral_norms
from specreg_sklearn.estimators._training_rows import TrainingRows
from specreg_sklearn.modules import ACTIVATIONS, Network, predicting
from specreg_sklearn.objectives import Objective
from specreg_sklearn.penalties import Penalty
from specreg_sklearn.tables import in_library_of
from specreg_sklearn.training import (
    PenalizedNet,
    SklearnCallbackBridge,
    StrengthChoice,
    batched,
    draw_seed,
    hand_on_interruption,
    own_torch_settings,
    threads_for_step,
)


class FeatureEncoderMixin(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, CallbackSupportMixin, StoredVersionMixin
):
    """A transformer that gives the features of the network inside `net_`."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "module": [str, callable, BaseEstimator],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS))],
        "input_shape": [tuple, list, np.ndarray, None],
        "penalty": [str, HasMethods(["bind"]), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "objective": [str, HasMethods(["per_sample_loss"])],
        "constraint": [str, HasMethods(["bind"]), None],
        "solver": [StrOptions({"adam", "sgd"}), callable],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "burn_in": [Interval(Real, 0, 1, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "device": [str],
        "callbacks": [list, tuple, None],
        "verbose": ["verbose"],
    }

    module: Module
    hidden_layer_sizes: Sequence[int] | int
    activation: Activation
    input_shape: Sequence[int] | None
    penalty: str | Penalty | None
    alpha: Any  # a number; where labels tell, also "auto"
    weight_decay: float
    constraint: str | Constraint | None
    solver: Solver
    learning_rate_init: float
    batch_size: int | Literal["auto"]
    max_iter: int
    burn_in: float
    tol: float
    n_iter_no_change: int
    warm_start: bool
    random_state: int | np.random.RandomState | None
    device: str
    callbacks: Callbacks
    verbose: int

    net_: PenalizedNet

    def _fit_net(
        self,
        given: tuple[Any, Any, ArrayLike | None],
        objective: Objective,
        rows: TrainingRows,
        head: Callable[[int], nn.Module],
        row_shape: tuple[int, ...] | None,
        *,
        held_out: TrainingRows | None = None,
        n_epochs: int | None = None,
        **fitted: NDArray[Any],
    ) -> PenalizedNet:
        """Build the net, train it, and set the attributes that it gives.

        `given` is what `fit` was called with, and `fitted` what a copy of the estimator needs
        beside the net: scikit-learn's callbacks want them. `held_out` are rows to stop on, and
        `n_epochs` is the length of a part of a fit, which those callbacks do not watch.
        """
        with own_torch_settings():
            seed = draw_seed(self.random_state)
            choice = self._choose_strength(objective, rows, seed, head, row_shape)
            net = build_net(
                self,
                objective,
                rows,
                seed,
                choice.alpha,
                head=head,
                row_shape=row_shape,
                n_epochs=n_epochs,
            )
            warn_of_raw_pixels(given[0], net.module_.input_shape)
            holds_out = getattr(self, "early_stopping", False)
            training_data = attach_rows(
                net, self, rows, seed, early_stopping=holds_out, held_out=held_out
            )
            bridge = None
            if n_epochs is None and fit_has_callbacks(self):
                bridge = SklearnCallbackBridge(
                    self, *given, max_epochs=self.max_iter, fitted={**fitted, "net_": net}
                )
            attach_callbacks(net, self, bridge)
            try:
                with threads_for_step(net.batch_size, net.module_):
                    net.partial_fit(training_data)
            except KeyboardInterrupt:  # as training began or ended, where skorch drops none
                net.stop_reason = "interrupted"
            finally:
                net.drop_fit_state()  # it keeps nothing that only the fit needed
            if not len(net.history):
                hand_on_interruption(net)  # there is no model to keep
            net.module_.eval()
            has_readout = getattr(objective, "uses_labels", True)
            norms = spectral_norms(net.module_, has_readout=has_readout)
        self.net_, self.spectral_norms_, self.n_iter_ = net, norms, len(net.history)
        self._note_strength(choice)
        self.loss_curve_ = [row["objective"] for row in net.history]
        self.penalty_curve_ = [row.get("penalty", 0.0) for row in net.history]
        parts = [row.get("penalty_parts", {}) for row in net.history]
        names = dict.fromkeys(name for row in parts for name in row)
        self.penalty_curves_ = {name: [row.get(name, np.nan) for row in parts] for name in names}
        return net

    def _choose_strength(
        self,
        objective: Objective,
        rows: TrainingRows,
        seed: int,
        head: Callable[[int], nn.Module],
        row_shape: tuple[int, ...] | None,
    ) -> StrengthChoice:
        """Return the strength of the penalty: here what the user gave."""
        return StrengthChoice(float(self.alpha))

    def _note_strength(self, choice: StrengthChoice) -> None:
        """Set the attributes that tell of the choice, when the fit is done."""

    @property
    def module_(self) -> Network:
        """The network, with parts `backbone` and `head`; the one inside `net_`."""
        return self.net_.module_

    def transform(self, X: Any) -> NDArray[np.floating]:
        """Return the features of the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, C, H, W)
            Rows in the units of the training rows.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            Activations of the last hidden layer, in the dtype of the training.
        """
        return in_library_of(X, self._apply(self._validated(X), self.module_.features))

    def __differentiable__(self, role: Role) -> WithPullback:
        """Return the network up to the features, or up to the logits of a classifier."""
        network = self.module_
        if role == "classifier" and not hasattr(self, "predict"):
            raise TypeError(f"{type(self).__name__} has no logits.")
        function = network if role == "classifier" else network.features
        return with_pullback(network, function, self.net_.device)

    def _feature_stages(self) -> list[Stage]:
        """Return what `transform` computes as stages of a proof."""
        return torch_stages(self.module_.backbone, self.module_.input_shape)

    if TYPE_CHECKING:  # scikit-learn has it, and no types

        def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> NDArray[np.floating]:
            """Fit to the rows, and return their features."""

    def _validated(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "net_")
        X, row_shape = flat_rows(X)
        check_row_shape(row_shape, self.module_.input_shape)
        dtype = np.float64 if self.module_.dtype == torch.float64 else np.float32
        return validate_data(self, X, reset=False, dtype=dtype)

    def _apply(self, X: np.ndarray, function: Callable[[Tensor], Tensor]) -> NDArray[np.floating]:
        with predicting(self.module_):
            return batched(function, X, device=self.net_.device)

    @property
    def _n_features_out(self) -> int:
        return self.module_.n_features_out

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
