"""Tables from CSV files, on tiny files that the tests write."""

from __future__ import annotations

import builtins
import gzip
import hashlib

import numpy as np
import pandas as pd
import pytest

from benchmarks.loaders._files import DataFile
from benchmarks.loaders._tables import Table

NUMBERS = """a,b,constant,target
0.1,2,7,1
0.30000000000000004,4,7,0
0.1,2,7,0
-1e-300,4,7,0
0.1,2,7,1
"""
WORDS = """size,colour,split,note,target
1,NA,train,x,0
2,red,train,y,1
1,NA,test,z,0
3,?,test,x,1
1,NA,test,y,0
"""


def write(folder, name, text):
    """Write a compressed CSV file and return the description that fits it."""
    path = folder / name
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    return DataFile(name, hashlib.sha256(path.read_bytes()).hexdigest(), "the attic.")


@pytest.fixture
def numbers(tmp_path):
    files = {"all": write(tmp_path, "numbers.csv.gz", NUMBERS)}
    return Table("load_numbers", files, ("no", "yes"), "Numbers.")


@pytest.fixture
def words(tmp_path):
    files = {"all": write(tmp_path, "words.csv.gz", WORDS)}
    return Table("load_words", files, ("no", "yes"), "Words.", True, ("note",), "split")


def load(table, folder, **options):
    defaults = {"return_X_y": False, "as_frame": table.has_text, "drop_duplicates": False}
    return table.load(data_home=folder, **{**defaults, **options})


def test_a_bunch_of_arrays(numbers, tmp_path):
    bunch = load(numbers, tmp_path)
    assert bunch.data.dtype == np.float64
    assert bunch.target.dtype == np.int64
    np.testing.assert_array_equal(
        bunch.data,
        [[0.1, 2, 7], [0.30000000000000004, 4, 7], [0.1, 2, 7], [-1e-300, 4, 7], [0.1, 2, 7]],
    )
    np.testing.assert_array_equal(bunch.target, [1, 0, 0, 0, 1])
    assert bunch.feature_names == ["a", "b", "constant"]
    assert bunch.target_names[bunch.target].tolist() == ["yes", "no", "no", "no", "yes"]
    assert bunch.frame is None
    assert bunch.DESCR == "Numbers."


@pytest.mark.parametrize("drop_duplicates", [False, True])
def test_a_frame_holds_the_numbers_of_the_array(numbers, tmp_path, drop_duplicates):
    bunch = load(numbers, tmp_path, as_frame=True, drop_duplicates=drop_duplicates)
    arrays = load(numbers, tmp_path, drop_duplicates=drop_duplicates)
    assert list(bunch.frame.columns) == [*bunch.feature_names, "target"]
    assert list(bunch.data.columns) == arrays.feature_names
    np.testing.assert_array_equal(bunch.data.to_numpy(), arrays.data)
    np.testing.assert_array_equal(bunch.target.to_numpy(), arrays.target)
    pd.testing.assert_frame_equal(bunch.frame.drop(columns="target"), bunch.data)
    pd.testing.assert_series_equal(bunch.frame["target"], bunch.target)
    assert list(bunch.data.index) == list(range(len(arrays.target)))


def test_return_X_y(numbers, words, tmp_path):
    X, y = load(numbers, tmp_path, return_X_y=True)
    assert isinstance(X, np.ndarray)
    assert (X.shape, y.shape) == ((5, 3), (5,))
    X, y = load(words, tmp_path, return_X_y=True)
    assert isinstance(X, pd.DataFrame)
    assert isinstance(y, pd.Series)


def test_the_first_of_equal_rows_is_kept_in_the_order_of_the_file(numbers, tmp_path):
    bunch = load(numbers, tmp_path, drop_duplicates=True)
    np.testing.assert_array_equal(bunch.data[:, 0], [0.1, 0.30000000000000004, -1e-300])
    np.testing.assert_array_equal(bunch.target, [1, 0, 0])


def test_words_stay_words(words, tmp_path):
    bunch = load(words, tmp_path)
    assert bunch.feature_names == ["size", "colour"]
    assert bunch.data["colour"].tolist() == ["NA", "red", "NA", "?", "NA"]
    assert bunch.data["size"].dtype == np.int64
    assert bunch.note.tolist() == ["x", "y", "z", "x", "y"]
    assert bunch.split.tolist() == ["train"] * 2 + ["test"] * 3


def test_subsets_by_a_column(words, tmp_path):
    train = load(words, tmp_path, subset="train")
    test = load(words, tmp_path, subset="test", drop_duplicates=True)
    assert train.data["size"].tolist() == [1, 2]
    assert train.note.tolist() == ["x", "y"]
    assert test.data["size"].tolist() == [1, 3]
    assert test.target.index.tolist() == [0, 1]
    assert test.note.tolist() == ["z", "x"]
    everything = load(words, tmp_path, subset="all", drop_duplicates=True)
    assert everything.data["size"].tolist() == [1, 2, 3]


def test_subsets_by_file(tmp_path):
    files = {
        "train": write(tmp_path, "train.csv.gz", "a,target\n1,0\n2,1\n"),
        "test": write(tmp_path, "test.csv.gz", "a,target\n3,1\n"),
    }
    table = Table("load_parts", files, ("no", "yes"), "Parts.")
    rows = {part: load(table, tmp_path, subset=part).data[:, 0].tolist() for part in files}
    assert rows == {"train": [1.0, 2.0], "test": [3.0]}
    for as_frame in (False, True):
        both = load(table, tmp_path, subset="all", as_frame=as_frame)
        assert np.asarray(both.data).ravel().tolist() == [1.0, 2.0, 3.0]
        assert np.asarray(both.target).tolist() == [0, 1, 1]
    (tmp_path / "test.csv.gz").unlink()
    assert len(load(table, tmp_path, subset="train").target) == 2
    with pytest.raises(FileNotFoundError, match=r"test\.csv\.gz"):
        load(table, tmp_path, subset="all")


def test_words_do_not_fit_into_an_array(words, tmp_path):
    with pytest.raises(ValueError, match=r"as_frame=False .* load_words.* as_frame=True"):
        load(words, tmp_path, as_frame=False)


@pytest.mark.parametrize("subset", ["validation", None, 1, ["train"]])
def test_a_wrong_subset(words, tmp_path, subset):
    with pytest.raises(ValueError, match=r"subset=.* is not accepted; give 'train', 'test'"):
        load(words, tmp_path, subset=subset)


def test_without_pandas(numbers, tmp_path, monkeypatch):
    plain_import = builtins.__import__

    def no_pandas(name, *args, **kwargs):
        if name.split(".")[0] == "pandas":
            raise ImportError(name)
        return plain_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_pandas)
    assert len(load(numbers, tmp_path, drop_duplicates=True).target) == 3
    with pytest.raises(ImportError, match=r"load_numbers with as_frame=True needs pandas"):
        load(numbers, tmp_path, as_frame=True)
