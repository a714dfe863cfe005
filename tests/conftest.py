"""What every test relies on: array API checks, one thread, small data, no side effects."""

from __future__ import annotations

import os

# scikit-learn silently leaves out its array API checks unless scipy is imported after this.
os.environ["SCIPY_ARRAY_API"] = "1"

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_iris, make_blobs
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

# Problems this small lose time to threads, more so with several test workers on one machine.
torch.set_num_threads(1)
threadpool_limits(1)


def pytest_collection_modifyitems(config, items):
    """Leave slow tests out, unless markers were chosen by hand."""
    if config.option.markexpr:
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if not item.get_closest_marker("slow")]


@pytest.fixture(autouse=True)
def global_random_state_is_kept():
    """Fail a test after which the global numpy or torch generator stands elsewhere."""
    numpy_before = np.random.get_state()
    torch_before = torch.random.get_rng_state()
    yield
    numpy_after = np.random.get_state()
    same_numpy = np.array_equal(numpy_before[1], numpy_after[1])
    assert same_numpy, "numpy's global generator was re-seeded or refilled"
    assert numpy_before[2:] == numpy_after[2:], "numpy's global generator was used"
    same_torch = torch.equal(torch_before, torch.random.get_rng_state())
    assert same_torch, "torch's global generator was used"


@pytest.fixture
def generator():
    """A seeded torch generator, fresh for every test."""
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def iris_rows():
    """Standardised iris, float64: 150 rows, 4 features, 3 classes. Do not write into it."""
    X, y = load_iris(return_X_y=True)
    return _read_only(StandardScaler().fit_transform(X), y)


@pytest.fixture(scope="session")
def cancer_rows():
    """Standardised breast cancer, float64: 569 rows, 30 features, 2 classes."""
    X, y = load_breast_cancer(return_X_y=True)
    return _read_only(StandardScaler().fit_transform(X), y)


@pytest.fixture(scope="session")
def blob_rows():
    """Three well separated blobs, float64: 120 rows, 5 features."""
    X, y = make_blobs(n_samples=120, n_features=5, centers=3, cluster_std=1.0, random_state=3)
    return _read_only(StandardScaler().fit_transform(X), y)


def _read_only(*arrays):
    for array in arrays:
        array.setflags(write=False)
    return arrays
