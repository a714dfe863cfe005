"""Solvers, devices and seeds that the training parameters stand for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from specreg_sklearn.training import draw_seed, resolve_device, solver_settings


def test_solver_names():
    assert solver_settings("adam")[0] is torch.optim.Adam
    optimizer, settings = solver_settings("sgd")
    assert optimizer is torch.optim.SGD
    assert settings["momentum"] == 0.9
    assert settings["nesterov"] is True


def test_solver_classes_come_with_their_own_defaults():
    assert solver_settings(torch.optim.RMSprop) == (torch.optim.RMSprop, {})


@pytest.mark.parametrize("solver", ["lbfgs", None, 3, dict, torch.nn.Linear])
def test_bad_solver_lists_what_is_accepted(solver):
    with pytest.raises(ValueError, match=r"solver=.*'adam', 'sgd' or a class.*Optimizer"):
        solver_settings(solver)


def test_devices():
    assert resolve_device("cpu") == torch.device("cpu")
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto") == torch.device(expected)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "", "cpu:x"])
def test_bad_device_names_itself(device):
    with pytest.raises(ValueError, match=rf"device='{device}' is not available; use 'auto', 'cpu'"):
        resolve_device(device)


def test_the_same_integer_gives_the_same_seed_and_others_do_not():
    assert draw_seed(3) == draw_seed(3)
    assert len({draw_seed(number) for number in range(50)}) == 50


def test_an_instance_moves_on_by_one_draw():
    state = np.random.RandomState(5)
    reference = np.random.RandomState(5)
    assert [draw_seed(state), draw_seed(state)] == list(reference.randint(2**31 - 1, size=2))


def test_none_is_fresh_every_time():
    seeds = [draw_seed(None) for _ in range(20)]
    assert len(set(seeds)) == 20
    assert all(0 <= seed < 2**31 for seed in seeds)
