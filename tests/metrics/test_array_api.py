"""Arrays of other libraries, while scikit-learn dispatches to them.

scipy reads its own switch as it is imported: all of it runs in a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import array_api_strict, numpy as np, sklearn, torch, warnings
from sklearn.datasets import load_iris
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version
from specreg_sklearn import RobustLinearProbe, SelfSupervisedEncoder, SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import CGBA
from specreg_sklearn.certificates import NoCertificateError
from specreg_sklearn.metrics import *

warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
X, y = load_iris(return_X_y=True)
# The scaler of scikit-learn before 1.8 takes numpy's arrays only.
recent = parse_version(sklearn.__version__) >= parse_version("1.8")
scaler = StandardScaler() if recent else "passthrough"
plain = make_pipeline(scaler, LinearDiscriminantAnalysis()).fit(X, y)
wanted = adversarial_distances(plain, X, y, max_samples=3)
small = {"hidden_layer_sizes": 4, "max_iter": 2, "random_state": 0}

for library in (torch, array_api_strict):
    A, b = library.asarray(X), library.asarray(y)
    with sklearn.config_context(array_api_dispatch=True):
        model = make_pipeline(scaler, LinearDiscriminantAnalysis()).fit(A, b)
        kind = type(model.predict(A))
        assert kind is type(A), kind
        found = adversarial_distances(model, A, b, max_samples=3)
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
        assert 0 <= robust_accuracy_score(model, A, b, eps=0.5, max_samples=5) <= 1
        result = CGBA(max_queries=200).run(model, A[:3, :], b[:3])
        assert type(result.X_adv) is type(A)
        try:
            certified_radius(model, A)
        except NoCertificateError as error:
            assert "arrays of another library" in str(error)
        else:
            raise AssertionError("a proof was given")

        ours = SpectrallyRegularizedEncoder(**small).fit(A, b)
        numbers = SpectrallyRegularizedEncoder(**small).fit(X, y)
        for name in ("predict", "predict_proba", "decision_function", "transform"):
            answer = getattr(ours, name)(A)
            assert type(answer) is type(A), (name, type(answer))
            np.testing.assert_array_equal(np.asarray(answer), getattr(numbers, name)(X))
        assert abs(float(ours.score(A, b)) - numbers.score(X, y)) < 1e-6
        features = SelfSupervisedEncoder(projector=4, **small).fit(A).transform(A)
        assert type(features) is type(A)
        chain = make_pipeline(scaler, SpectrallyRegularizedEncoder(**small), RobustLinearProbe())
        chain.fit(A, b)
        assert type(chain.predict(A)) is type(A)
        adversarial_distances(chain, A, b, max_samples=3)
    # Without dispatch arrays are numbers like any other.
    probe = RobustLinearProbe().fit(A, b)
    assert type(probe.predict(A)) is np.ndarray
    np.testing.assert_allclose(
        adversarial_distances(probe, A, b, max_samples=3),
        adversarial_distances(probe, X, y, max_samples=3),
    )
print("all of it")
"""


def test_models_of_other_arrays_are_measured_and_our_estimators_take_them():
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.strip() == "all of it"
