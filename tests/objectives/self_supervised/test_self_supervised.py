"""Barlow Twins, NT-Xent and VICReg against closed forms and plain numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from specreg_sklearn._registry import available
from specreg_sklearn.objectives import (
    BarlowTwins,
    CrossEntropy,
    SelfSupervisedObjective,
    SimCLR,
    TableViews,
    VICReg,
    bind_objective,
    resolve_objective,
)

KINDS = [BarlowTwins, SimCLR, VICReg]
NAMES = ["barlow_twins", "simclr", "vicreg"]


@pytest.fixture
def projections():
    rng = np.random.default_rng(0)
    return rng.normal(size=(7, 4)), rng.normal(size=(7, 4))


def whitened(n_rows, n_columns):
    """Return centred columns of variance one that are uncorrelated, to rounding."""
    draws = np.random.default_rng(1).normal(size=(n_rows, n_columns))
    columns, _ = np.linalg.qr(draws - draws.mean(axis=0))
    return torch.tensor(columns * math.sqrt(n_rows))


def test_barlow_twins_of_identical_white_views_is_zero():
    z = whitened(20, 5)
    np.testing.assert_allclose(BarlowTwins().losses(z, z), np.zeros(20), atol=1e-8)


def test_barlow_twins_of_opposite_white_views_is_four_a_column():
    z = whitened(20, 5)
    np.testing.assert_allclose(BarlowTwins().losses(z, -z), np.full(20, 20.0), rtol=1e-4)


def test_barlow_twins_does_not_see_shift_and_scale_of_columns(projections):
    first, second = (torch.tensor(z) for z in projections)
    loss = BarlowTwins().losses(first, second)
    moved = BarlowTwins().losses(first * torch.tensor([2.0, 3.0, 5.0, 9.0]) - 4, second)
    np.testing.assert_allclose(moved, loss, rtol=1e-4)


def test_barlow_twins_is_its_formula_on_correlations(projections):
    first, second = projections
    C = np.corrcoef(first, second, rowvar=False)[:4, 4:]
    off = (C**2).sum() - (np.diag(C) ** 2).sum()
    expected = ((1 - np.diag(C)) ** 2).sum() + 0.3 * off
    loss = BarlowTwins(off_diagonal=0.3).losses(torch.tensor(first), torch.tensor(second))
    np.testing.assert_allclose(loss, np.full(7, expected), rtol=1e-4)


@pytest.mark.parametrize("n_rows", [2, 5])
@pytest.mark.parametrize("temperature", [0.07, 0.5, 2.0])
def test_nt_xent_of_equal_projections_is_a_guess_among_the_others(n_rows, temperature):
    z = torch.full((n_rows, 3), 0.7, dtype=torch.float64)
    loss = SimCLR(temperature).losses(z, z)
    np.testing.assert_allclose(loss, np.full(n_rows, math.log(2 * n_rows - 1)), rtol=1e-12)


@pytest.mark.parametrize("n_rows", [2, 5])
@pytest.mark.parametrize("temperature", [0.07, 0.5, 2.0])
def test_nt_xent_of_orthogonal_pairs(n_rows, temperature):
    z = 3.0 * torch.eye(n_rows, 6, dtype=torch.float64)
    loss = SimCLR(temperature).losses(z, 2 * z)
    expected = -1 / temperature + math.log(math.exp(1 / temperature) + 2 * n_rows - 2)
    np.testing.assert_allclose(loss, np.full(n_rows, expected), rtol=1e-9, atol=1e-12)


def test_nt_xent_row_by_row_in_numpy(projections):
    t, n = 0.4, 7
    views = np.concatenate(projections)
    views = views / np.linalg.norm(views, axis=1, keepdims=True)
    logits = views @ views.T / t
    of_view = [
        -logits[i, (i + n) % (2 * n)] + np.log(np.exp(np.delete(logits[i], i)).sum())
        for i in range(2 * n)
    ]
    loss = SimCLR(t).losses(*(torch.tensor(z) for z in projections))
    np.testing.assert_allclose(loss, [(of_view[i] + of_view[i + n]) / 2 for i in range(n)])


def test_vicreg_by_hand_in_numpy(projections):
    first, second = projections
    expected = 3.0 * ((first - second) ** 2).mean()
    for z in projections:
        C = np.cov(z, rowvar=False)
        expected += 5.0 * np.maximum(0, 1.3 - np.sqrt(np.diag(C) + 1e-4)).mean()
        expected += 7.0 * (C[~np.eye(4, dtype=bool)] ** 2).sum() / 4
    objective = VICReg(3.0, variance=5.0, covariance=7.0, gamma=1.3)
    loss = objective.losses(torch.tensor(first), torch.tensor(second))
    np.testing.assert_allclose(loss, np.full(7, expected), rtol=1e-12)


def test_vicreg_of_spread_white_equal_views_is_zero():
    z = 2 * whitened(20, 5)
    np.testing.assert_allclose(VICReg().losses(z, z), np.zeros(20), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_match_central_differences(kind):
    rng = np.random.default_rng(2)
    views = [torch.tensor(rng.normal(size=(4, 3)), requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(kind().losses, views)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_constant_projections_have_a_finite_loss_and_gradient(kind, dtype):
    z = torch.zeros(4, 3, dtype=dtype, requires_grad=True)
    loss = kind().losses(z, z)
    assert loss.dtype == dtype and loss.shape == (4,)
    loss.mean().backward()
    assert loss.isfinite().all() and z.grad.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_and_draws_decide_the_loss(kind):
    X = np.random.default_rng(0).normal(size=(6, 3))
    rows, codes = torch.tensor(X), torch.zeros(6, dtype=torch.int64)

    def first_losses(seed):
        network = nn.Identity()
        draws = torch.Generator().manual_seed(seed)
        bound = bind_objective(kind(), network, generator=draws, X=X)
        return [bound.per_sample_loss(network, rows, codes) for _ in range(2)]

    one, again, other = first_losses(0), first_losses(0), first_losses(1)
    assert one[0].shape == (6,)
    assert torch.equal(one[0], again[0]) and torch.equal(one[1], again[1])
    assert not torch.equal(one[0], one[1]) and not torch.equal(one[0], other[0])


@pytest.mark.parametrize("kind", KINDS)
def test_views_that_change_nothing_give_the_loss_of_the_projections(kind):
    X = np.random.default_rng(0).normal(size=(6, 3))
    objective = kind(views=TableViews(0.0, noise=0.0))
    rows = torch.tensor(X)
    loss = objective.per_sample_loss(nn.Identity(), rows, torch.zeros(6))
    assert torch.equal(loss, objective.losses(rows, rows))


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_one_row_is_refused(kind):
    bound = kind().bind(nn.Identity(), generator=torch.Generator(), X=np.zeros((3, 2)))
    with pytest.raises(ValueError, match=f"{kind.__name__} compares .* this batch has 1"):
        bound.per_sample_loss(nn.Identity(), torch.zeros(1, 2), torch.zeros(1))


@pytest.mark.parametrize(("name", "kind"), [*zip(NAMES, KINDS, strict=True)])
def test_names_stand_for_the_classes(name, kind):
    assert name in available("objectives")
    assert type(resolve_objective(name)) is kind
    assert type(resolve_objective(name, uses_labels=False)) is kind
    assert issubclass(kind, SelfSupervisedObjective)


@pytest.mark.parametrize("objective", ["simclr", VICReg()])
def test_objectives_without_labels_are_not_for_classifiers(objective):
    with pytest.raises(ValueError, match=r"belongs into SelfSupervisedEncoder.*'cross_entropy'"):
        resolve_objective(objective, uses_labels=True)


@pytest.mark.parametrize("objective", ["cross_entropy", "vat", CrossEntropy()])
def test_objectives_with_labels_are_not_for_self_supervision(objective):
    message = r"needs labels .*accepts \['barlow_twins', 'simclr', 'vicreg'\]"
    with pytest.raises(ValueError, match=message):
        resolve_objective(objective, uses_labels=False)


def test_unknown_names_list_those_of_the_right_kind():
    with pytest.raises(ValueError, match=r"'byol' is not known.*\['barlow_twins', 'simclr', 'vic"):
        resolve_objective("byol", uses_labels=False)
    with pytest.raises(TypeError, match=r"such as BarlowTwins\(\)"):
        resolve_objective(3, uses_labels=False)


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (BarlowTwins(-1.0), "off_diagonal=-1.0 must be a finite number of at least 0"),
        (SimCLR(0.0), "temperature=0.0 must be a finite number above 0"),
        (VICReg(math.nan), "invariance=nan"),
        (VICReg(variance="25"), "variance='25'"),
        (VICReg(covariance=-2), "covariance=-2"),
        (VICReg(gamma=0), "gamma=0 must be a finite number above 0"),
        (SimCLR(views="images"), "views='images' must be 'auto' or an instance"),
        (SimCLR(views=TableViews), "views=<class .*TableViews'> must be 'auto' or an instance"),
        (SimCLR(views=TableViews(1.5)), "corruption=1.5 must be a number from 0 to 1"),
    ],
)
def test_settings_that_are_not_accepted(objective, message):
    with pytest.raises(ValueError, match=message):
        objective.check_rows(np.zeros((3, 2)))


@pytest.mark.parametrize("kind", KINDS)
def test_settings_can_be_searched_and_cloned(kind):
    objective = clone(kind(views=TableViews(0.2))).set_params(views__noise=0.4)
    assert objective.views.get_params() == {"corruption": 0.2, "noise": 0.4}
