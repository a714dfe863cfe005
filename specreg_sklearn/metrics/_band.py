"""What is known of the adversarial distance of each row, from below and from above."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from specreg_sklearn._typing import BoolArray, Eps, FloatArray, IntArray, Sizes
from specreg_sklearn.metrics.measurement import read_eps
from specreg_sklearn.space import as_norm

if TYPE_CHECKING:
    import pandas

STATUSES = {
    "already_wrong": "misclassified as they stand, at distance 0",
    "exact": "exact: proof and attack meet",
    "none_exists": "no row that the space allows has another label",
    "bracket": "between a proof and an attack",
    "attack_only": "an attack from above, nothing proved",
    "proof_only": "a proof from below, nothing found",
    "undecided": "nothing proved and nothing found",
}
_COLUMNS = ("lower", "upper", "closed", "status", "found_by", "proved_by", "n_queries", "n_nodes")
_SHOWN = 10


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class AdversarialBand:
    """Bounds of the adversarial distances of some rows, with the rows that show the upper ones.

    Made by :func:`adversarial_band`. All arrays have one entry for each measured row.

    Parameters
    ----------
    lower, upper : ndarray of shape (n_rows,), float64
        No row nearer than `lower` is misclassified, and one at the distance `upper` is: the norm of
        ``(X_adv - X) / scale``. Both are 0 where the model is wrong already. `upper` is ``inf``
        where no misclassified row is known, and `lower`, too, if there is none in the space.
    closed : ndarray of shape (n_rows,), bool
        Whether the distance is exact: the two meet, to 1e-6 of their size.
    X_adv : container like X, n_rows rows
        Rows at the upper distance, in the container of the user: ``estimator.predict`` was asked
        about this very array. The clean row where none is known, or the model is wrong already.
    status : ndarray of shape (n_rows,), str
        One word per row: "already_wrong", "exact", "none_exists" (no row that the space allows has
        another label), "bracket" (``0 < lower < upper``), "attack_only" (nothing is proved),
        "proof_only" (nothing was found), "undecided".
    found_by, proved_by : ndarray of shape (n_rows,), str
        Who found the row, such as "cgba" or "trees", and what proved the lower bound, such as
        "trees" or "lipschitz"; empty where nothing did.
    n_queries : ndarray of shape (n_rows,), int64
        Rows sent to ``predict`` by the attack, and to confirm `X_adv`. 0 for rows whose distance a
        proof alone has closed, up to this confirmation.
    n_nodes : ndarray of shape (n_rows,), int64
        Nodes that the search of a proof looked at.
    places : ndarray of shape (n_rows,), int
        Positions of the rows in the `X` that was passed.
    norm : {0, 1, 2, inf}
        The norm of the distances.
    unproved : str
        Why nothing is proved; empty if something is.
    """

    lower: FloatArray
    upper: FloatArray
    closed: BoolArray
    X_adv: Any
    status: NDArray[np.str_]
    found_by: NDArray[np.str_]
    proved_by: NDArray[np.str_]
    n_queries: IntArray
    n_nodes: IntArray
    places: IntArray
    norm: float
    unproved: str = ""

    def __len__(self) -> int:
        return len(self.lower)

    @overload
    def robust_accuracy(self, eps: float) -> tuple[float, float]: ...

    @overload
    def robust_accuracy(self, eps: Sizes) -> tuple[FloatArray, FloatArray]: ...

    def robust_accuracy(self, eps: Eps) -> tuple[float, float] | tuple[FloatArray, FloatArray]:
        """Return the bounds of the robust accuracy on these rows.

        Parameters
        ----------
        eps : float or array-like of shape (n_eps,)
            Sizes of moves, increasing.

        Returns
        -------
        low, high : float or ndarray of shape (n_eps,)
            The share of rows that are right and proved to stay so within `eps`, and the share of
            those for which no row within `eps` is known. The truth lies between the two.
        """
        grid, several = read_eps(eps)
        right = self.status != "already_wrong"
        none_moves = grid[:, None] == 0
        low = np.where(none_moves, right, self.lower > grid[:, None]).mean(axis=1)
        high = np.where(none_moves, right, self.upper > grid[:, None]).mean(axis=1)
        return (low, high) if several else (float(low[0]), float(high[0]))

    def to_frame(self) -> pandas.DataFrame:
        """Return the arrays as a frame of pandas, one line per row, with `places` as index.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("to_frame needs pandas: pip install pandas.") from error
        return pd.DataFrame({name: getattr(self, name) for name in _COLUMNS}, index=self.places)

    def __repr__(self) -> str:
        parts = [f"n_rows={len(self)}", f"norm={self.norm:g}"]
        parts += [f"{word}={n}" for word, n in self._counts()]
        median = [f"{np.median(end):.4g}" for end in (self.lower, self.upper) if len(end)]
        if median:
            parts.append(f"median={median[0] if len(set(median)) == 1 else ' to '.join(median)}")
        return f"AdversarialBand({', '.join(parts)})"

    def _counts(self) -> list[tuple[str, int]]:
        seen = Counter(self.status.tolist())
        return [(word, seen[word]) for word in STATUSES if seen[word]]

    def _repr_html_(self) -> str:
        counts = "".join(
            f"<li>{n} of {len(self)} rows: {escape(STATUSES[word])}</li>"
            for word, n in self._counts()
        )
        why = f"<p>Nothing is proved: {escape(self.unproved)}</p>" if self.unproved else ""
        head = "".join(f"<th>{name}</th>" for name in ("row", *_COLUMNS))
        lines = []
        for i in range(min(_SHOWN, len(self))):
            cells = [str(self.places[i])]
            for name in _COLUMNS:
                value = getattr(self, name)[i]
                cells.append(f"{value:.4g}" if isinstance(value, float) else str(value))
            lines.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
        rest = len(self) - len(lines)
        more = f"<p>and {rest} more; to_frame() has them all.</p>" if rest else ""
        return (
            f"<div><p>Adversarial distances in {as_norm(self.norm).name}</p><ul>{counts}</ul>{why}"
            f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>{more}"
            "</div>"
        )
