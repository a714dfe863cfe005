"""Views of tables and images: what may change, how often, and from which generator."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from specreg_sklearn.objectives import ImageViews, TableViews

KEEP = {"crop": 1.0, "rotation": 0.0, "jitter": 0.0, "grey": 0.0, "blur": False}


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    columns = [rng.normal(5, 2, 400), rng.integers(0, 2, 400), np.full(400, 0.1)]
    return np.stack(columns, axis=1)


@pytest.fixture(scope="module")
def photographs():
    return np.random.default_rng(0).uniform(size=(40, 3 * 12 * 10)).astype(np.float32)


def drawn(views, X, input_shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    draw = views.bind(X, input_shape=input_shape, generator=generator)
    return draw(torch.tensor(X)).numpy()


def test_cells_come_from_other_rows_of_the_same_column(table):
    view = drawn(TableViews(1.0, noise=0.0), table, (3,))
    assert np.isin(view[:, 0], table[:, 0]).all()
    assert (view[:, 0] != table[:, 0]).all()  # of another row, not of the same
    assert set(view[:, 1]) == {0.0, 1.0}
    # Cells of one row come from different rows, so that no pair stays together by chance.
    sources = np.searchsorted(np.sort(table[:, 0]), view[:, 0])
    assert len(set(sources)) > 200


@pytest.mark.parametrize("corruption", [0.1, 0.3, 0.8])
def test_share_of_the_cells_that_is_replaced(table, corruption):
    view = drawn(TableViews(corruption, noise=0.0), table[:, :1], (1,))
    share = (view != table[:, :1]).mean()
    assert abs(share - corruption) < 4 * np.sqrt(corruption * (1 - corruption) / len(table))


def test_noise_has_the_spread_of_the_column(table):
    moves = drawn(TableViews(0.0, noise=0.5), table, (3,)) - table
    np.testing.assert_allclose(moves[:, :2].std(axis=0), 0.5 * table[:, :2].std(axis=0), rtol=0.1)
    assert (moves[:, 2] == 0).all()  # a constant column, whose computed spread is not quite zero
    assert table.std(axis=0)[2] > 0


def test_tables_keep_dtype_and_shape(table):
    flat = table.astype(np.float32)
    assert drawn(TableViews(), flat, (3,)).dtype == np.float32
    blocks = np.random.default_rng(0).normal(size=(5, 2, 3))
    assert drawn(TableViews(), blocks, (2, 3)).shape == (5, 2, 3)


def test_a_single_row_is_only_jittered(table):
    assert np.array_equal(drawn(TableViews(1.0, noise=0.0), table[:1], (3,)), table[:1])


@pytest.mark.parametrize(
    "views", [TableViews(), ImageViews(flip=True), ImageViews(blur=False, crop=0.9)]
)
def test_same_seed_same_views_also_in_threads(views, photographs):
    def two_views(seed):
        draw = views.bind(
            photographs, input_shape=(3, 12, 10), generator=torch.Generator().manual_seed(seed)
        )
        rows = torch.tensor(photographs)
        return draw(rows).numpy(), draw(rows).numpy()

    with ThreadPoolExecutor(4) as pool:
        in_threads = list(pool.map(two_views, [0, 1, 2, 3]))
    for seed, pair in enumerate(in_threads):
        for mine, theirs in zip(two_views(seed), pair, strict=True):
            assert np.array_equal(mine, theirs)
    assert not np.array_equal(in_threads[0][0], in_threads[0][1])
    assert not np.array_equal(in_threads[0][0], in_threads[1][0])


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_images_of_any_channels_keep_range_and_dtype(channels, dtype):
    X = np.random.default_rng(0).uniform(-3, 7, size=(20, channels * 9 * 8)).astype(dtype)
    view = drawn(ImageViews(flip=True), X, (channels, 9, 8))
    assert view.shape == (20, channels, 9, 8) and view.dtype == dtype
    assert view.min() >= X.min() - 1e-4 and view.max() <= X.max() + 1e-4
    assert not np.allclose(view.reshape(20, -1), X)


def test_images_without_any_change_stay(photographs):
    view = drawn(ImageViews(**KEEP), photographs, (3, 12, 10))
    np.testing.assert_allclose(view.reshape(40, -1), photographs, atol=1e-6)


def test_flips_mirror_half_of_the_images(photographs):
    X = np.tile(photographs, (10, 1)).reshape(400, 3, 12, 10)
    view = drawn(ImageViews(**KEEP, flip=True), X, (3, 12, 10))
    mirrored = np.isclose(view, X[..., ::-1], atol=1e-6).all(axis=(1, 2, 3))
    kept = np.isclose(view, X, atol=1e-6).all(axis=(1, 2, 3))
    assert (mirrored ^ kept).all()
    assert 160 < mirrored.sum() < 240


def test_grey_images_have_equal_channels(photographs):
    view = drawn(ImageViews(**{**KEEP, "grey": 1.0}), photographs, (3, 12, 10))
    weights = np.array([0.299, 0.587, 0.114])[:, None, None]
    luma = (photographs.reshape(40, 3, 12, 10) * weights).sum(axis=1)
    for channel in range(3):
        np.testing.assert_allclose(view[:, channel], luma, atol=1e-5)


def test_crops_keep_at_least_the_share_of_the_area():
    """On a ramp from left to right, the range of a view is the width of its crop."""
    ramp = np.tile(np.linspace(0, 1, 64), 64)[None].repeat(50, axis=0)
    tall = np.sort(ramp.reshape(50, 64, 64), axis=1).transpose(0, 2, 1).reshape(50, -1)
    X = np.stack([ramp, tall], axis=1).reshape(50, -1)
    view = drawn(ImageViews(**{**KEEP, "crop": 0.5}), X, (2, 64, 64))
    sides = view.max(axis=(2, 3)) - view.min(axis=(2, 3))
    areas = sides.prod(axis=1)
    assert (areas > 0.44).all() and (areas < 1.001).all()  # whole pixels, at least half the area
    assert areas.std() > 0.05


def test_light_acts_on_the_range_of_the_training_rows():
    """Standardised images are not cut at 0 and 1."""
    X = load_digits().data[:50]
    plain = drawn(ImageViews(**{**KEEP, "jitter": 0.4}), X / 16, (1, 8, 8))
    scaled = drawn(ImageViews(**{**KEEP, "jitter": 0.4}), 3 * X / 16 - 1, (1, 8, 8))
    np.testing.assert_allclose(scaled, 3 * plain - 1, atol=1e-6)
    assert not np.allclose(plain.reshape(50, -1), X / 16)


@pytest.mark.parametrize(
    ("views", "message"),
    [
        (TableViews(-0.1), "corruption=-0.1"),
        (TableViews(noise=-1), "noise=-1"),
        (ImageViews(0.0), "crop=0.0 must be above 0"),
        (ImageViews(2), "crop=2"),
        (ImageViews(flip=1), "flip=1"),
        (ImageViews(rotation=200), "rotation=200 must be degrees from 0 to 180"),
        (ImageViews(jitter=1.5), "jitter=1.5"),
        (ImageViews(grey=-1), "grey=-1"),
        (ImageViews(blur="yes"), "blur='yes'"),
    ],
)
def test_settings_that_are_not_accepted(views, message):
    with pytest.raises(ValueError, match=message):
        views.check_rows(np.zeros((3, 2)))
    with pytest.raises(ValueError, match=message):
        views.bind(np.zeros((3, 12)), input_shape=(3, 2, 2), generator=torch.Generator())


def test_image_views_need_three_axes():
    with pytest.raises(ValueError, match=r"input_shape=\(12,\) must be \(channels, height, width"):
        ImageViews().bind(np.zeros((3, 12)), input_shape=(12,), generator=torch.Generator())


def test_missing_kornia_names_the_extra(monkeypatch, photographs):
    monkeypatch.setitem(sys.modules, "kornia.augmentation", None)
    with pytest.raises(ImportError, match=r'pip install "specreg-sklearn\[images\]"'):
        drawn(ImageViews(), photographs, (3, 12, 10))
