"""SelfSupervisedEncoder: what it learns, what it reports, what it refuses."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from skorch.callbacks import Callback
from torch import nn

from specreg_sklearn import SelfSupervisedEncoder, SpectrallyRegularizedEncoder
from specreg_sklearn.modules import ConvNet
from specreg_sklearn.objectives import (
    BarlowTwins,
    CrossEntropy,
    ImageViews,
    Objective,
    SimCLR,
    TableViews,
    VICReg,
)
from specreg_sklearn.penalties import Jacobian, RepSpectral

OBJECTIVES = ["barlow_twins", "simclr", "vicreg"]


def encoder(**changes):
    settings = {"hidden_layer_sizes": 8, "projector": (16, 6), "max_iter": 8, "random_state": 0}
    return SelfSupervisedEncoder(**{**settings, **changes})


@pytest.fixture(scope="module")
def images():
    """Bars that stand or lie, at random places: 60 rows of shape (1, 6, 6), and which they are."""
    rng = np.random.default_rng(0)
    X = rng.uniform(0, 0.1, size=(60, 1, 6, 6)).astype(np.float32)
    lying = rng.integers(2, size=60)
    for row, place, lies in zip(X, rng.integers(6, size=60), lying, strict=True):
        if lies:
            row[0, place] = 1
        else:
            row[0, :, place] = 1
    return X, lying


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_loss_falls_and_the_features_tell_classes_apart(blob_rows, objective):
    X, y = blob_rows
    model = encoder(objective=objective, max_iter=60, learning_rate_init=5e-3).fit(X)
    assert model.loss_curve_[-1] < 0.95 * model.loss_curve_[0]
    features = model.transform(X)
    assert LogisticRegression(C=100).fit(features[:20], y[:20]).score(features, y) > 0.95


def test_labels_are_not_looked_at(blob_rows):
    X, y = blob_rows
    without = encoder().fit(X).transform(X)
    for labels in (y, y[::-1], np.full(len(y), np.nan), "anything"):
        np.testing.assert_array_equal(encoder().fit(X, labels).transform(X), without)
        np.testing.assert_array_equal(encoder().fit_transform(X, labels), without)


def test_transform_is_the_backbone_without_the_projector(blob_rows):
    X, _ = blob_rows
    model = encoder().fit(X)
    layer = model.module_.backbone.hidden1
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    np.testing.assert_allclose(model.transform(X), np.maximum(0, X @ weight.T + bias), atol=1e-12)


def test_reported_norms_and_penalties_are_those_of_the_backbone(blob_rows):
    model = encoder(hidden_layer_sizes=(9, 8), weight_decay=0, alpha=0.3).fit(blob_rows[0])
    layers = {f"backbone.hidden{n}": getattr(model.module_.backbone, f"hidden{n}") for n in (1, 2)}
    expected = {name: np.linalg.norm(at.weight.detach(), 2) for name, at in layers.items()}
    assert model.spectral_norms_ == pytest.approx(expected, rel=1e-10)
    assert model.penalty_curve_[-1] == pytest.approx(
        sum(norm**2 for norm in expected.values()), rel=1e-10
    )
    history = model.net_.history
    assert model.loss_curve_ == pytest.approx(
        [row["train_loss"] + 0.3 * row["penalty"] for row in history]
    )
    assert model.n_iter_ == len(model.loss_curve_) == len(model.penalty_curve_) == 8


def test_the_penalty_does_not_touch_the_projector(blob_rows):
    """One plain step of gradient descent: only the backbone moves with the penalty."""
    settings = {"solver": torch.optim.SGD, "max_iter": 1, "weight_decay": 0, "batch_size": 120}
    free, held = (encoder(alpha=alpha, **settings).fit(blob_rows[0]) for alpha in (0.0, 1.0))
    for mine, theirs in zip(
        free.module_.head.parameters(), held.module_.head.parameters(), strict=True
    ):
        assert torch.equal(mine, theirs)
    assert not torch.equal(
        free.module_.backbone.hidden1.weight, held.module_.backbone.hidden1.weight
    )


def test_a_strong_penalty_makes_smooth_features(blob_rows):
    norms = [
        encoder(alpha=alpha, max_iter=60, learning_rate_init=5e-3).fit(blob_rows[0]).spectral_norms_
        for alpha in (0.0, 0.1, 10.0)
    ]
    first, second, third = (norm["backbone.hidden1"] for norm in norms)
    assert first > second > third


@pytest.mark.parametrize(
    "penalty",
    [
        None,
        "l2",
        "l2_sp",
        "orthogonal",
        "batch_shrinkage",
        RepSpectral(),
        Jacobian(outputs="features"),
    ],
)
def test_penalties_that_need_no_readout(blob_rows, penalty):
    model = encoder(penalty=penalty, alpha=1e-2).fit(blob_rows[0])
    curve = model.penalty_curve_
    assert curve == [0.0] * 8 if penalty is None else min(curve) > 0


@pytest.mark.parametrize(
    "penalty", ["ll_spectral", "product_spectral", "jacobian", "cross_lipschitz"]
)
def test_penalties_that_need_a_readout_are_refused(blob_rows, penalty):
    message = rf"penalty='{penalty}' looks at the readout.*accepts None, \[.*'rep_spectral'\]"
    with pytest.raises(ValueError, match=message):
        encoder(penalty=penalty).fit(blob_rows[0])
    SpectrallyRegularizedEncoder(penalty=penalty, max_iter=1).fit(*blob_rows)


@pytest.mark.parametrize("constraint", ["spectral_norm", "svb", "parseval", "orthogonal"])
def test_constraints_hold_the_backbone_alone(blob_rows, constraint):
    model = encoder(constraint=constraint, learning_rate_init=0.1, max_iter=15).fit(blob_rows[0])
    free = encoder(learning_rate_init=0.1, max_iter=15).fit(blob_rows[0])
    held, free = (m.spectral_norms_["backbone.hidden1"] for m in (model, free))
    assert held < 0.9 * free
    if constraint != "parseval":  # which only pulls
        assert held < 1.06
    widths = [p.shape for p in model.module_.head.parameters() if p.ndim > 1]
    norms = [np.linalg.norm(p.detach(), 2) for p in model.module_.head.parameters() if p.ndim > 1]
    assert widths == [(16, 8), (6, 16)] and max(norms) > 1.3


@pytest.mark.parametrize(
    ("projector", "widths"),
    [
        (5, [(5, 8)]),
        (np.int64(5), [(5, 8)]),
        ((16, 6), [(16, 8), (6, 16)]),
        ([4, 3], [(4, 8), (3, 4)]),
    ],
)
def test_projectors_by_their_widths(blob_rows, projector, widths):
    head = encoder(projector=projector).fit(blob_rows[0]).module_.head
    assert [tuple(p.shape) for p in head.parameters() if p.ndim > 1] == widths


def two_layers(n_features):
    return nn.Sequential(nn.Linear(n_features, 7), nn.Tanh(), nn.Linear(7, 3))


def test_projectors_from_a_factory(blob_rows):
    model = clone(encoder(projector=two_layers)).fit(blob_rows[0])
    assert isinstance(model.module_.head[1], nn.Tanh)
    again = encoder(projector=two_layers).fit(blob_rows[0])
    np.testing.assert_array_equal(*(m.transform(blob_rows[0]) for m in (model, again)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"projector": ()}, r"projector=\(\) must be a positive integer, a sequence"),
        ({"projector": (4, 0)}, r"projector=\(4, 0\)"),
        ({"projector": (4, 2.5)}, r"projector=\(4, 2.5\)"),
        ({"objective": "cross_entropy"}, r"'cross_entropy' needs labels.*'barlow_twins', 'simclr'"),
        ({"objective": CrossEntropy()}, r"CrossEntropy\(\) needs labels"),
        ({"objective": "byol"}, r"objective='byol' is not known.*'barlow_twins'"),
        ({"objective": SimCLR(-1.0)}, "temperature=-1.0"),
        ({"objective": BarlowTwins(views=TableViews(2.0))}, "corruption=2.0"),
        ({"objective": BarlowTwins(views=ImageViews())}, r"input_shape=\(5,\) must be \(channels"),
        ({"batch_size": 1}, r"batch_size=1 is too small: objective=BarlowTwins\(\).*at least 2"),
        ({"batch_size": 1, "objective": "simclr"}, r"batch_size=1 .*SimCLR\(\)"),
        ({"penalty": "ridge"}, "penalty='ridge'"),
        ({"input_shape": (2, 3)}, r"input_shape=\(2, 3\)"),
    ],
)
def test_settings_that_are_not_accepted(blob_rows, changes, message):
    with pytest.raises(ValueError, match=message):
        encoder(**changes).fit(blob_rows[0])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_one_row_is_refused(objective):
    with pytest.raises(ValueError, match=r"n_samples=1 is too small"):
        encoder(objective=objective).fit(np.ones((1, 3)))


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    ("n_rows", "batch_size"), [(2, "auto"), (2, 2), (5, 2), (41, 20), (21, 20)]
)
def test_no_batch_is_left_with_one_row(blob_rows, objective, n_rows, batch_size):
    seen = []

    class Sizes(Callback):
        def on_batch_begin(self, net, batch=None, **kwargs):
            seen.append(len(batch[0]))

    encoder(objective=objective, batch_size=batch_size, max_iter=2, callbacks=[Sizes()]).fit(
        blob_rows[0][:n_rows]
    )
    assert min(seen) >= 2 and sum(seen) == 2 * n_rows


def test_encoders_that_need_labels_refuse_objectives_without(blob_rows):
    for objective in ("vicreg", BarlowTwins()):
        with pytest.raises(ValueError, match=r"belongs into SelfSupervisedEncoder"):
            SpectrallyRegularizedEncoder(objective=objective).fit(*blob_rows)


def test_an_unfitted_encoder_says_so(blob_rows):
    with pytest.raises(NotFittedError):
        encoder().transform(blob_rows[0])


class Spread(Objective):
    """An objective of somebody else: no base class of ours but the contract."""

    uses_labels = False

    def per_sample_loss(self, network, X, y):
        return (network(X).square().mean(dim=1) - 1).square()


def test_objectives_of_others(blob_rows):
    model = encoder(objective=Spread(), learning_rate_init=1e-2, max_iter=50).fit(blob_rows[0])
    assert model.loss_curve_[-1] < 0.7 * model.loss_curve_[0]
    assert encoder(objective=Spread(), batch_size=1, projector=3, max_iter=1).fit(blob_rows[0][:3])


def test_settings_of_objective_views_and_penalty_can_be_set_by_name(blob_rows):
    model = encoder(objective=BarlowTwins(views=TableViews(0.5)), penalty=RepSpectral())
    model.set_params(
        objective__off_diagonal=0.1, objective__views__noise=0.2, penalty__n_vectors=3
    ).fit(blob_rows[0])
    assert model.objective.views.noise == 0.2
    assert model.objective.get_params(deep=False)["off_diagonal"] == 0.1


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_features_follow_the_dtype_of_the_rows(blob_rows, dtype):
    X = (10 * blob_rows[0]).astype(dtype)
    features = encoder().fit_transform(X)
    assert features.dtype == (np.float32 if dtype == np.float32 else np.float64)


def test_images_with_axes_and_flat_ones_give_the_same_features(images):
    X, _ = images
    settings = {"module": ConvNet(channels=(4,), n_features=8), "max_iter": 2}
    shaped = encoder(**settings).fit(X)
    flat = encoder(**settings, input_shape=(1, 6, 6)).fit(X.reshape(60, -1))
    np.testing.assert_array_equal(shaped.transform(X), flat.transform(X.reshape(60, -1)))
    np.testing.assert_array_equal(shaped.transform(X), shaped.transform(X.reshape(60, -1)))
    assert sorted(shaped.spectral_norms_) == ["backbone.conv1", "backbone.hidden"]


def test_automatic_views_of_images_are_image_views(images):
    X, _ = images
    settings = {"module": ConvNet(channels=(4,), n_features=8), "max_iter": 2}
    auto, chosen, table = (
        encoder(**settings, objective=BarlowTwins(views=views)).fit(X).transform(X)
        for views in ("auto", ImageViews(), TableViews())
    )
    np.testing.assert_array_equal(auto, chosen)
    assert not np.allclose(auto, table)


def test_batch_norms_see_the_batches_and_leave_rows_alone_afterwards(images):
    X, _ = images
    net = ConvNet(channels=(8,), n_features=8, batch_norm=True)
    model = encoder(module=net, max_iter=3, batch_size=20, objective=VICReg()).fit(X)
    norms = [m for m in model.module_.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert [int(norm.num_batches_tracked) for norm in norms] == [9, 9]
    np.testing.assert_allclose(model.transform(X[:7]), model.transform(X)[:7], atol=1e-6)


def test_an_interrupted_fit_keeps_the_last_epoch(blob_rows):
    class Interrupt(Callback):
        def on_batch_begin(self, net, training=None, **kwargs):
            if training and len(net.history) == 4:
                raise KeyboardInterrupt

    model = encoder(callbacks=[Interrupt()])
    with pytest.raises(KeyboardInterrupt, match="interrupted; the weights of epoch 3 are kept"):
        model.fit(blob_rows[0])
    assert model.n_iter_ == 3
    shorter = encoder(max_iter=3).fit(blob_rows[0])
    np.testing.assert_array_equal(model.transform(blob_rows[0]), shorter.transform(blob_rows[0]))


def test_a_diverged_fit_is_named(blob_rows):
    with pytest.warns(ConvergenceWarning, match=r"stopped being finite.*learning_rate_init=1e\+"):
        encoder(
            learning_rate_init=1e200, objective="vicreg", solver=torch.optim.SGD, max_iter=20
        ).fit(blob_rows[0])


def test_warm_start_goes_on(blob_rows):
    X, _ = blob_rows
    model = encoder(warm_start=True, max_iter=5).fit(X)
    first = model.loss_curve_[-1]
    model.set_params(max_iter=40).fit(X)
    assert model.n_iter_ > 5 and model.loss_curve_[4] == first
    assert model.loss_curve_[-1] < first


def test_a_pickle_gives_the_same_features_and_holds_no_rows(blob_rows):
    X, _ = blob_rows
    small, large = (
        pickle.dumps(encoder(max_iter=2).fit(rows)) for rows in (X, np.tile(X, (50, 1)))
    )
    np.testing.assert_array_equal(
        pickle.loads(small).transform(X), encoder(max_iter=2).fit(X).transform(X)
    )
    assert len(large) < len(small) + 1000


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_digits_without_labels_reach_nine_tenths_of_the_supervised_accuracy(objective):
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16, y, random_state=0, stratify=y)
    features = SelfSupervisedEncoder(objective=objective, random_state=0).fit(X)
    supervised = SpectrallyRegularizedEncoder(random_state=0).fit(X, y).score(X_test, y_test)
    Z, Z_test = features.transform(X), features.transform(X_test)
    accuracy = LogisticRegression(C=100, max_iter=1000).fit(Z, y).score(Z_test, y_test)
    assert accuracy > 0.95 * supervised
