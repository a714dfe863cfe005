"""The encoder that learns without labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, ClassVar, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data
from torch import nn

from specreg_sklearn._sklearn_compat import Interval, fit_context
from specreg_sklearn._typing import Activation, Solver
from specreg_sklearn.certificates import NoCertificateError, Stage
from specreg_sklearn.certificates.pipelines import Role
from specreg_sklearn.constraints import Constraint
from specreg_sklearn.estimators._build_net import Callbacks
from specreg_sklearn.estimators._certified_network import check_only_backbone_and_head
from specreg_sklearn.estimators._feature_encoder import FeatureEncoderMixin
from specreg_sklearn.estimators._input_shape import flat_rows
from specreg_sklearn.estimators._trained_backbone import Module
from specreg_sklearn.estimators._training_report import warn_of_collapse
from specreg_sklearn.estimators._training_rows import TrainingRows
from specreg_sklearn.modules import projector
from specreg_sklearn.objectives import Objective, resolve_objective
from specreg_sklearn.penalties import Penalty
from specreg_sklearn.training import hand_on_interruption


class SelfSupervisedEncoder(FeatureEncoderMixin, BaseEstimator):
    """Feature encoder that learns from rows without labels, with a spectral penalty.

    The network is a backbone, which maps rows to features, and a projector on top of it. Training
    makes two random views of every row, and minimises

    ``loss of the projections + alpha * penalty + weight_decay * sum of squares of all weights``

    where the loss asks that two views of a row agree while rows stay apart. Afterwards `transform`
    gives the features, and the projector is not used. Put a classifier on top of them, such as
    :class:`RobustLinearProbe`.

    Parameters
    ----------
    module : str, callable, torch.nn.Module or FrozenEstimator, default="mlp"
        The backbone; see :class:`SpectrallyRegularizedEncoder`.
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
    objective : str or SelfSupervisedObjective, default="barlow_twins"
        What a batch is scored on. ``"barlow_twins"``: the cross-correlations of the projections of
        two views, which should be the identity matrix; ``"simclr"``: how well a view finds the
        other one of its row; ``"vicreg"``: variance, invariance and covariance of the projections.
        An object such as ``SimCLR(temperature=0.2, views=TableViews(0.5))`` has settings, the views
        among them.
    projector : int, sequence of int or callable, default=(128, 128)
        Widths of the layers of the projector; the last one is the number of projections. Or a
        factory ``(n_features_out) -> torch.nn.Module``.
    penalty : str, Penalty or None, default="rep_spectral"
        What `alpha` multiplies; see :class:`SpectrallyRegularizedEncoder`. It covers the backbone
        alone. Penalties that need a readout or logits are refused.
    alpha : float, default=1e-2
        Strength of the penalty, in units of the loss.
    weight_decay : float, default=1e-4
        Strength of the sum of squares of all weights, those of the projector included.
    constraint : {"spectral_norm", "svb", "parseval", "orthogonal"}, Constraint or None, \
            default=None
        What the weights of the backbone must keep, by a projection after every step.
    solver : {"adam", "sgd"} or torch.optim.Optimizer class, default="adam"
        The optimizer; "sgd" uses Nesterov momentum 0.9.
    learning_rate_init : float, default=1e-3
        Learning rate.
    batch_size : int or "auto", default="auto"
        Rows in a batch, at least two; "auto" means ``min(200, n_samples)``. A last batch of a
        single row joins the one before.
    max_iter : int, default=200
        The most epochs.
    burn_in : float, default=0.0
        Share of `max_iter` trained before the penalty starts, in [0, 1).
    tol : float, default=1e-4
        An epoch counts as an improvement when the objective falls by at least this much.
    n_iter_no_change : int, default=10
        Epochs without improvement before training stops.
    warm_start : bool, default=False
        Go on from the weights and the optimizer state of the last fit. The network is built anew
        when its shape or dtype has changed.
    random_state : int, RandomState instance or None, default=None
        Seeds start weights, row order, views and power iteration. None takes a fresh seed from the
        operating system. The global numpy and torch generators are never used.
    device : str, default="auto"
        "auto" takes CUDA when there is one, else the CPU; or any torch device name.
    callbacks : list of skorch callbacks, default=None
        Handed to skorch as they are.
    verbose : int, default=0
        1 shows a progress bar over epochs.

    Attributes
    ----------
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
    spectral_norms_ : dict of str to float
        The exact spectral norm of every layer of the backbone (of convolutions to about four
        digits), each with the batch norm behind it folded in.
    module_ : torch.nn.Module
        The network, with parts `backbone` and `head`; the head is the projector.
    net_ : skorch.NeuralNet
        The trained skorch net, with its history.

    See Also
    --------
    SpectrallyRegularizedEncoder : An encoder that learns from labels.
    RobustLinearProbe : A readout that withstands moves of the features.

    Notes
    -----
    Features that are the same for all rows, or lie on one line, make views agree without telling
    rows apart. Such a collapse is looked for after every fit, and reported.

    References
    ----------
    Yang, Zavatone-Veth, Pehlevan, "Spectral regularization for adversarially-robust
    representation learning", arXiv:2405.17181.

    Examples
    --------
    All rows, and the labels of one in thirty:

    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import StandardScaler
    >>> from specreg_sklearn import RobustLinearProbe, SelfSupervisedEncoder
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X = StandardScaler().fit_transform(X)
    >>> encoder = SelfSupervisedEncoder(hidden_layer_sizes=(16,), max_iter=50, random_state=0)
    >>> features = encoder.fit_transform(X)
    >>> features.shape
    (569, 16)
    >>> probe = RobustLinearProbe().fit(features[::30], y[::30])
    >>> probe.score(features, y) > 0.85
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **FeatureEncoderMixin._parameter_constraints,
        "projector": ["array-like", Interval(Integral, 1, None, closed="left"), callable],
    }

    def __init__(
        self,
        module: Module = "mlp",
        *,
        hidden_layer_sizes: Sequence[int] | int = (100,),
        activation: Activation = "relu",
        input_shape: Sequence[int] | None = None,
        objective: str | Objective = "barlow_twins",
        projector: int | Sequence[int] | Callable[[int], nn.Module] = (128, 128),
        penalty: str | Penalty | None = "rep_spectral",
        alpha: float = 1e-2,
        weight_decay: float = 1e-4,
        constraint: str | Constraint | None = None,
        solver: Solver = "adam",
        learning_rate_init: float = 1e-3,
        batch_size: int | Literal["auto"] = "auto",
        max_iter: int = 200,
        burn_in: float = 0.0,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        device: str = "auto",
        callbacks: Callbacks = None,
        verbose: int = 0,
    ) -> None:
        self.module = module
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.input_shape = input_shape
        self.objective = objective
        self.projector = projector
        self.penalty = penalty
        self.alpha = alpha
        self.weight_decay = weight_decay
        self.constraint = constraint
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.burn_in = burn_in
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.warm_start = warm_start
        self.random_state = random_state
        self.device = device
        self.callbacks = callbacks
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None) -> Self:
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, C, H, W)
            Rows, or images with the channels first, at least two; float32 and float64 keep their
            type, everything else becomes float64.
        y : object, default=None
            Not used; there for pipelines.

        Returns
        -------
        self : SelfSupervisedEncoder
            The fitted encoder.

        Raises
        ------
        ValueError
            For a parameter or row that is not accepted; the message names it.
        KeyboardInterrupt
            If the fit was interrupted, so that a search around it ends, too. The estimator then has
            the weights of the last finished epoch and can be used, if there is one.

        Warns
        -----
        ConvergenceWarning
            If training diverged or was still improving after `max_iter` epochs, the representation
            collapsed, or the penalty's estimate lagged.
        UserWarning
            If `X` holds images of bytes from 0 to 255.
        """
        given = X, y, None
        X, row_shape = flat_rows(X)
        X = validate_data(self, X, dtype=[np.float64, np.float32])
        objective = resolve_objective(self.objective, uses_labels=False)
        if hasattr(objective, "check_rows"):
            objective.check_rows(X)
        n_samples = len(X)
        rows = TrainingRows(X, np.zeros(n_samples, dtype=np.int64), np.ones(n_samples), np.empty(0))
        head = self.projector if callable(self.projector) else projector(self.projector)
        net = self._fit_net(given, objective, rows, head, row_shape)
        hand_on_interruption(net)
        warn_of_collapse(net, X)
        return self

    def __certified_stages__(self, role: Role) -> list[Stage]:
        """Return the network up to the features as stages of a proof."""
        if role == "classifier":
            raise NoCertificateError("SelfSupervisedEncoder has no certificate: it has no scores.")
        check_only_backbone_and_head(self, SelfSupervisedEncoder, role)
        return self._feature_stages()
