"""The strongest proof that a search works: every back-end of joblib gives the same scores."""

import distributed
import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import RobustLinearProbe, SpectrallyRegularizedEncoder, make_robust_scorer
from specreg_sklearn.attacks import CGBA, FeatureSpace
from specreg_sklearn.certificates import NoCertificateError
from specreg_sklearn.certificates.distances import bounds_by_workers

X, Y = load_iris(return_X_y=True)
LOADED = "'specreg_sklearn' in __import__('sys').modules"


def scores(n_jobs=None):
    pipeline = make_pipeline(
        StandardScaler(),
        SpectrallyRegularizedEncoder(hidden_layer_sizes=(8,), max_iter=10, random_state=0),
        RobustLinearProbe(epsilon=0.1),
    )
    search = GridSearchCV(
        pipeline,
        {"spectrallyregularizedencoder__alpha": [0, 1e-2]},
        scoring={"accuracy": "accuracy", "robust": make_robust_scorer(eps=0.3, max_samples=8)},
        refit="robust",
        cv=2,
        n_jobs=n_jobs,
    )
    results = search.fit(X, Y).cv_results_
    return np.array([results[f"split{k}_test_{s}"] for k in (0, 1) for s in ("accuracy", "robust")])


@pytest.fixture(scope="module")
def serial():
    return scores()


def test_scores_are_informative(serial):
    assert len(np.unique(serial)) > 2


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_joblib_backends_agree_with_serial(serial, backend):
    with joblib.parallel_config(backend):
        np.testing.assert_array_equal(scores(n_jobs=2), serial)


def test_searches_and_proofs_in_a_dask_cluster(serial):
    """One cluster for both, which takes longest to start."""
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, dashboard_address=None, host="127.0.0.1"
    )
    with cluster, distributed.Client(cluster) as client, joblib.parallel_config("dask"):
        np.testing.assert_array_equal(scores(n_jobs=2), serial)
        # With a single thread joblib would have stayed in this process.
        assert all(client.run(eval, LOADED).values())
        check_proofs_that_fail_and_searches_in_one_thread()


def nothing_is_proved(rows):
    raise NoCertificateError("nothing is proved")


def ask_twice(model):
    """Ask for proofs that fail, and search, twice in the same thread of a worker."""
    rows, said = FeatureSpace.from_data(X).bind(X[:8]), []
    for _ in range(2):
        try:
            bounds_by_workers(nothing_is_proved, rows, n_jobs=2)
        except NoCertificateError as error:
            said.append(str(error))
        found = CGBA(max_queries=60).run(model, X[:8], Y[:8], pool=X, n_jobs=2)
        said.append(found.distances.tolist())
    return said


def check_proofs_that_fail_and_searches_in_one_thread():
    model = LogisticRegression(max_iter=500).fit(X, Y)
    (said,) = joblib.Parallel(n_jobs=2)([joblib.delayed(ask_twice)(model)])
    assert said == ask_twice(model) and said[0] == "nothing is proved"
