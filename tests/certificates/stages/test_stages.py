"""Stages: folding, and a rounding bound that exact rational arithmetic never exceeds."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from specreg_sklearn.certificates import Affine, CertifiedMap, Elementwise, torch_stages
from specreg_sklearn.modules import SeededDraws


def exact(stages, row):
    """Apply affine and relu stages without any rounding."""
    values = [Fraction(float(x)) for x in row]
    for stage in stages:
        if isinstance(stage, Elementwise):
            values = [max(value, Fraction(0)) for value in values]
            continue
        weight = [[Fraction(float(w)) for w in line] for line in stage.dense()]
        bias = np.broadcast_to(stage.bias, stage.n_outputs)
        values = [
            sum((w * v for w, v in zip(line, values, strict=True)), Fraction(float(b)))
            for line, b in zip(weight, bias, strict=True)
        ]
    return values


@pytest.mark.parametrize("seed", range(40))
def test_delta_covers_the_exact_value(seed):
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-6, 6)
    stages = [
        Affine(rng.standard_normal(6) * scale, rng.standard_normal(6)),
        Affine(rng.standard_normal((7, 6)).astype(np.float32), rng.standard_normal(7)),
        Elementwise("relu"),
        Affine(rng.standard_normal((5, 7)).astype(np.float32), rng.standard_normal(5)),
        Elementwise("relu"),
        Affine(rng.standard_normal((3, 5)), None),
    ]
    X = rng.standard_normal((4, 6)) / scale
    values, delta = CertifiedMap(stages).evaluate(X)
    for row, computed, bound in zip(X, values, delta, strict=True):
        for truth, value, limit in zip(exact(stages, row), computed, bound, strict=True):
            assert abs(Fraction(float(value)) - truth) <= Fraction(float(limit))
    assert (delta <= 1e-12 * (np.abs(values) + 30)).all()


def test_delta_is_zero_only_where_nothing_rounds():
    values, delta = CertifiedMap([Affine(np.eye(2))]).evaluate(np.zeros((1, 2)))
    np.testing.assert_array_equal(values, 0.0)
    np.testing.assert_array_equal(delta, 0.0)


@pytest.mark.parametrize("diagonal", [(False, False), (True, False), (False, True), (True, True)])
def test_folding_counts_its_rounding(diagonal):
    rng = np.random.default_rng(1)
    first, second = (
        Affine(rng.standard_normal(4) if flat else rng.standard_normal((4, 4)), rng.normal(size=4))
        for flat in diagonal
    )
    folded = second.after(first)
    truth = [
        [
            sum(
                Fraction(float(second.dense()[i, k])) * Fraction(float(first.dense()[k, j]))
                for k in range(4)
            )
            for j in range(4)
        ]
        for i in range(4)
    ]
    off = np.array(
        [
            [float(truth[i][j] - Fraction(float(folded.dense()[i, j]))) for j in range(4)]
            for i in range(4)
        ]
    )
    assert np.linalg.norm(off, 2) <= folded.uncertainty()
    assert (np.abs(off) <= folded.weight_error + folded.entry_error * np.abs(folded.dense())).all()
    X = rng.standard_normal((5, 4))
    once = CertifiedMap([folded]).evaluate(X)
    twice = CertifiedMap([first, second]).evaluate(X)
    assert (np.abs(once[0] - twice[0]) <= once[1] + twice[1]).all()
    assert folded.lipschitz() >= np.linalg.norm(second.dense() @ first.dense(), 2) * (1 - 1e-14)


def test_uncertain_entries_enter_norm_and_value():
    rng = np.random.default_rng(2)
    weight = rng.standard_normal((3, 4))
    stage = Affine(weight, np.ones(3), 0.1, entry_error=0.01, bias_error=0.2)
    X = rng.standard_normal((6, 4))
    values, error = stage.forward(X, np.zeros_like(X))
    for _ in range(200):
        shift = rng.standard_normal(weight.shape)
        moved = weight * (1 + 0.01 * rng.uniform(-1, 1, weight.shape))
        moved = moved + 0.1 * shift / np.linalg.norm(shift, 2)
        truth = X @ moved.T + 1 + 0.2 * rng.uniform(-1, 1, 3)
        assert (np.abs(truth - values) <= error).all()
        assert np.linalg.norm(moved, 2) <= stage.lipschitz()


def test_scaler_in_front_is_folded_for_the_bound():
    rng = np.random.default_rng(3)
    weight = rng.standard_normal((5, 3))
    scale = np.array([1e-3, 1.0, 50.0])
    readout = Affine(rng.standard_normal((2, 5)))
    raw = CertifiedMap([Affine(1 / scale), Affine(weight), Elementwise("relu"), readout])
    by_hand = CertifiedMap([Affine(weight / scale), Elementwise("relu"), readout])
    np.testing.assert_allclose(raw.pair_constants(), by_hand.pair_constants(), rtol=1e-9)
    assert len(raw.folded) == 3
    assert raw.lipschitz() <= 1.000001 * by_hand.lipschitz()


def test_linear_map_is_exact():
    rng = np.random.default_rng(4)
    weight = rng.standard_normal((4, 7))
    function = CertifiedMap([Affine(weight)])
    truth = np.linalg.norm(weight[:, None] - weight[None], axis=2)
    np.testing.assert_allclose(function.pair_constants(), truth, rtol=1e-12)
    assert (function.pair_constants() >= truth * (1 - 1e-15)).all()
    assert function.feature_lipschitz() == 1.0
    assert function.readout_factor == pytest.approx(np.linalg.norm(weight, 2), rel=1e-10)
    assert (function.pair_methods() == "product").all()


def test_factors_and_whole():
    rng = np.random.default_rng(5)
    weights = [
        rng.standard_normal((6, 5)),
        rng.standard_normal((6, 6)),
        rng.standard_normal((3, 6)),
    ]
    function = CertifiedMap(
        [
            Affine(weights[0]),
            Elementwise("tanh"),
            Affine(weights[1]),
            Elementwise("tanh"),
            Affine(weights[2]),
        ]
    )
    norms = [np.linalg.norm(weight, 2) for weight in weights]
    assert function.feature_lipschitz() <= norms[0] * norms[1] * (1 + 1e-9)
    assert function.readout_factor == pytest.approx(norms[2], rel=1e-9)
    product = function.feature_lipschitz() * function.readout_factor
    assert function.lipschitz() <= product * (1 + 1e-9)
    assert (function.pair_constants() <= np.sqrt(2) * function.lipschitz() * (1 + 1e-9)).all()
    assert (function.pair_methods()[~np.eye(3, dtype=bool)] == "eclipse").all()


def test_activation_with_negative_slopes_cuts_the_chain():
    rng = np.random.default_rng(6)
    weights = [rng.standard_normal((4, 4)) for _ in range(4)]
    gelu, relu = Elementwise("gelu"), Elementwise("relu")
    function = CertifiedMap(
        [Affine(weights[0]), gelu, Affine(weights[1]), relu, Affine(weights[2]), relu,
         Affine(weights[3])]
    )  # fmt: skip
    tail = CertifiedMap([Affine(weights[1]), relu, Affine(weights[2]), relu, Affine(weights[3])])
    head = np.linalg.norm(weights[0], 2) * gelu.lipschitz()
    # The map behind gelu starts afresh: its own bound times the constant up to there.
    assert (function.pair_constants() <= head * tail.pair_constants() * (1 + 1e-9)).all()


def test_map_that_ends_in_an_activation():
    function = CertifiedMap([Affine(np.diag([2.0, 1.0])), Elementwise("relu")])
    assert function.lipschitz() == pytest.approx(2.0, rel=1e-12)
    assert function.feature_lipschitz() == function.lipschitz()
    assert function.readout_factor == 1.0
    assert function.pair_constants()[0, 1] == pytest.approx(2 * np.sqrt(2), rel=1e-12)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Affine(np.ones((2, 2, 2))), "1 or 2 axes"),
        (lambda: Affine(np.ones((2, 3)), np.ones(3)), "bias has shape"),
        (lambda: Affine([[np.nan]]), "NaN or infinity"),
        (lambda: Affine([[1.0]], [np.inf]), "NaN or infinity"),
        (lambda: CertifiedMap([]), "at least one stage"),
        (lambda: CertifiedMap([Elementwise("relu")]), "number of outputs"),
        (lambda: CertifiedMap([Affine(np.ones((2, 3))), Affine(np.ones((2, 3)))]), "wants 3"),
        (lambda: Affine(np.ones((2, 3))).after(Affine(np.ones((2, 3)))), "cannot feed"),
    ],
)
def test_bad_stages(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_plain_chain_of_torch_becomes_stages(generator):
    with SeededDraws(generator):
        module = nn.Sequential(
            nn.Flatten(),
            nn.Linear(6, 5),
            nn.BatchNorm1d(5),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(5, 3),
        )
        module[2].running_mean.uniform_(-1, 1)
        module[2].running_var.uniform_(0.5, 2)
    kinds = [type(stage).__name__ for stage in torch_stages(module, (2, 3))]
    assert kinds == ["Affine", "Affine", "Elementwise", "Affine"]
    function = CertifiedMap(torch_stages(module, (2, 3)))
    assert len(function.folded) == 3
    X = np.random.default_rng(0).standard_normal((4, 6))
    expected = module.double().eval()(torch.from_numpy(X).reshape(4, 2, 3)).detach().numpy()
    np.testing.assert_allclose(function.evaluate(X)[0], expected, atol=1e-12)


def test_module_is_not_touched(generator):
    with SeededDraws(generator):
        module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    module.train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    random_state = torch.get_rng_state()
    CertifiedMap(torch_stages(module, (3,))).pair_constants()
    assert module.training
    assert torch.equal(random_state, torch.get_rng_state())
    for name, value in module.state_dict().items():
        assert value.dtype == before[name].dtype
        assert torch.equal(value, before[name])
