"""Read a set of images from an npz file into a Bunch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from benchmarks.loaders._arguments import check_subset, import_pandas
from benchmarks.loaders._files import DataFile


@dataclass(frozen=True)
class ImageSet:
    """A labelled set of images in one npz file.

    Parameters
    ----------
    loader : str
        Name of the public function, for error messages.
    file : DataFile
        Holds `x_train`, `x_test` of shape (n, H, W) or (n, H, W, C), uint8, and `y_train`,
        `y_test`.
    channels : tuple of str
        Name of each channel; feature names begin with it.
    target_names : tuple of str
        Name of each class, in the order of the labels.
    description : str
        Content, source and licence.
    """

    loader: str
    file: DataFile
    channels: tuple[str, ...]
    target_names: tuple[str, ...]
    description: str

    def load(
        self,
        *,
        subset: Any = "train",
        data_home: Any = None,
        return_X_y: bool = False,
        as_frame: bool = False,
    ) -> Any:
        """Return the images.

        Parameters
        ----------
        subset : {"train", "test", "all"}, default="train"
            Which images; "all" is the training images followed by the test images.
        data_home : str, path-like or None, default=None
            Folder with the file. None means the environment variable ``SPECREG_DATA``.
        return_X_y : bool, default=False
            Whether to return ``(data, target)`` in place of a Bunch.
        as_frame : bool, default=False
            Whether `data` and `target` are a pandas DataFrame and Series.

        Returns
        -------
        sklearn.utils.Bunch
            `data`, float32 of shape (n, C * H * W) in [0, 1], channel by channel and row by row;
            `target`, int64 of shape (n,); `images`, the same pixels of shape (n, C, H, W);
            `image_shape`, which ``input_shape`` of an estimator takes; `feature_names`
            (``<channel>_<row>_<column>``), `target_names`, `frame` (None without `as_frame`) and
            `DESCR`.
        (data, target) : tuple
            With ``return_X_y=True``.

        Raises
        ------
        FileNotFoundError
            If there is no folder or no such file in it; the message says how to obtain it.
        ValueError
            If the file has the wrong SHA-256, or `subset` is not one of the names.
        ImportError
            If ``as_frame=True`` and pandas is not installed.
        """
        parts = ("train", "test") if check_subset(subset) == "all" else (subset,)
        pandas = import_pandas(self.loader) if as_frame else None
        with np.load(self.file.find(data_home), allow_pickle=False) as arrays:
            pixels = np.concatenate([arrays[f"x_{part}"] for part in parts])
            labels = np.concatenate([arrays[f"y_{part}"] for part in parts])
        images, target = _channels_first(pixels), labels.astype(np.int64)
        data = images.reshape(len(images), -1)
        names = self._feature_names(images.shape[1:])
        frame = None
        if pandas is not None:
            data = pandas.DataFrame(data, columns=names)
            target = pandas.Series(target, name="target")
            frame = pandas.concat([data, target], axis=1)
        if return_X_y:
            return data, target
        return Bunch(
            data=data,
            target=target,
            frame=frame,
            images=images,
            image_shape=images.shape[1:],
            feature_names=names,
            target_names=np.array(self.target_names),
            DESCR=self.description,
        )

    def _feature_names(self, shape: tuple[int, ...]) -> list[str]:
        _, height, width = shape
        return [
            f"{channel}_{row}_{column}"
            for channel in self.channels
            for row in range(height)
            for column in range(width)
        ]


def _channels_first(pixels: np.ndarray) -> np.ndarray:
    """Return (n, H, W) or (n, H, W, C) bytes as float32 (n, C, H, W) in [0, 1]."""
    images = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    out = images.astype(np.float32, order="C")
    out /= 255
    return out
