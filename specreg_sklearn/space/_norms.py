"""What a norm is: how long a step is in L0, L1, L2 and Linf, and what goes with that.

How to add a norm
-----------------
Write one subclass of :class:`Norm` here and put an instance of it into :data:`NORMS`; no other file
is touched. Distances, displays and error messages know it from then on, and so does every attack
that lists its order in ``_norms``. If it is convex, give it `dual` and `from_l2` and list its order
in :data:`CONVEX_NORMS`: certificates and exact margins then take it too.

What works in its own way in each norm has a table by order, and refuses the others by name: the
balls that training searches (``objectives/perturbations``), the smooth norms of the robust linear
probe, and the searches that are made for a norm (``attacks``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import ClassVar

import numpy as np

from specreg_sklearn._typing import FloatArray

# Room for the roundings of a root and of a product with it.
_UPWARD = 1 + 2.0**-50


class Norm(ABC):
    """A way to measure steps; users name it by its `order`, as in ``norm=2``."""

    order: ClassVar[float]

    @property
    def name(self) -> str:
        """What people call it, such as "L2"."""
        return f"L{self.order:g}"

    def __repr__(self) -> str:
        return self.name

    @abstractmethod
    def length(self, steps: FloatArray) -> FloatArray:
        """Return how long each row of steps, (m, d), is, whatever the other rows are."""

    def shrink(self, x: FloatArray, far: FloatArray, t: FloatArray) -> FloatArray:
        """Return points between `x` and `far` whose distance from `x` is a share of that of `far`.

        The points have shape (m, d) and the shares `t`, from 0 to 1, shape (m,). They are in the
        box that `x` and `far` span; for most norms on the straight line.
        """
        return x + t[:, None] * (far - x)

    @property
    def dual(self) -> Norm:
        """The norm in which a linear function's slope says how much a step of length 1 changes it.

        ``|w @ z| <= dual.length(w) * length(z)``, and some z attains it.
        """
        raise ValueError(f"{self.name} is not convex and has no dual norm.")

    def steepest(self, slopes: FloatArray) -> FloatArray:
        """Return a step of length 1, (m, d), along which each linear function rises fastest.

        It attains the bound of `dual`. Where all slopes of a function are 0 it is no step at all.
        """
        raise ValueError(f"{self.name} is not convex and has no steepest steps.")

    def from_l2(self, constants: FloatArray, n_columns: int) -> FloatArray:
        """Turn Lipschitz constants per unit of L2 into ones per unit of this norm.

        They are upper bounds, rounding included, where `n_columns` columns can move.
        """
        raise ValueError(f"{self.name} lengths do not bound L2 lengths.")


class _L0(Norm):
    """How many cells changed. Neither convex nor a norm in the strict sense, but called one."""

    order = 0

    def length(self, steps: FloatArray) -> FloatArray:
        return np.count_nonzero(steps, axis=1).astype(np.float64)

    def shrink(self, x: FloatArray, far: FloatArray, t: FloatArray) -> FloatArray:
        """Undo the smallest changes, until no more than the share of them is left."""
        sizes = np.abs(far - x)
        rank = np.argsort(np.argsort(-sizes, axis=1, kind="stable"), axis=1)
        kept = np.floor(t * self.length(sizes))
        return np.where(rank < kept[:, None], far, x)


class _L1(Norm):
    """The sum of all changes."""

    order = 1

    def length(self, steps: FloatArray) -> FloatArray:
        # Numbers of a row that lie side by side are summed alike in any company.
        return np.asarray(np.abs(steps, order="C").sum(axis=1))

    @property
    def dual(self) -> Norm:
        return LINF

    def steepest(self, slopes: FloatArray) -> FloatArray:
        """Return steps of the one cell with the largest slope."""
        out, rows = np.zeros_like(slopes), np.arange(len(slopes))
        if slopes.shape[1]:
            best = np.abs(slopes).argmax(axis=1)
            out[rows, best] = np.sign(slopes[rows, best])
        return out

    def from_l2(self, constants: FloatArray, n_columns: int) -> FloatArray:
        return constants  # ||z||_2 <= ||z||_1


class _L2(Norm):
    """The Euclidean length, also where squares would leave the range of floating point."""

    order = 2

    def length(self, steps: FloatArray) -> FloatArray:
        if steps.shape[1] == 0:
            return np.zeros(len(steps))
        squares = np.einsum("ij,ij->i", steps, steps)
        out = np.sqrt(squares)
        if len(out) and not (squares.min() > 1e-200 and squares.max() < 1e200):
            odd = np.flatnonzero(~((squares > 1e-200) & (squares < 1e200)))
            # Scaling by the largest entry keeps these from under- or overflowing. It rounds
            # otherwise, so only they are scaled: a row must not depend on the others.
            peak = np.abs(steps[odd]).max(axis=1)
            unit = steps[odd] / np.where((peak > 0) & np.isfinite(peak), peak, 1.0)[:, None]
            out[odd] = peak * np.sqrt(np.einsum("ij,ij->i", unit, unit))
        return np.asarray(out)

    @property
    def dual(self) -> Norm:
        return self

    def steepest(self, slopes: FloatArray) -> FloatArray:
        """Return the slopes, scaled."""
        length = self.length(slopes)
        return np.asarray(slopes / np.where(length > 0, length, 1.0)[:, None])

    def from_l2(self, constants: FloatArray, n_columns: int) -> FloatArray:
        return constants


class _Linf(Norm):
    """The largest change."""

    order = np.inf

    def length(self, steps: FloatArray) -> FloatArray:
        return np.asarray(np.abs(steps).max(axis=1, initial=0.0))

    def shrink(self, x: FloatArray, far: FloatArray, t: FloatArray) -> FloatArray:
        """Clip to a smaller ball, which is the projection of HopSkipJump (arXiv:1904.02144)."""
        half = t[:, None] * self.length(far - x)[:, None]
        return np.clip(far, x - half, x + half)

    @property
    def dual(self) -> Norm:
        return L1

    def steepest(self, slopes: FloatArray) -> FloatArray:
        """Return the signs of the slopes."""
        return np.asarray(np.sign(slopes))

    def from_l2(self, constants: FloatArray, n_columns: int) -> FloatArray:
        # ||z||_2 <= sqrt(d) ||z||_inf
        return np.asarray(constants * np.sqrt(n_columns) * _UPWARD)


L0, L1, L2, LINF = _L0(), _L1(), _L2(), _Linf()

NORMS: dict[float, Norm] = {norm.order: norm for norm in (L0, L1, L2, LINF)}
"""Every norm that is known, by its order."""

CONVEX_NORMS = (1, 2, np.inf)
"""Orders of the norms that have a dual: those in which something can be proved."""


def as_norm(norm: float, *, caller: str = "specreg_sklearn") -> Norm:
    """Return the norm of an order, or raise ValueError if there is none."""
    return NORMS[check_norm(norm, NORMS, caller)]


def check_norm(
    norm: object,
    supported: Iterable[float],
    caller: str,
    *,
    instead: Mapping[float, str] | None = None,
) -> float:
    """Return the order of a norm as it stands in `supported`, or raise ValueError with what is.

    `caller` says in the message who supports it, and `instead` what to use for other norms.
    """
    number = isinstance(norm, Real) and not isinstance(norm, bool)
    accepted = [order for order in supported if number and norm == order]
    if accepted:
        return accepted[0]
    names = " or ".join("np.inf" if order == np.inf else str(order) for order in supported)
    other = [name for order, name in (instead or {}).items() if number and norm == order]
    hint = f" For norm={norm!r} use {other[0]}." if other else ""
    raise ValueError(f"norm={norm!r} is not supported by {caller}; accepted: {names}.{hint}")
