"""The encoder: a classifier whose hidden features are trained to be hard to fool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from numbers import Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data
from torch import nn

from specreg_sklearn._sklearn_compat import Interval, StrOptions, fit_context
from specreg_sklearn._typing import Activation, Solver
from specreg_sklearn.certificates import Stage, torch_stages
from specreg_sklearn.certificates.pipelines import Role
from specreg_sklearn.constraints import Constraint
from specreg_sklearn.estimators._build_net import Callbacks, strength_of
from specreg_sklearn.estimators._certified_network import check_only_backbone_and_head
from specreg_sklearn.estimators._feature_encoder import FeatureEncoderMixin
from specreg_sklearn.estimators._input_shape import flat_rows, has_raw_pixels
from specreg_sklearn.estimators._logit_classifier import LogitClassifierMixin
from specreg_sklearn.estimators._rows_in_parts import classes_of_parts, held_out_rows
from specreg_sklearn.estimators._trained_backbone import Module
from specreg_sklearn.estimators._training_report import warn_of_divergence, warn_of_trouble
from specreg_sklearn.estimators._training_rows import ClassWeight, TrainingRows, training_rows
from specreg_sklearn.modules import readout
from specreg_sklearn.objectives import Objective, resolve_objective
from specreg_sklearn.penalties import Penalty
from specreg_sklearn.tables import as_numpy
from specreg_sklearn.training import (
    StrengthChoice,
    hand_on_interruption,
    preset_settings,
    warn_of_units,
)


class SpectrallyRegularizedEncoder(FeatureEncoderMixin, LogitClassifierMixin, BaseEstimator):
    """Neural classifier and feature encoder with a spectral penalty on its hidden layers.

    The network is a backbone, which maps rows to features, and a linear readout. Training
    minimises

    ``mean loss + alpha * penalty + weight_decay * sum of squares of all weights``

    where ``penalty="rep_spectral"`` is the sum of the squared spectral norms of the layers up to
    the features. Features that move little when the input moves little make every readout on top
    of them harder to fool. Like ``LinearDiscriminantAnalysis``, the estimator is a classifier
    (`predict`) and a transformer (`transform` gives the features).

    Parameters
    ----------
    module : str, callable, torch.nn.Module or FrozenEstimator, default="mlp"
        The backbone. ``"mlp"`` for tables, ``"convnet"`` and ``"resnet18"`` for images; objects
        such as ``ConvNet(channels=(8, 16))`` have settings. Or a factory ``(input_shape) ->
        torch.nn.Module`` whose output has shape (n_samples, n_features_out). Weights are drawn from
        `random_state`. A module that has weights already, or ``FrozenEstimator(encoder)`` with a
        fitted encoder, is fine-tuned: its backbone is copied, and the head is new.
    hidden_layer_sizes : int or sequence of int, default=(100,)
        Widths of the hidden layers; the last one is the number of features.
    activation : {"identity", "logistic", "tanh", "relu", "elu", "gelu", "maxmin", "groupsort"}, \
            default="relu"
        Activation after every hidden layer. ``"maxmin"`` and ``"groupsort"`` sort neighbouring
        features in groups of two and four, which must divide the widths; they suit constraints on
        norms and training for certificates.
    input_shape : tuple of int, default=None
        Shape of one row as the backbone wants it, such as ``(1, 8, 8)`` for flat 8 x 8 images:
        channels first. None takes the shape of the rows of `X`, ``(n_features,)`` for a table.
    penalty : str, Penalty or None, default="rep_spectral"
        What `alpha` multiplies. ``"rep_spectral"``: squared spectral norms up to the features;
        ``"ll_spectral"``: those of all layers; ``"product_spectral"``: their product, which no
        scaling between layers changes; ``"l2"``: the sum of squares of all weights;
        ``"orthogonal"``: the distance of the hidden layers from orthogonality; ``"jacobian"`` and
        ``"cross_lipschitz"``: input gradients of the logits, and of their differences, on the
        rows. For fine-tuning, ``"l2_sp"``: the squared distance to the weights at the start, and
        ``"batch_shrinkage"``: the smallest singular values of the features of a batch. Names
        joined by a plus add up, as in ``"ll_spectral+jacobian"``; with weights, ``Sum(LLSpectral(),
        Jacobian(), weights=(1, 0.3))``. There is no factor one half.
    alpha : float, "scale" or "auto", default=1e-2
        Strength of the penalty, in units of the loss. "scale" looks for the weakest one that
        doubles the certificate of a network without the penalty, by a few networks that are trained
        on four fifths of the rows for half of `max_iter` at most. The first strength is ``0.1 *
        loss / (n_classes - 1)``, with the log loss of the other rows: where labels cannot be told
        from the rows it stays large, and a strong penalty costs no accuracy. That strength doubles,
        up to twice, as long as the certificate is short of its goal and their log loss, at the best
        temperature, does not rise by more than 5 % or 1.5 standard errors; where it does not
        double, it may be halved. Measured for the sum of the preset "robust", at the price of one
        more fit or two. "auto" chooses it from 1e-3 to 0.3, for about one more fit: a network is
        trained on four fifths of the rows while the strength rises; of the strengths that raise
        neither error nor log loss of the other rows, the one with the largest certificate is found,
        and lowered by half a decade where it is above 3e-3; the fit on all rows follows. Neither
        needs an attack, and both need at least 50 labelled rows. A warm start and `partial_fit`
        keep the strength of the last fit.
    alpha_tolerance : float, default=1.5
        With ``alpha="auto"``, how many standard errors the held-out balanced error may lie above
        that of weak strengths on the path; their log loss may be twice as many above. 1.5 is
        careful; 2 trades accuracy for robustness.
    weight_decay : float, default=1e-4
        Strength of the sum of squares of all weights (biases are free), beside any penalty. For
        the network's own labels a little of it beside a spectral penalty was measured to help;
        for features that another readout will use it helped on some data and harmed on others:
        choose it there with `alpha`, by the new task.
    objective : str or Objective, default="cross_entropy"
        What a batch is scored on. ``"cross_entropy"``: the log loss of the rows as they are;
        ``"adversarial"``: of the worst rows nearby; ``"trades"``: of the rows, plus how much the
        prediction changes nearby; ``"gradient"``: plus how fast the loss rises;
        ``"lipschitz_margin"``: with a handicap that makes certificates; ``"vat"``: as "trades",
        also for unlabelled rows; ``"linearity"``: after one step, with the loss kept linear. An
        object such as ``Adversarial(epsilon=0.2, norm=2)`` has settings.
    constraint : {"spectral_norm", "svb", "parseval", "orthogonal"}, Constraint or None, \
            default=None
        What the weights must keep, by a projection after every step: spectral norms of at most
        one, all singular values near one, a pull towards that, or hidden layers that keep lengths.
        It combines with any penalty; an object such as ``SpectralNorm(max_norm=2.0)`` has settings.
    solver : {"adam", "sgd"} or torch.optim.Optimizer class, default="adam"
        The optimizer; "sgd" uses Nesterov momentum 0.9.
    learning_rate_init : float, default=1e-3
        Learning rate.
    backbone_learning_rate_factor : float, default=1.0
        The backbone learns at this multiple of `learning_rate_init`, the head at the whole. Less
        than one keeps a trained backbone near to what it was while a new head is found.
    batch_size : int or "auto", default="auto"
        Rows in a batch; "auto" means ``min(200, n_samples)``.
    max_iter : int, default=200
        The most epochs.
    burn_in : float, default=0.0
        Share of `max_iter` trained before the penalty starts, in [0, 1). The optimizer keeps its
        state across the switch. A warm start goes on with the penalty at once.
    tol : float, default=1e-4
        An epoch counts as an improvement when the objective falls (or the held-out accuracy
        rises) by at least this much.
    n_iter_no_change : int, default=10
        Epochs without improvement before training stops.
    early_stopping : bool, default=False
        Hold out rows, stop on their accuracy, and keep the weights of the best epoch.
    validation_fraction : float, default=0.1
        Share of the rows held out when `early_stopping` is on.
    warm_start : bool, default=False
        Go on from the weights and the optimizer state of the last fit. The network is built anew
        when its shape or dtype has changed.
    class_weight : dict, "balanced" or None, default=None
        Factors on the rows of each class.
    random_state : int, RandomState instance or None, default=None
        Seeds start weights, row order, held-out rows and power iteration. None takes a fresh seed
        from the operating system. The global numpy and torch generators are never used.
    device : str, default="auto"
        "auto" takes CUDA when there is one, else the CPU; or any torch device name.
    mixed_precision : bool, default=False
        Train with products in bfloat16 and weights in float32 (``torch.autocast``): quicker on GPUs
        that have units for it, from compute capability 8.0 on. On a CPU it works and is mostly
        slower. Norms, penalties of weights, and whatever the fitted network computes stay in
        float32. `X` must be float32.
    callbacks : list of skorch callbacks, default=None
        Handed to skorch as they are.
    verbose : int, default=0
        1 shows a progress bar over epochs.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of input features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the input features, when `X` had string column names.
    n_iter_ : int
        Epochs run, over all warm starts.
    loss_curve_ : list of float
        The minimised objective after each epoch: mean loss, penalty and weight decay.
    penalty_curve_ : list of float
        The penalty after each epoch, without its strength and computed exactly.
    penalty_curves_ : dict of str to list of float
        The same for every part of a :class:`~specreg_sklearn.penalties.Sum`, without its weight;
        empty for other penalties.
    alpha_ : float
        The strength of the fit: `alpha`, or what "scale" or "auto" has chosen.
    alpha_path_ : dict of str to ndarray of shape (n_strengths,) or None
        With ``alpha="auto"`` or "scale", ``"alpha"`` and what the held-out rows say of each
        strength that was tried: ``"accuracy"``, ``"certificate"`` (median radius by the product of
        the norms, 0 for a row that is wrong; NaN for a network without a certificate) and
        ``"log_loss"``.
    validation_scores_ : list of float
        Held-out accuracy of each epoch; only with `early_stopping`.
    spectral_norms_ : dict of str to float
        The exact spectral norm of every hidden layer and of the head (of convolutions to about
        four digits), each with the batch norm behind it folded in. Look at both: a penalty on
        the hidden layers alone can push scale into the head.
    module_ : torch.nn.Module
        The network, with parts `backbone` and `head`.
    net_ : skorch.NeuralNet
        The trained skorch net, with its history.

    See Also
    --------
    RobustLinearProbe : A readout that withstands moves of the features.
    sklearn.neural_network.MLPClassifier : The same network without penalties.

    Notes
    -----
    Penalty gradients use a warm block power iteration; once an epoch it is compared with the
    exact norms, and a warning is issued when it lags by more than 5 %.

    References
    ----------
    Yang, Zavatone-Veth, Pehlevan, "Spectral regularization for adversarially-robust
    representation learning", arXiv:2405.17181.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from specreg_sklearn import SpectrallyRegularizedEncoder
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> encoder = SpectrallyRegularizedEncoder(hidden_layer_sizes=(16,), random_state=0)
    >>> model = make_pipeline(StandardScaler(), encoder).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    >>> model.transform(X).shape
    (569, 16)
    >>> sorted(encoder.spectral_norms_)
    ['backbone.hidden1', 'head']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **FeatureEncoderMixin._parameter_constraints,
        "alpha": [StrOptions({"auto", "scale"}), Interval(Real, 0, None, closed="left")],
        "alpha_tolerance": [Interval(Real, 0, None, closed="left")],
        "backbone_learning_rate_factor": [Interval(Real, 0, None, closed="neither")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "mixed_precision": ["boolean"],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self,
        module: Module = "mlp",
        *,
        hidden_layer_sizes: Sequence[int] | int = (100,),
        activation: Activation = "relu",
        input_shape: Sequence[int] | None = None,
        penalty: str | Penalty | None = "rep_spectral",
        alpha: float | Literal["auto", "scale"] = 1e-2,
        alpha_tolerance: float = 1.5,
        weight_decay: float = 1e-4,
        objective: str | Objective = "cross_entropy",
        constraint: str | Constraint | None = None,
        solver: Solver = "adam",
        learning_rate_init: float = 1e-3,
        backbone_learning_rate_factor: float = 1.0,
        batch_size: int | Literal["auto"] = "auto",
        max_iter: int = 200,
        burn_in: float = 0.0,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        class_weight: ClassWeight = None,
        random_state: int | np.random.RandomState | None = None,
        device: str = "auto",
        mixed_precision: bool = False,
        callbacks: Callbacks = None,
        verbose: int = 0,
    ) -> None:
        self.module = module
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.input_shape = input_shape
        self.penalty = penalty
        self.alpha = alpha
        self.alpha_tolerance = alpha_tolerance
        self.weight_decay = weight_decay
        self.objective = objective
        self.constraint = constraint
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.backbone_learning_rate_factor = backbone_learning_rate_factor
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.burn_in = burn_in
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.class_weight = class_weight
        self.random_state = random_state
        self.device = device
        self.mixed_precision = mixed_precision
        self.callbacks = callbacks
        self.verbose = verbose

    @classmethod
    def from_preset(cls, preset: str, /, **settings: Any) -> Self:
        """Return an encoder with settings that were measured together.

        They are meant for columns in units of their spread, or pixels from 0 to 1: strengths and
        epsilons are in the units of the encoder's input. :meth:`fit` warns of other rows.

        Parameters
        ----------
        preset : {"robust", "fast", "distance", "certified", "transfer"}
            ``"robust"``: the sum of spectral norms and Jacobian, in proportion to the loss of rows
            that are held out, for the most distance and certificate at equal accuracy.
            ``"fast"``: the defaults, the cheapest. ``"distance"``: adversarial training beside the
            penalty, for the most distance. ``"certified"``: a margin in the loss, for certificates
            where accuracy may pay. ``"transfer"``: a strong penalty on the features alone, whose
            own readout still works, for other tasks. The
            guide has the settings and what they cost.
        **settings : dict
            Further parameters; they win over those of the preset, such as ``alpha="auto"``.

        Returns
        -------
        SpectrallyRegularizedEncoder
            Not fitted.

        Raises
        ------
        ValueError
            If there is no such preset; the message lists them.
        TypeError
            If a setting is no parameter.

        Examples
        --------
        >>> from specreg_sklearn import SpectrallyRegularizedEncoder
        >>> SpectrallyRegularizedEncoder.from_preset("robust", max_iter=50)
        SpectrallyRegularizedEncoder(alpha='scale', max_iter=50,
                                     penalty='ll_spectral+jacobian')
        """
        return cls(**{**preset_settings(preset), **settings})

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, C, H, W)
            Rows, or images with the channels first; float32 and float64 keep their type,
            everything else becomes float64.
        y : array-like of shape (n_samples,)
            Class labels of any kind; at least two classes. With an objective that uses unlabelled
            rows (``"vat"``) the label -1 marks them, and `classes_` does not hold it. With others
            -1 is a class, as in {-1, 1}; beside 0, 1, 2 or beside strings it is refused.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights. A row of weight 2 counts as two rows, one of weight 0 as none.
        X_val : array-like of shape (n_val, n_features) or (n_val, C, H, W), default=None
            Rows for early stopping, of the columns of `X`; without them a share of
            `validation_fraction` of `X` is held out.
        y_val : array-like of shape (n_val,), default=None
            Their labels, all of which occur in `y`.

        Returns
        -------
        self : SpectrallyRegularizedEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            For a parameter, row, label or weight that is not accepted; the message names it.
        KeyboardInterrupt
            If the fit was interrupted, so that a search around it ends, too. The estimator then has
            the weights of the last finished epoch and can be used, if there is one.

        Warns
        -----
        ConvergenceWarning
            If training diverged, collapsed to one prediction, or was still improving after
            `max_iter` epochs, or if the penalty's estimate lagged.
        UserWarning
            If `X` holds images of bytes from 0 to 255, if the settings are those of a preset, such
            as the defaults, and `X` is neither in units of its spread nor in pixels from 0 to 1, or
            if the labels are -1, 0 and 1 and the objective uses no unlabelled rows.
        """
        return self._train(X, y, sample_weight, validation=(X_val, y_val))

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train one more epoch, on these rows.

        The first call builds the network, unless there is one from `fit`; later calls go on from
        its weights and the state of the optimizer, like a warm start. `early_stopping` does not
        apply, and `max_iter` is only the length that schedules and `burn_in` refer to.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, C, H, W)
            Rows.
        y : array-like of shape (n_samples,)
            Class labels; not every class has to occur.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever occur; needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights.

        Returns
        -------
        self : SpectrallyRegularizedEncoder
            The encoder, trained for one more epoch.

        Raises
        ------
        ValueError
            If `classes` is missing in the first call or not the same later, or if `y` holds another
            label; and as for :meth:`fit`.
        """
        all_classes = classes_of_parts(self, classes)
        worker = copy(self)
        worker.warm_start, worker.early_stopping = True, False
        worker._train(X, y, sample_weight, all_classes=all_classes)
        settings = self.get_params(deep=False)
        for name, value in vars(worker).items():
            if name not in settings:
                setattr(self, name, value)
        return self

    def _train(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None,
        *,
        validation: tuple[Any, Any] = (None, None),
        all_classes: NDArray[Any] | None = None,
    ) -> Self:
        """Fit to all rows; with `all_classes`, to some of them, for one epoch."""
        given = X, y, sample_weight
        in_parts = all_classes is not None
        X, row_shape = flat_rows(X)
        reset = not (in_parts and hasattr(self, "net_"))
        X, y = validate_data(self, X, as_numpy(y), reset=reset, dtype=[np.float64, np.float32])
        objective = resolve_objective(self.objective, uses_labels=True)
        if hasattr(objective, "check_rows"):
            objective.check_rows(X)
        rows = training_rows(
            X, y, sample_weight, self.class_weight, objective, all_classes=all_classes
        )
        held_out = held_out_rows(self, *validation, rows, objective)
        going_on = self.warm_start and hasattr(self, "net_")
        if going_on and not np.array_equal(rows.classes, self.classes_):
            raise ValueError(
                f"warm_start=True needs the classes of the last fit, {self.classes_.tolist()}; "
                f"y has {rows.classes.tolist()}."
            )
        head = readout(len(rows.classes))
        net = self._fit_net(
            given,
            objective,
            rows,
            head,
            row_shape,
            held_out=held_out,
            n_epochs=1 if in_parts else None,
            classes_=rows.classes,
        )
        self.classes_ = rows.classes
        if self.early_stopping:
            self.validation_scores_ = [row.get("valid_accuracy", np.nan) for row in net.history]
        hand_on_interruption(net)
        if in_parts:
            warn_of_divergence(net)
        else:
            logits = self._apply(rows.X, net.module_)
            warn_of_trouble(net, logits, rows.codes, weighs_classes=self.class_weight is not None)
            if not has_raw_pixels(given[0], net.module_.input_shape):  # that has been said
                settings = self.get_params(deep=False)
                warn_of_units(rows.X, settings, getattr(self, "feature_names_in_", None))
        return self

    def _choose_strength(
        self,
        objective: Objective,
        rows: TrainingRows,
        seed: int,
        head: Callable[[int], nn.Module],
        row_shape: tuple[int, ...] | None,
    ) -> StrengthChoice:
        if not isinstance(self.alpha, str):
            return StrengthChoice(float(self.alpha))
        if self.penalty is None:  # as in a search over penalties: there is nothing to choose
            return StrengthChoice(0.0)
        if self.warm_start and hasattr(self, "net_"):
            return StrengthChoice(self.alpha_, self.alpha_path_)
        return strength_of(
            self,
            objective,
            rows,
            seed,
            tolerance=self.alpha_tolerance,
            head=head,
            row_shape=row_shape,
        )

    def _note_strength(self, choice: StrengthChoice) -> None:
        self.alpha_, self.alpha_path_ = choice

    def __certified_stages__(self, role: Role) -> list[Stage]:
        """Return the network as stages of a proof, up to the features or up to the logits."""
        check_only_backbone_and_head(self, SpectrallyRegularizedEncoder, role)
        if role == "transformer":
            return self._feature_stages()
        # Backbone and head are read in one go: twice takes twice as long.
        return torch_stages(self.module_, self.module_.input_shape)

    def _logits(self, X: Any) -> NDArray[np.floating]:
        X = self._validated(X)
        return self._apply(X, self.module_)
