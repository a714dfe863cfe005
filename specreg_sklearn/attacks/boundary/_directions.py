"""In which directions a walk asks: in all, or where rows are images, in smooth ones first.

Normals of models of images are smooth to a good part, so directions out of the lowest terms of a
cosine transform find more of them with few queries (Li et al., "QEBA", CVPR 2020,
arXiv:2005.14137). What is left then lies outside of these terms: their number grows from stretch
to stretch of a walk, up to all of them.
"""

from __future__ import annotations

from functools import lru_cache
from numbers import Integral

import numpy as np
from scipy.fft import dct

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.attacks.questions import SearchTask, basis_directions
from specreg_sklearn.space import L2

ImageShape = tuple[int, ...] | None

# The lowest terms of each axis, by the stretch of a walk; then come all of them.
_TERMS = (7, 14, 20)
_COLOURS = (1, 3, 4)


class Directions:
    """The directions of a task's rows, images of a shape (H, W) or (C, H, W), or not.

    Without an `image_shape`, rows that have the axes of images are taken as such.
    """

    def __init__(self, task: SearchTask, image_shape: ImageShape) -> None:
        rows = task.oracle.rows
        shape = image_shape or _as_image(rows.row_shape)
        self._seed, self._d = task.seed, task.x.shape[1]
        self._columns = tuple(rows.columns.tolist()) if shape else ()
        self._shape = shape

    def terms(self, stretch: int) -> FloatArray | None:
        """Return an orthonormal basis of the terms of a stretch, of shape (k, d); None for all."""
        if self._shape is None or stretch >= len(_TERMS):
            return None
        n_terms = _TERMS[stretch]
        if n_terms >= max(self._shape[-2:]):
            return None
        terms = _lowest_terms(tuple(self._shape), n_terms)
        if len(self._columns) == terms.shape[1]:
            return terms
        # Columns that cannot move are left out: what remains is no basis any more, but nearly.
        terms = terms[:, list(self._columns)]
        return terms[L2.length(terms) > 0]

    def n_different(self, stretch: int) -> int:
        """Return how many directions of a stretch are orthogonal."""
        terms = self.terms(stretch)
        return self._d if terms is None else len(terms)

    def draw(self, key: int, begin: int, n: int, stretch: int) -> FloatArray:
        """Return n unit directions of the sequence of a `key`, after the first `begin` ones."""
        terms = self.terms(stretch)
        if terms is None:
            return basis_directions(self._seed, key, begin, n, self._d)
        directions = basis_directions(self._seed, key, begin, n, len(terms)) @ terms
        return np.asarray(directions / L2.length(directions)[:, None])


def check_image_shape(image_shape: object, n_features: int | None = None) -> None:
    """Raise ValueError if this is no shape of images, or not that of rows of `n_features`."""
    if image_shape is None:
        return
    sizes = image_shape if isinstance(image_shape, (tuple, list)) else (0,)
    whole = all(isinstance(s, Integral) and not isinstance(s, bool) and int(s) > 0 for s in sizes)
    if len(sizes) not in (2, 3) or not whole:
        raise ValueError(f"image_shape={image_shape!r} is not (H, W), (C, H, W) or None.")
    n_columns = int(np.prod(sizes))
    if n_features is not None and n_columns != n_features:
        raise ValueError(
            f"image_shape={image_shape!r} stands for {n_columns} columns, but X has {n_features}; "
            f"give sizes whose product is {n_features}, or None for rows that are no images."
        )


def _as_image(row_shape: tuple[int, ...] | None) -> ImageShape:
    """Return the shape of images with the channels first, None if rows are none."""
    if row_shape is None or len(row_shape) not in (2, 3):
        return None
    last = len(row_shape) == 3 and row_shape[2] in _COLOURS and row_shape[0] not in _COLOURS
    return None if last else row_shape


@lru_cache(maxsize=8)
def _lowest_terms(shape: tuple[int, ...], n_terms: int) -> FloatArray:
    """Return the lowest terms of every channel alike, and half as many of their differences.

    They are orthonormal, of shape (k, n_columns), in the order in which images are laid out.
    """
    channels, (height, width) = (1, *shape)[-3], shape[-2:]
    found = []
    for number, channel in enumerate(_waves(channels, channels)):
        n = n_terms if not number else -(-n_terms // 2)
        plane = np.einsum("ih,jw->ijhw", _waves(height, n), _waves(width, n))
        plane = plane.reshape(-1, height * width)
        found.append(np.einsum("c,kp->kcp", channel, plane).reshape(len(plane), -1))
    return np.concatenate(found)


def _waves(size: int, n: int) -> FloatArray:
    """Return the n lowest cosines of an axis, of shape (n, size)."""
    return np.asarray(dct(np.eye(size), norm="ortho", axis=0)[: min(n, size)])
