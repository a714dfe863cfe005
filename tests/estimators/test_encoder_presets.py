"""Presets: their settings, and the units that they were measured in."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from specreg_sklearn import SpectrallyRegularizedEncoder

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("preset", ["robust", "fast", "distance", "certified", "transfer"])
def test_presets_are_settings_and_certify_what_no_attack_beats(iris_rows, preset):
    model = SpectrallyRegularizedEncoder.from_preset(preset, max_iter=8, random_state=0)
    given = {k: v for k, v in model.get_params().items() if k in ("penalty", "alpha", "objective")}
    clone(model).set_params(**given).fit(*iris_rows)
    chosen = SpectrallyRegularizedEncoder.from_preset(preset, alpha=0.5, batch_size=7)
    assert (chosen.alpha, chosen.batch_size) == (0.5, 7)


def test_unknown_presets_list_the_names():
    with pytest.raises(ValueError, match=r"preset='strong' is not known\. Valid names: \['robust'"):
        SpectrallyRegularizedEncoder.from_preset("strong")
    with pytest.raises(TypeError, match="alfa"):
        SpectrallyRegularizedEncoder.from_preset("fast", alfa=1)


@pytest.mark.parametrize("preset", ["robust", "fast", "transfer"])
@pytest.mark.parametrize(
    ("scale", "what"),
    [
        (1.0, None),
        (np.r_[1.0, 1.0, 1.0, 0.0], None),
        (0.1, None),
        (np.r_[1.0, 400.0, 1.0, 1.0], r"1 of 4 columns of X .* beyond 10, such as 1 \(400\)\."),
        (np.r_[1.0, 20.0, 30.0, 1.0], r"2 of 4 .* 10, such as 2 \(30\), 1 \(20\)\."),
        (0.01, r"no column of X has a root mean square of 0\.03\."),
    ],
)
def test_presets_warn_of_units_that_they_were_not_measured_in(iris_rows, preset, scale, what):
    X, y = iris_rows
    X = (X - X.mean(axis=0)) / X.std(axis=0) * scale
    model = SpectrallyRegularizedEncoder.from_preset(preset, max_iter=1, random_state=0)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        clone(model).fit(X, y)  # as a search would
    told = [w for w in told if "root mean square" in str(w.message)]
    assert len(told) == (what is not None)
    if what is not None:
        assert re.search(what, str(told[0].message)) and told[0].filename == __file__
        remedy = rf"alpha={model.alpha!r} \(preset '{preset}'\) is meant for .* StandardScaler"
        assert re.search(remedy, str(told[0].message))


def test_units_of_columns_have_names_and_own_strengths_hear_nothing(iris_rows):
    frame = pd.DataFrame(iris_rows[0] * [90, 70, 80, 60], columns=["a", "b", "c", "d"])
    with pytest.warns(UserWarning, match=r"4 of 4 columns .* such as 'a' \(90\), 'c' .*'b' \(70"):
        SpectrallyRegularizedEncoder(max_iter=1).fit(frame, iris_rows[1])
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*root mean square")
        SpectrallyRegularizedEncoder(alpha=0.02, max_iter=1).fit(frame, iris_rows[1])


def test_raw_images_hear_one_warning(iris_rows):
    images = np.random.default_rng(0).integers(0, 256, size=(30, 1, 4, 4), dtype=np.uint8)
    for given, match in ((images, "dtype uint8"), (images.reshape(30, 16), "16 of 16 columns")):
        with pytest.warns(UserWarning) as told:
            SpectrallyRegularizedEncoder(max_iter=1).fit(given, np.arange(30) % 2)
        units = [w for w in told if re.search("uint8|root mean", str(w.message))]
        assert len(units) == 1 and re.search(match, str(units[0].message))
