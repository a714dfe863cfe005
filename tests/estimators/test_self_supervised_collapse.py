"""Features that tell rows no longer apart are noticed, and nothing else is."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from torch import nn

from specreg_sklearn import SelfSupervisedEncoder
from specreg_sklearn.estimators._feature_collapse import find_collapse
from specreg_sklearn.objectives import BarlowTwins, Objective, SimCLR, VICReg

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(200, 6))
LINE = RNG.normal(size=(200, 1)) @ RNG.normal(size=(1, 4))


def encoder(**changes):
    settings = {"hidden_layer_sizes": 16, "projector": 8, "max_iter": 30, "random_state": 0}
    return SelfSupervisedEncoder(**{**settings, **changes})


@pytest.mark.parametrize(
    "features",
    [
        np.zeros((200, 4)),
        np.full((200, 4), 3.7),
        np.full((200, 4), 3.7) + 1e-3 * RNG.normal(size=(200, 4)),
        1e-300 * np.ones((200, 4), dtype=np.float64),
        np.ones((200, 1), dtype=np.float32),
    ],
)
def test_equal_features_have_collapsed(features):
    assert "nearly the same for all rows" in find_collapse(ROWS, features)


@pytest.mark.parametrize("features", [LINE, LINE + 5, LINE + 1e-3 * RNG.normal(size=(200, 4))])
def test_features_on_a_line_have_collapsed(features):
    assert "lie on nearly one line" in find_collapse(ROWS, features)
    assert "lie on nearly one line" in find_collapse(ROWS[:, :5], 1e-8 * features)


@pytest.mark.parametrize(
    ("rows", "features"),
    [
        (ROWS, ROWS[:, :2]),
        (ROWS, 1e-12 * ROWS),
        (ROWS, ROWS[:, :1]),  # a single feature always lies on a line
        (ROWS, LINE + 0.1 * RNG.normal(size=(200, 4))),
        (LINE, LINE[:, :2]),  # the rows lie on it themselves
        (ROWS[:, :1], np.hstack([ROWS[:, :1], 2 * ROWS[:, :1]])),
        (np.ones((200, 3)), np.ones((200, 2))),
        (1e6 + ROWS, 1e6 + ROWS),
        (ROWS[:2], ROWS[:2, :4] @ RNG.normal(size=(4, 3))),
        (ROWS * [1e6, 1, 1, 1, 1, 1], ROWS * [1e6, 1, 1, 1, 1, 1]),
    ],
)
def test_features_with_all_that_the_rows_have(rows, features):
    assert find_collapse(rows, features) is None


@pytest.mark.parametrize(("share", "found"), [(0.0099, True), (0.0101, False)])
def test_the_limit_is_a_hundredth_of_what_the_rows_have(share, found):
    white = np.linalg.qr(ROWS - ROWS.mean(axis=0))[0]
    line = white[:, :2] * [1.0, share]
    assert (find_collapse(white, line) is not None) == found
    # Centred columns of norm one: spread / size = sqrt(2) / sqrt(2 + 200 * offset**2 * 2).
    offset = np.sqrt((1 / share**2 - 1) / 200)
    assert (find_collapse(white, white[:, :2] + offset) is not None) == found


def test_constants_are_optimal_without_variance_and_said_to_be():
    """Nothing in the loss speaks against features that are the same for all rows."""
    X = load_digits().data / 16
    message = (
        r"representation collapsed: the features are nearly the same .*Lower alpha=0.01, "
        r"raise variance=0 of the objective, raise covariance=0 of the objective"
    )
    with pytest.warns(ConvergenceWarning, match=message):
        model = encoder(
            objective=VICReg(variance=0, covariance=0), learning_rate_init=1e-2, max_iter=40
        ).fit(X)
    assert model.transform(X).std(axis=0).max() < 1e-2


def test_a_projector_that_collapses_alone_is_noticed(cancer_rows):
    """The features are left as they were drawn: the objective has shaped nothing."""
    with pytest.warns(ConvergenceWarning, match="collapsed: the projections are nearly the same"):
        encoder(
            objective=VICReg(variance=0, covariance=0), learning_rate_init=1e-2, max_iter=60
        ).fit(cancer_rows[0])


class OneNumber(nn.Module):
    """A backbone whose features are multiples of one another."""

    def __init__(self, n_inputs):
        super().__init__()
        self.only = nn.Linear(n_inputs, 1)
        self.spread = nn.Linear(1, 4, bias=False)

    def forward(self, X):
        return self.spread(self.only(X))


def narrow(input_shape):
    return OneNumber(*input_shape)


@pytest.mark.parametrize("objective", [BarlowTwins(), SimCLR()])
def test_features_of_rank_one_are_noticed(cancer_rows, objective):
    knob = {"BarlowTwins": "raise off_diagonal=0.005", "SimCLR": "lower temperature=0.5"}
    message = f"features lie on nearly one line.*{knob[type(objective).__name__]} of the objective"
    with pytest.warns(ConvergenceWarning, match=message):
        encoder(module=narrow, objective=objective, max_iter=5).fit(cancer_rows[0])


class Nothing(Objective):
    """An objective of somebody else that pulls everything to zero."""

    uses_labels = False

    def per_sample_loss(self, network, X, y):
        return network.features(X).square().mean(dim=1)


def test_objectives_of_others_are_watched_too(cancer_rows):
    with pytest.warns(ConvergenceWarning, match=r"Lower alpha=0.1, or lower learning_rate_init"):
        encoder(objective=Nothing(), alpha=0.1, learning_rate_init=0.05, max_iter=100).fit(
            np.abs(cancer_rows[0])
        )


@pytest.mark.parametrize("objective", ["barlow_twins", "simclr", "vicreg"])
@pytest.mark.parametrize("table", ["iris_rows", "cancer_rows", "blob_rows"])
def test_healthy_fits_are_silent(request, objective, table):
    X, _ = request.getfixturevalue(table)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "max_iter=.* epochs were reached")
        encoder(objective=objective).fit(X)


@pytest.mark.parametrize("rows", ["one column", "unscaled", "far away", "two rows"])
def test_odd_but_healthy_rows_are_silent(iris_rows, rows):
    X, _ = iris_rows
    X = {
        "one column": X[:, :1],
        "unscaled": load_breast_cancer().data,
        "far away": X + 1e6,
        "two rows": X[:2],
    }[rows]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "max_iter=.* epochs were reached")
        encoder().fit(X)
