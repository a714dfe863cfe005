"""Same seed, same numbers: serial, on threads, in processes; global generators untouched."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed, parallel_config
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

from specreg_sklearn import SelfSupervisedEncoder, SpectrallyRegularizedEncoder
from specreg_sklearn.penalties import RepSpectral


def encoder(**changes):
    settings = {"hidden_layer_sizes": 8, "max_iter": 8, "random_state": 0, "batch_size": 32}
    return SpectrallyRegularizedEncoder(**{**settings, **changes})


def flat(model):
    return torch.cat([p.detach().flatten() for p in model.module_.parameters()]).numpy()


@pytest.mark.parametrize("penalty", [None, "l2", "rep_spectral", "ll_spectral"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_same_seed_gives_the_same_weights(iris_rows, penalty, early_stopping):
    settings = {"penalty": penalty, "early_stopping": early_stopping}
    first, again = (encoder(**settings).fit(*iris_rows) for _ in range(2))
    np.testing.assert_array_equal(flat(first), flat(again))


def test_another_seed_gives_other_weights(iris_rows):
    seeds = [flat(encoder(random_state=seed).fit(*iris_rows)) for seed in (0, 1, 2)]
    assert not np.allclose(seeds[0], seeds[1])
    assert not np.allclose(seeds[1], seeds[2])


def test_a_random_state_instance_moves_on(iris_rows):
    state = np.random.RandomState(0)
    first, second = (flat(encoder(random_state=state).fit(*iris_rows)) for _ in range(2))
    again = flat(encoder(random_state=np.random.RandomState(0)).fit(*iris_rows))
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(
    "changes",
    [{}, {"early_stopping": True}, {"penalty": RepSpectral(n_vectors=2)}, {"penalty": None}],
)
@pytest.mark.parametrize("random_state", [None, 0])
def test_global_generators_are_neither_read_nor_moved(iris_rows, random_state, changes):
    numpy_before = np.random.get_state()
    torch_before = torch.random.get_rng_state()
    model = encoder(random_state=random_state, **changes).fit(*iris_rows)
    model.predict_proba(iris_rows[0])
    numpy_after = np.random.get_state()
    np.testing.assert_array_equal(numpy_before[1], numpy_after[1])
    assert numpy_before[2:] == numpy_after[2:]
    assert torch.equal(torch_before, torch.random.get_rng_state())


def test_none_is_fresh_even_when_the_global_generators_are_seeded(iris_rows):
    kept = np.random.get_state()
    results = []
    with torch.random.fork_rng():
        for _ in range(2):
            np.random.seed(0)
            torch.manual_seed(0)
            results.append(flat(encoder(random_state=None).fit(*iris_rows)))
    np.random.set_state(kept)
    assert not np.allclose(*results)


def test_threads_equal_serial_fits(iris_rows):
    models = [encoder(random_state=seed, penalty=RepSpectral(n_vectors=2)) for seed in range(4)]
    serial = [flat(model.fit(*iris_rows)) for model in models]
    jobs = (delayed(encoder(**model.get_params(deep=False)).fit)(*iris_rows) for model in models)
    threaded = Parallel(n_jobs=4, backend="threading")(jobs)
    for alone, together in zip(serial, threaded, strict=True):
        np.testing.assert_array_equal(alone, flat(together))


def test_a_search_on_threads_scores_as_a_serial_one(iris_rows):
    grid = {"alpha": [0, 1e-1], "penalty": ["rep_spectral", "l2"]}

    def scores():
        search = GridSearchCV(encoder(), grid, cv=3, scoring="neg_log_loss", error_score="raise")
        return search.set_params(n_jobs=3).fit(*iris_rows).cv_results_["mean_test_score"]

    with parallel_config(backend="sequential"):
        serial = scores()
    with parallel_config(backend="threading"):
        np.testing.assert_array_equal(scores(), serial)


def test_another_process_gets_the_same_weights():
    code = """
import json
from sklearn.datasets import load_iris
from specreg_sklearn import SelfSupervisedEncoder, SpectrallyRegularizedEncoder
import torch
torch.set_num_threads(1)
X, y = load_iris(return_X_y=True)
models = (
    SpectrallyRegularizedEncoder(
        hidden_layer_sizes=8, max_iter=8, random_state=0, batch_size=32
    ).fit(X, y),
    SelfSupervisedEncoder(
        hidden_layer_sizes=8, projector=(16, 6), max_iter=8, random_state=0
    ).fit(X),
)
print(json.dumps([[p.tolist() for p in model.module_.parameters()] for model in models]))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    X, y = load_iris(return_X_y=True)
    views = SelfSupervisedEncoder(
        hidden_layer_sizes=8, projector=(16, 6), max_iter=8, random_state=0
    )
    here = encoder().fit(X, y), views.fit(X)
    assert json.loads(run.stdout) == [[p.tolist() for p in m.module_.parameters()] for m in here]
