"""The loaders on the real files, against published statistics."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import loaders

pytestmark = pytest.mark.slow


def test_mnist():
    train = loaders.load_mnist()
    test = loaders.load_mnist(subset="test")
    assert train.data.shape == (60000, 784)
    assert test.images.shape == (10000, 1, 28, 28)
    assert train.image_shape == (1, 28, 28)
    assert train.data.mean(dtype=np.float64) == pytest.approx(0.1307, abs=5e-5)
    assert train.data.std(dtype=np.float64) == pytest.approx(0.3081, abs=5e-5)
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(train.target).tolist() == counts
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(test.target).tolist() == counts
    assert train.target[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert train.feature_names[29] == "pixel_1_1"
    np.testing.assert_array_equal(train.data[:, 29], train.images[:, 0, 1, 1])
    both = loaders.load_mnist(subset="all", return_X_y=True)
    np.testing.assert_array_equal(both[0][60000:], test.data)
    # Every digit is written in the middle: its border is empty more often than its centre.
    assert train.images[:, 0, :2].mean() < 1e-3 < train.images[:, 0, 12:16].mean()


def test_cifar10():
    train = loaders.load_cifar10()
    test = loaders.load_cifar10(subset="test")
    assert train.data.shape == test.data.shape == (10000, 3072)
    assert train.image_shape == (3, 32, 32)
    means = test.images.mean(axis=(0, 2, 3), dtype=np.float64)
    np.testing.assert_allclose(means, [0.49421428, 0.48513139, 0.45040909], atol=1e-7)
    # The training images are a fifth of all: close to the published means, not equal.
    means = train.images.mean(axis=(0, 2, 3), dtype=np.float64)
    np.testing.assert_allclose(means, [0.49139968, 0.48215841, 0.44653091], atol=0.01)
    for images in (train, test):
        assert np.bincount(images.target).tolist() == [1000] * 10
    assert train.target[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
    assert test.target[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    assert train.target_names[[6, 9]].tolist() == ["frog", "truck"]
    # Ships lie on water under the sky: theirs is the bluest class but for airplanes.
    blue = [
        (train.images[train.target == k, 2] - train.images[train.target == k, 0]).mean()
        for k in range(10)
    ]
    assert {int(k) for k in np.argsort(blue)[-2:]} == {0, 8}


@pytest.mark.parametrize(
    ("name", "shape", "counts", "distinct"),
    [
        ("spambase", (4601, 57), [2788, 1813], 4207),
        ("phishing_websites", (11055, 30), [6157, 4898], 5785),
        ("url_phishing", (11430, 87), [5715, 5715], 11256),
    ],
)
def test_numeric_tables(name, shape, counts, distinct):
    load = getattr(loaders, f"load_{name}")
    table = load()
    assert table.data.shape == shape
    assert np.bincount(table.target).tolist() == counts
    assert np.isfinite(table.data).all()
    frame = load(as_frame=True)
    np.testing.assert_array_equal(frame.data.to_numpy(), table.data)
    assert list(frame.data.columns) == table.feature_names
    once = load(drop_duplicates=True)
    assert len(once.data) == len(load(drop_duplicates=True, as_frame=True).data) == distinct
    assert len({row.tobytes() for row in once.data}) == distinct


def test_constant_columns_stay():
    table = loaders.load_url_phishing()
    constant = {table.feature_names[j] for j in np.flatnonzero(np.ptp(table.data, axis=0) == 0)}
    assert constant == {
        "nb_or",
        "ratio_nullHyperlinks",
        "ratio_intRedirection",
        "ratio_intErrors",
        "submit_email",
        "sfh",
    }


def test_german_credit():
    credit = loaders.load_german_credit()
    assert credit.data.shape == (1000, 20)
    assert credit.target.value_counts().tolist() == [700, 300]
    assert credit.data.select_dtypes("number").shape[1] == 7
    assert len(loaders.load_german_credit(drop_duplicates=True).data) == 1000


def test_adult():
    everything = loaders.load_adult(subset="all")
    assert everything.data.shape == (48842, 14)
    assert everything.target.value_counts().tolist() == [37155, 11687]
    assert len(loaders.load_adult(subset="all", drop_duplicates=True).data) == 48785
    sizes = [len(loaders.load_adult(subset=part).data) for part in ("train", "test")]
    assert sizes == [32561, 16281]
    assert "split" not in everything.feature_names
    assert (everything.data["workclass"] == "?").any()
    assert not everything.data.isna().any(axis=None)


def test_nsl_kdd():
    train, test = loaders.load_nsl_kdd(), loaders.load_nsl_kdd(subset="test")
    assert (train.data.shape, test.data.shape) == ((25192, 41), (22544, 41))
    assert np.bincount(train.target).tolist() == [13449, 11743]
    assert np.bincount(test.target).tolist() == [9711, 12833]
    for part in (train, test):
        assert not {"attack_type", "difficulty"} & set(part.frame.columns)
        np.testing.assert_array_equal(part.target == 0, part.attack_type == "normal")
        assert part.difficulty.between(0, 21).all()
    assert len(loaders.load_nsl_kdd(subset="all").data) == 25192 + 22544


@pytest.mark.parametrize("name", ["spambase", "german_credit", "adult", "nsl_kdd_test"])
def test_tables_are_written_as_the_errors_say(name):
    path = Path(os.environ["SPECREG_DATA"]) / f"{name}.csv.gz"
    frame = pd.read_csv(path, keep_default_na=False)
    assert frame.to_csv(index=False).encode() == gzip.decompress(path.read_bytes())
    assert frame.columns[-1] == "target"
