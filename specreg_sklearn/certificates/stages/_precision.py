"""The floating point type that an estimator carries a step out in, which need not be float64."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

from specreg_sklearn.spectral.bounds import UNIT_ROUNDOFF

Arithmetic: TypeAlias = Literal["coarsest", "finest"]
COARSEST: Final = "coarsest"
FINEST: Final = "finest"


class Precision(NamedTuple):
    """How coarsely an estimator computes a step.

    Parameters
    ----------
    unit : float
        Unit roundoff of the coarsest number that the fitted step holds.
    arithmetic : {"coarsest", "finest"}
        How that meets the unit roundoff of the rows: the step may round to the coarser of the two,
        or does nothing but products of rows with fitted numbers, for which numpy takes the finer.
    """

    unit: float
    arithmetic: Arithmetic = COARSEST


class Units(NamedTuple):
    """Unit roundoffs of the rows that go into a step.

    Parameters
    ----------
    coarsest : float
        No cell is held more coarsely than this.
    common : float
        Nor does a product with fitted numbers round more coarsely than the larger part of this and
        theirs. Infinite for small whole numbers, which follow the other factor.
    """

    coarsest: float = UNIT_ROUNDOFF
    common: float = UNIT_ROUNDOFF

    def within(self, precision: Precision | None) -> float:
        """Return the unit roundoff in which a step is computed on such rows."""
        if precision is None:
            return self.coarsest
        if precision.arithmetic == FINEST:
            return min(self.common, precision.unit)
        return max(self.coarsest, precision.unit)
