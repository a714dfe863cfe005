"""The container, dtypes, order, index and unmoved cells of X come back."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from specreg_sklearn.attacks import CGBA, FeatureSpace


def shifted(X, step=1.0, **options):
    """Move every movable cell of every row by one unit, in a space without bounds."""
    space = FeatureSpace.from_data(X, bounds=None, scale=None, **options)
    return space.materialise(space.to_coordinates(X) + step, X)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.int64, np.uint8])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numpy_dtypes(dtype, order):
    X = np.array([[1, 2], [3, 4], [5, 6]], dtype=dtype, order=order)
    out = shifted(X, mutable=[1])
    assert isinstance(out, np.ndarray)
    assert out.dtype == dtype
    assert out.tolist() == [[1, 3], [3, 5], [5, 7]]
    assert X.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_lists_stay_lists():
    assert shifted([[1.5, 2.5], [3.0, 4.0]]) == [[2.5, 3.5], [4.0, 5.0]]
    assert shifted([["a", 1, 2.5], ["b", 3, 4.5]]) == [["a", 2, 3.5], ["b", 4, 5.5]]


@pytest.mark.parametrize("row_shape", [(2, 3), (1, 2, 3)])
def test_images_keep_their_axes(row_shape):
    X = np.arange(24, dtype=np.float32).reshape(4, *row_shape)
    out = shifted(X, mutable=[1])
    assert out.dtype == np.float32 and out.shape == X.shape
    moved = (out - X).reshape(4, 6)
    assert moved.tolist() == [[0, 1, 0, 0, 0, 0]] * 4


def test_images_are_attacked_as_their_flat_rows_are():
    class Sum:
        """A model that insists on images."""

        classes_ = np.array([0, 1])

        def predict(self, X):
            assert X.shape[1:] == (1, 2, 3)
            return (X.sum(axis=(1, 2, 3)) > 0).astype(int)

    class FlatSum(Sum):
        def predict(self, X):
            return super().predict(X.reshape(-1, 1, 2, 3))

    X = np.random.default_rng(0).normal(size=(30, 6))
    y = FlatSum().predict(X)
    flat = CGBA(max_queries=200).run(FlatSum(), X, y)
    shaped = CGBA(max_queries=200).run(Sum(), X.reshape(-1, 1, 2, 3), y)
    assert shaped.X_adv.shape == (30, 1, 2, 3)
    np.testing.assert_array_equal(shaped.X_adv.reshape(30, 6), flat.X_adv)
    np.testing.assert_array_equal(shaped.distances, flat.distances)
    np.testing.assert_array_equal(shaped.n_queries, flat.n_queries)


def test_object_arrays_keep_their_cells():
    tag = object()
    X = np.array([[tag, 1, 2.5, None], [tag, 3, 4.5, 1.0]], dtype=object)
    out = shifted(X)
    assert out.dtype == object
    assert out[0, 0] is tag
    assert [type(c) for c in out[0]] == [object, int, float, type(None)]
    assert out[:, 1:].tolist() == [[2, 3.5, None], [4, 5.5, 2.0]]


def test_missing_values_never_move():
    X = np.array([[1.0, np.nan], [2.0, 5.0]])
    out = shifted(X)
    np.testing.assert_array_equal(out, [[2.0, np.nan], [3.0, 6.0]])


def test_large_integers_that_do_not_move_keep_every_digit():
    X = np.array([[2**62 + 1, 1], [2**62 + 3, 2]], dtype=np.int64)
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    Z = space.to_coordinates(X)
    Z[:, 1] += 1
    assert space.materialise(Z, X).tolist() == [[2**62 + 1, 2], [2**62 + 3, 3]]


def test_pandas_uniform():
    X = pd.DataFrame(
        np.arange(6, dtype=np.float32).reshape(3, 2), columns=["b", "a"], index=[7, 3, 3]
    )
    pd.testing.assert_frame_equal(shifted(X), X + np.float32(1))


def test_pandas_mixed():
    X = pd.DataFrame(
        {
            "f": np.array([0.5, 1.5], dtype=np.float32),
            "i": np.array([1, 2], dtype=np.int16),
            "text": ["x", "y"],
            "cat": pd.Categorical(["u", "v"]),
            "when": pd.to_datetime(["2020-01-01", "2021-01-01"]),
            "flag": [True, False],
            "Int": pd.array([1, None], dtype="Int64"),
            "Float": pd.array([1.5, None], dtype="Float32"),
            "arrow": pd.array([1.5, None], dtype="double[pyarrow]"),
            "object": np.array([1, 2.5], dtype=object),
        },
        index=["r1", "r2"],
    )
    out = shifted(X)
    expected = X.copy()
    for column in ("f", "i", "Int", "Float", "arrow"):
        expected[column] = (X[column] + 1).astype(X[column].dtype)
    expected["object"] = pd.Series([2, 3.5], dtype=object, index=X.index)
    pd.testing.assert_frame_equal(out, expected, check_exact=True)


def test_pandas_with_numbers_as_column_names():
    X = pd.DataFrame([[1.0, 2.0]], columns=[10, 20])
    space = FeatureSpace.from_data(X, mutable=[20], bounds=None, scale=None)
    assert space.movable.tolist() == [1]


def test_polars():
    X = pl.DataFrame(
        {
            "f": pl.Series([0.5, 1.5, None], dtype=pl.Float32),
            "i": pl.Series([1, None, 3], dtype=pl.Int16),
            "text": ["x", "y", "z"],
            "flag": [True, False, None],
        }
    )
    out = shifted(X)
    assert isinstance(out, pl.DataFrame)
    assert out.schema == X.schema
    assert out["f"].to_list() == [1.5, 2.5, None]
    assert out["i"].to_list() == [2, None, 4]
    assert out["text"].to_list() == ["x", "y", "z"]
    assert out["flag"].to_list() == [True, False, None]


def test_polars_columns_out_of_order():
    X = pl.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    with pytest.raises(ValueError, match="another order"):
        FeatureSpace.from_data(X).to_coordinates(X[["b", "a"]])
