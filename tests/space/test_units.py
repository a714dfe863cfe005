"""Units of columns: by spreads of the data, by column, and what stands in where there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from specreg_sklearn import FeatureSpace


@pytest.fixture
def skewed():
    """A heavy-tailed column, one that is mostly 0, and one that is constant."""
    rng = np.random.default_rng(0)
    tail = np.exp(3 * rng.normal(size=400))
    rare = np.where(rng.random(400) < 0.1, rng.normal(size=400), 0.0)
    return pd.DataFrame({"tail": tail, "rare": rare, "constant": np.ones(400)})


def test_robust_spreads_are_those_of_scipy(skewed):
    tail = skewed["tail"]
    iqr = FeatureSpace.from_data(skewed, scale="iqr").scale[0]
    mad = FeatureSpace.from_data(skewed, scale="mad").scale[0]
    assert iqr == pytest.approx(stats.iqr(tail), rel=1e-12)
    assert mad == pytest.approx(stats.median_abs_deviation(tail), rel=1e-12)
    # What they are for: a few huge values make the standard deviation a poor unit.
    assert FeatureSpace.from_data(skewed).scale[0] > 5 * iqr


@pytest.mark.parametrize("scale", ["iqr", "mad"])
def test_the_standard_deviation_stands_in_and_the_space_says_so(skewed, scale):
    space = FeatureSpace.from_data(skewed, scale=scale)
    assert space.scale[1] == pytest.approx(skewed["rare"].std(ddof=0), rel=1e-12)
    assert f"({scale}; std: 'rare')" in repr(space)
    assert space.units == [scale, "std", scale]
    with pytest.raises(ValueError, match=f"scale='{scale}' gives no unit.*'constant'"):
        FeatureSpace.from_data(skewed, scale=scale, bounds=None)


def test_units_by_column(skewed):
    space = FeatureSpace.from_data(skewed, scale={"tail": "iqr", "constant": 4})
    expected = [stats.iqr(skewed["tail"]), skewed["rare"].std(ddof=0), 4]
    np.testing.assert_allclose(space.scale, expected, rtol=1e-12)
    assert space.units == ["iqr", "std", "given"]


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        ({"wage": 1}, "scale names the unknown column 'wage'"),
        ({"tail": "spread"}, "'spread' is not one of.*'iqr'.*dict"),
        ({"tail": 0}, "scale of column 'tail' is 0.0; it must be positive"),
        ({"tail": -1.5}, "scale of column 'tail' is -1.5"),
        ({"tail": float("nan")}, "scale of column 'tail' is nan"),
        ({"tail": None}, "None is not one of"),
        ({"tail": True}, "True is not one of"),
        ({"tail": [1, 2]}, r"\[1, 2\] is not one of"),
    ],
)
def test_bad_units_name_the_column(skewed, scale, message):
    with pytest.raises(ValueError, match=message):
        FeatureSpace.from_data(skewed, scale=scale)
