"""How outcomes are measured, and kept for the next run."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.recipes import _data, _outcomes
from benchmarks.recipes._data import inner_split, split_of
from benchmarks.recipes._outcomes import Outcomes, product_radius
from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.metrics import certified_radius

SETTINGS = {"hidden_layer_sizes": (8,), "max_iter": 30, "learning_rate_init": 1e-2}


@pytest.fixture
def small_set(monkeypatch):
    """Put two well separated classes of eight columns in the place of the data sets."""
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    X = rng.normal(size=(200, 8)) + 4 * y[:, None]
    monkeypatch.setattr(_data, "SETS", {"small": (lambda: (X, y), 100, SETTINGS)})


def test_a_fit_is_measured_once_and_kept_in_the_file(small_set, tmp_path, monkeypatch):
    path = tmp_path / "outcomes.jsonl"
    first = Outcomes(path).of("small", 3, {"alpha": 0.1})
    assert 0 < first.certificate <= first.distance
    assert first.alpha == 0.1
    monkeypatch.setattr(_outcomes, "measure", None)
    assert Outcomes(path).of("small", 3, {"alpha": 0.1}) == first


def test_held_out_rows_are_a_fifth_of_the_training_rows_and_not_attacked(small_set):
    split = split_of("small", 3)
    inner = inner_split(split)
    assert (len(inner.X), len(inner.X_test)) == (80, 20)
    rows = np.concatenate([inner.X, inner.X_test])
    assert np.array_equal(np.sort(rows, axis=0), np.sort(split.X, axis=0))
    outcome = Outcomes().of("small", 3, {}, held_out=True)
    assert np.isnan(outcome.distance)
    assert outcome.certificate > 0


def test_the_product_of_norms_proves_no_more_than_the_certificate(small_set):
    split = split_of("small", 3)
    settings = {**split.settings, "hidden_layer_sizes": (8, 5)}
    encoder = SpectrallyRegularizedEncoder(**settings).fit(split.X, split.y)
    radii = product_radius(encoder, split.X_test)
    assert (radii > 0).all()
    proved = certified_radius(encoder, split.X_test, scale=None, max_nodes=1)
    assert (radii <= proved * (1 + 1e-6)).all()
    assert (proved / radii).min() <= 1.5  # and is in the same units
