"""Read a table with a column of labels from CSV files into a Bunch."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from benchmarks.loaders._arguments import check_subset, import_pandas
from benchmarks.loaders._files import DataFile

TARGET = "target"
AS_CSV = (
    "as a DataFrame with the label last, as the integer column `target`; its text "
    "to_csv(index=False), in UTF-8 and one piece, written into gzip.GzipFile(filename='', "
    "mode='wb', fileobj=..., mtime=0)."
)
"""How the tables were written; with the usual zlib this gives the same bytes."""


@dataclass(frozen=True)
class Table:
    """A table in gzip-compressed CSV files, with a header row and whole numbers as labels.

    Parameters
    ----------
    loader : str
        Name of the public function, for error messages.
    files : mapping of str to DataFile
        The files by the part they hold: "all", or "train" and "test".
    target_names : tuple of str
        Name of each class, in the order of the labels.
    description : str
        Content, source and licence.
    has_text : bool, default=False
        Whether columns hold words, which an array of numbers cannot.
    side_columns : tuple of str, default=()
        Columns that are neither features nor the label: they become attributes of the Bunch.
    split_column : str or None, default=None
        Column that says "train" or "test", where one file holds both.
    """

    loader: str
    files: Mapping[str, DataFile]
    target_names: tuple[str, ...]
    description: str
    has_text: bool = False
    side_columns: tuple[str, ...] = ()
    split_column: str | None = None

    def load(
        self,
        *,
        data_home: Any = None,
        return_X_y: bool = False,
        as_frame: bool | None = None,
        drop_duplicates: bool = False,
        subset: Any = "all",
    ) -> Any:
        """Return the rows.

        Parameters
        ----------
        data_home : str, path-like or None, default=None
            Folder with the files. None means the environment variable ``SPECREG_DATA``.
        return_X_y : bool, default=False
            Whether to return ``(data, target)`` in place of a Bunch.
        as_frame : bool or None, default=None
            Whether `data` and `target` are a pandas DataFrame and Series. None means where columns
            hold words, which an array of numbers cannot.
        drop_duplicates : bool, default=False
            Whether to keep only the first of all rows of the subset with the same features. A row
            that occurs on both sides of a split inflates every score.
        subset : {"train", "test", "all"}, default="all"
            Which rows of the official split, where there is one; "all" is the training rows
            followed by the test rows.

        Returns
        -------
        sklearn.utils.Bunch
            `data`, of shape (n, n_features), float64 if it is an array; `target`, int64 of shape
            (n,); `feature_names`, `target_names`, `frame` (both together, None without `as_frame`)
            and `DESCR`. Columns that are no features are attributes, too.
        (data, target) : tuple
            With ``return_X_y=True``.

        Raises
        ------
        FileNotFoundError
            If there is no folder or no such file in it; the message says how to obtain it.
        ValueError
            If a file has the wrong SHA-256, if ``as_frame=False`` and columns hold words, or if
            `subset` is not one of the names.
        ImportError
            If pandas is needed and not installed.
        """
        if as_frame is None:
            as_frame = self.has_text
        check_subset(subset)
        if self.has_text and not as_frame:
            raise ValueError(
                f"as_frame={as_frame!r} is not accepted by {self.loader}: columns of this table "
                "hold words, which an array of numbers cannot. Pass as_frame=True."
            )
        pandas = import_pandas(self.loader) if as_frame else None
        paths = [
            file.find(data_home)
            for part, file in self.files.items()
            if part == "all" or subset in (part, "all")
        ]
        if pandas is None:
            bunch = self._arrays(paths, drop_duplicates)
        else:
            bunch = self._frames(pandas, paths, subset, drop_duplicates)
        if return_X_y:
            return bunch.data, bunch.target
        bunch.target_names, bunch.DESCR = np.array(self.target_names), self.description
        return bunch

    def _arrays(self, paths: list[Path], drop_duplicates: bool) -> Bunch:
        with gzip.open(paths[0], "rt", encoding="utf-8") as stream:
            names = stream.readline().rstrip("\r\n").split(",")
        cells = np.concatenate(
            [np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2) for path in paths]
        )
        label = names.index(TARGET)
        data, target = np.delete(cells, label, axis=1), cells[:, label].astype(np.int64)
        if drop_duplicates:
            _, first = np.unique(data, axis=0, return_index=True)
            first.sort()
            data, target = data[first], target[first]
        names.pop(label)
        return Bunch(data=data, target=target, frame=None, feature_names=names)

    def _frames(self, pandas: Any, paths: list[Path], subset: str, drop_duplicates: bool) -> Bunch:
        # "NA" and the like are words here, not gaps.
        options = {"keep_default_na": False, **_exact_numbers(pandas)}
        frame = pandas.concat(
            [pandas.read_csv(path, **options) for path in paths], ignore_index=True
        )
        apart = [*self.side_columns]
        if self.split_column is not None:
            apart.append(self.split_column)
            if subset != "all":
                frame = frame[frame[self.split_column] == subset]
        names = [name for name in frame.columns if name not in (*apart, TARGET)]
        if drop_duplicates:
            frame = frame[~frame.duplicated(subset=names)]
        frame = frame.reset_index(drop=True)
        side = {name: frame[name] for name in apart}
        frame = frame[[*names, TARGET]].copy()
        return Bunch(
            data=frame[names], target=frame[TARGET], frame=frame, feature_names=names, **side
        )


def _exact_numbers(pandas: Any) -> dict[str, str]:
    """Return the options with which pandas reads the very numbers that numpy does."""
    release = tuple(int(part) for part in pandas.__version__.split(".")[:2])
    # Later releases do so by themselves, and warn of the option.
    return {"float_precision": "round_trip"} if release < (3, 1) else {}
