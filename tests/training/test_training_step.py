"""Steps of the net against the same steps written by hand with torch's autograd."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch.nn.functional import log_softmax

from specreg_sklearn.modules import build_network, readout
from specreg_sklearn.objectives import CrossEntropy
from specreg_sklearn.penalties import L2, LLSpectral, RepSpectral
from specreg_sklearn.training import EpochKeeper, PenalizedNet, TensorRows

LEARNING_RATE, STRENGTH, WEIGHT_DECAY = 0.2, 0.3, 0.05


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return rng.normal(size=(40, 6)), rng.integers(3, size=40), rng.uniform(0.2, 3, size=40)


def build(seed=0):
    """A network whose singular values stand far apart: the penalty's directions are exact."""
    network = build_network(
        "mlp",
        input_shape=(6,),
        head=readout(3),
        settings={"hidden_layer_sizes": (8, 5), "activation": "tanh"},
        dtype=torch.float64,
        generator=seeded(seed),
    )
    with torch.no_grad():
        for layer in (network.backbone.hidden1, network.backbone.hidden2, network.head):
            left, values, right = torch.linalg.svd(layer.weight, full_matrices=False)
            ladder = 1.5 * 0.1 ** torch.arange(len(values), dtype=torch.float64)
            layer.weight.copy_(left @ torch.diag(ladder) @ right)
    return network


def penalized_net(network, penalty, *, max_epochs=1, batch_size=40, callbacks=(), **changes):
    settings = {
        "strength": STRENGTH,
        "weight_decay": WEIGHT_DECAY,
        "generator": seeded(7),
        "optimizer": torch.optim.SGD,
        "lr": LEARNING_RATE,
        "batch_size": batch_size,
        "max_epochs": max_epochs,
        "train_split": None,
        "callbacks": [("keeper", EpochKeeper()), *callbacks],
        **changes,
    }
    net = PenalizedNet(network, CrossEntropy(), **settings).initialize()
    if penalty is not None:
        net.penalty = penalty.bind(net.module_.backbone, net.module_.head, generator=seeded(1))
    return net


def data_loss(network, X, y, weight):
    losses = -log_softmax(network(X), dim=1)[torch.arange(len(y)), y]
    return (weight * losses).sum() / weight.sum()


def exact_penalty(network, penalty):
    layers = [network.backbone.hidden1, network.backbone.hidden2, network.head]
    if penalty is None:
        return torch.zeros(())
    if isinstance(penalty, L2):
        return sum(layer.weight.square().sum() for layer in layers)
    covered = layers if isinstance(penalty, LLSpectral) else layers[:2]
    return sum(torch.linalg.svdvals(layer.weight)[0] ** 2 for layer in covered)


def sum_of_squares(network):
    return sum(p.square().sum() for p in network.parameters() if p.ndim > 1)


def total_loss(network, rows, penalty, strength=STRENGTH, weight_decay=WEIGHT_DECAY):
    return (
        data_loss(network, *rows)
        + strength * exact_penalty(network, penalty)
        + weight_decay * sum_of_squares(network)
    )


def step_by_hand(network, rows, penalty, **factors):
    gradients = torch.autograd.grad(
        total_loss(network, rows, penalty, **factors), list(network.parameters())
    )
    with torch.no_grad():
        for parameter, gradient in zip(network.parameters(), gradients, strict=True):
            parameter.sub_(LEARNING_RATE * gradient)


def assert_same_weights(first, second, **tolerances):
    for (name, left), right in zip(first.named_parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(left, right, msg=lambda m, n=name: f"{n}: {m}", **tolerances)


@pytest.mark.parametrize("penalty", [None, RepSpectral(), LLSpectral(), L2()])
@pytest.mark.parametrize("weight_decay", [0.0, WEIGHT_DECAY])
def test_one_full_batch_step_equals_the_step_by_hand(arrays, penalty, weight_decay):
    network, by_hand = build(), build()
    net = penalized_net(network, penalty, weight_decay=weight_decay)
    rows = TensorRows(*arrays, device="cpu")
    net.partial_fit(rows)
    step_by_hand(by_hand, (rows.X, rows.y, rows.weight), penalty, weight_decay=weight_decay)
    assert_same_weights(network, by_hand, rtol=1e-9, atol=1e-11)


def test_several_batches_and_epochs_equal_the_steps_by_hand(arrays):
    penalty, network, by_hand = RepSpectral(n_power_iterations=30), build(), build()
    rows = TensorRows(*arrays, device="cpu")
    penalized_net(network, penalty, max_epochs=3, batch_size=16).partial_fit(rows)
    order = seeded(7)
    for _ in range(3):
        shuffled = torch.randperm(40, generator=order)
        for start in (0, 16, 32):
            part = shuffled[start : start + 16]
            step_by_hand(by_hand, (rows.X[part], rows.y[part], rows.weight[part]), penalty)
    assert_same_weights(network, by_hand, rtol=1e-7, atol=1e-9)


def test_the_recorded_objective_is_the_mean_loss_plus_both_penalties(arrays):
    """With a learning rate of nearly nothing the weights of the epoch are those of the start."""
    penalty, network = LLSpectral(), build()
    rows = TensorRows(*arrays, device="cpu")
    net = penalized_net(network, penalty, lr=1e-14, batch_size=7)
    net.partial_fit(rows)
    with torch.no_grad():
        loss = data_loss(network, rows.X, rows.y, rows.weight)
        total = total_loss(network, (rows.X, rows.y, rows.weight), penalty)
        expected = exact_penalty(network, penalty)
    assert net.history[-1, "train_loss"] == pytest.approx(float(loss), rel=1e-9)
    assert net.history[-1, "penalty"] == pytest.approx(float(expected))
    assert net.history[-1, "objective"] == pytest.approx(float(total), rel=1e-9)


def test_biases_carry_no_weight_decay(arrays):
    network = build()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.1)
    untouched = copy.deepcopy(network)
    net = penalized_net(network, None, weight_decay=10.0)
    rows = TensorRows(*arrays, device="cpu")
    net.partial_fit(rows)
    step_by_hand(untouched, (rows.X, rows.y, rows.weight), None, weight_decay=10.0)
    assert_same_weights(network, untouched)


def test_burn_in_trains_as_without_a_penalty_and_then_does_not(arrays):
    rows = TensorRows(*arrays, device="cpu")
    weights = {}
    for penalty in (None, RepSpectral()):
        for n_epochs in (4, 5):
            network = build()
            settings = {"max_epochs": n_epochs, "batch_size": 16, "burn_in_epochs": 4}
            penalized_net(network, penalty, **settings).partial_fit(rows)
            weights[penalty is None, n_epochs] = network.state_dict()
    before, after = ((weights[True, n], weights[False, n]) for n in (4, 5))
    assert all(torch.equal(before[0][name], before[1][name]) for name in before[0])
    assert not torch.equal(*(side["backbone.hidden1.weight"] for side in after))


@pytest.mark.parametrize("burn_in_epochs", [0, 2])
def test_the_optimizer_keeps_its_state_when_the_penalty_starts(arrays, burn_in_epochs):
    """Adam counts its steps: a fresh optimizer after the switch would count fewer."""
    network = build()
    settings = {"max_epochs": 5, "batch_size": 16, "optimizer": torch.optim.Adam, "lr": 1e-3}
    net = penalized_net(network, RepSpectral(), burn_in_epochs=burn_in_epochs, **settings)
    net.partial_fit(TensorRows(*arrays, device="cpu"))
    steps = {float(state["step"]) for state in net.optimizer_.state.values()}
    assert steps == {15.0}


def test_held_out_rows_get_a_weighted_loss_and_accuracy(arrays):
    X, y, weight = arrays
    network = build()
    held_out = TensorRows(X[:15], y[:15], weight[:15], device="cpu")
    rows = TensorRows(X[15:], y[15:], weight[15:], device="cpu")

    def split(dataset, *args, **kwargs):
        return dataset, held_out

    net = penalized_net(network, RepSpectral(), train_split=split)
    net.partial_fit(rows)
    with torch.no_grad():
        loss = data_loss(network, held_out.X, held_out.y, held_out.weight)
        right = network(held_out.X).argmax(1).numpy() == y[:15]
    assert net.history[-1, "valid_loss"] == pytest.approx(float(loss), rel=1e-12)
    accuracy = np.average(right, weights=weight[:15])
    assert net.history[-1, "valid_accuracy"] == pytest.approx(accuracy, rel=1e-12)


class Sparing(torch.optim.SGD):
    """An optimizer that keeps gradients, as a zero."""

    def zero_grad(self, set_to_none=True):
        super().zero_grad(set_to_none=False)
        self.n_cleared = getattr(self, "n_cleared", 0) + 1


def test_an_optimizer_clears_gradients_in_its_own_way(arrays):
    X, y, weight = arrays
    rows = TensorRows(X, y, weight, "cpu")
    nets = [
        penalized_net(build(), None, optimizer=kind, max_epochs=2, batch_size=20).fit(rows)
        for kind in (Sparing, torch.optim.SGD)
    ]
    assert nets[0].optimizer_.n_cleared == 4
    for mine, theirs in zip(*(net.module_.parameters() for net in nets), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=0)


def test_layers_train_whatever_mode_a_callback_leaves_them_in(arrays):
    X, y, weight = arrays
    modes = []

    class Evaluate(Callback):
        def on_epoch_end(self, net, **kwargs):
            modes.append([layer.training for layer in net.module_.modules()])
            net.module_.backbone.eval()

    callbacks = [("evaluate", Evaluate())]
    net = penalized_net(build(), None, max_epochs=3, callbacks=callbacks)
    net.fit(TensorRows(X, y, weight, "cpu"))
    assert len(modes) == 3
    assert all(map(all, modes))
