"""The pages on objectives: their code runs, and what they say of it is true."""

from __future__ import annotations

import inspect
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris
from torch import nn

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.slow
def test_the_guide_runs_from_top_to_bottom(capsys):
    text = (DOCS / "guide" / "adversarial_training.rst").read_text(encoding="utf-8")
    blocks = re.findall(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", text, re.MULTILINE)
    assert len(blocks) == 4
    names = {"__name__": "guide"}
    printed = []
    for block in blocks:
        exec(compile(inspect.cleandoc("\n" + block), "adversarial_training.rst", "exec"), names)
        printed.append(capsys.readouterr().out)
    plain, held = np.array(re.findall(r"\d\.\d*", printed[1]), dtype=float).reshape(2, 2)
    assert held[1] > plain[1] + 0.1
    assert names["search"].best_params_ == {"objective__epsilon": 0.1}
    few, all_rows = map(float, printed[3].split())
    assert all_rows > few + 0.08
    assert names["all_rows"].classes_.tolist() == [0, 1]


@pytest.fixture
def noise():
    return runpy.run_path(str(DOCS / "extend" / "own_noise_objective.py"), run_name="documentation")


def test_example_with_state_draws_noise_of_its_scale(noise, generator):
    """The loss is the first entry of the noisy row, as the network gives it back."""
    objective = noise["Noise"](scale=0.5)
    bound = objective.bind(nn.Identity(), generator=generator, n_epochs=4)
    assert bound.n_warm_up_epochs == 2
    rows, codes = torch.zeros(20_000, 2), torch.zeros(20_000, dtype=torch.int64)
    spreads = []
    for epoch in range(4):
        bound.begin_epoch(epoch)
        seen = []
        bound.per_sample_loss(lambda X, seen=seen: seen.append(X) or X, rows, codes)
        spreads.append(float(seen[0].std()))
    np.testing.assert_allclose(spreads, [1 / 6, 1 / 3, 0.5, 0.5], rtol=0.02)


def test_example_with_state_trains_and_refuses(noise):
    X, y = load_iris(return_X_y=True)
    encoder = noise["encoder"].set_params(
        random_state=0, max_iter=60, learning_rate_init=0.01, penalty=None
    )
    first = encoder.fit(X, y).predict_proba(X)
    assert encoder.score(X, y) > 0.9
    np.testing.assert_array_equal(encoder.fit(X, y).predict_proba(X), first)
    with pytest.raises(ValueError, match="scale=-1 must be"):
        encoder.set_params(objective__scale=-1).fit(X, y)
