"""Files of data sets: where they are looked for, and whether they are the right ones."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

VARIABLE = "SPECREG_DATA"


@dataclass(frozen=True)
class DataFile:
    """A file that a loader reads, known by its content.

    Parameters
    ----------
    name : str
        File name inside the data folder.
    sha256 : str
        SHA-256 of the file, in hexadecimal digits.
    source : str
        Public place it can be obtained from, and what was done to the original.
    """

    name: str
    sha256: str
    source: str

    def find(self, data_home: Any = None) -> Path:
        """Return the path of the file, after a look at its content.

        Parameters
        ----------
        data_home : str, path-like or None, default=None
            The data folder; None means the environment variable ``SPECREG_DATA``.

        Returns
        -------
        pathlib.Path
            The checked file.

        Raises
        ------
        FileNotFoundError
            If no folder is named, or the file is not in it.
        ValueError
            If the file is not the one that the loader knows, by its SHA-256.
        """
        folder, named_by = _data_folder(data_home, self)
        path = folder / self.name
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(
                f"{self.name} was not found in the folder {os.fspath(folder)!r}, which is named by "
                f"{named_by}. {self._wanted()}"
            ) from None
        digest = _digest(path, status.st_mtime_ns, status.st_size)
        if digest != self.sha256:
            raise ValueError(
                f"{os.fspath(path)!r} has the SHA-256 {digest}: it is another version of the file, "
                f"or damaged. {self._wanted()}"
            )
        return path

    def _wanted(self) -> str:
        return f"Expected: {self.name} with the SHA-256 {self.sha256}. To obtain it: {self.source}"


def _data_folder(data_home: Any, file: DataFile) -> tuple[Path, str]:
    if data_home is not None:
        try:
            return Path(os.fspath(data_home)), "data_home"
        except TypeError:
            raise TypeError(
                f"data_home={data_home!r} is not accepted; give the path of a folder as a string "
                "or a path object, or None."
            ) from None
    folder = os.environ.get(VARIABLE)
    if not folder:
        raise FileNotFoundError(
            f"{file.name} cannot be looked for: data_home is None and the environment variable "
            f"{VARIABLE} is not set. Let one of them name the folder with the data. "
            f"{file._wanted()}"
        )
    return Path(folder), f"the environment variable {VARIABLE}"


@lru_cache(maxsize=64)
def _digest(path: Path, mtime_ns: int, size: int) -> str:
    # A file that was touched or has grown has another key: it is read and hashed again.
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
