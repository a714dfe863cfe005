"""What an attack hands back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.tables import check_eps, replace_rows, take_rows

# Rows that a notebook shows, and what it says of their states.
_SHOWN = 20
_MEANING = {
    "already_wrong": "wrong before the attack",
    "already_right": "of the wanted label before the attack",
    "found": "fooled, at the nearest row found",
    "stopped_at_eps": "fooled within eps, where the search ended",
    "not_found": "nothing found within eps",
    "start_failed": "undecided: no row to start from",
    "unverified": "undecided: the model did not repeat its answer",
    "interrupted": "cut short",
}


@dataclass(eq=False)
class AttackResult:
    """Adversarial rows, and how far each one is from the row it came from.

    Parameters
    ----------
    X_adv : container like the attacked X, n_samples rows
        The adversarial rows, in the container, dtypes, column order and index of the user's `X`.
        Rows that were not fooled, or were wrong from the start, equal the clean row.
    distances : ndarray of shape (n_samples,), float64
        ``norm((X_adv - X) / scale)``, computed from the rows in `X_adv`. 0 where the model was
        already wrong, ``inf`` where no verified adversarial row is known.
    success : ndarray of shape (n_samples,), bool
        Whether the model is wrong on ``X_adv[i]``. A row that was already wrong counts as a success
        at distance 0.
    status : ndarray of shape (n_samples,), str
        One word per row:

        - ``"already_wrong"``: the model misclassifies the clean row; it was not attacked.
        - ``"already_right"``: a targeted attack, and the model predicts the target already.
        - ``"found"``: the nearest verified adversarial row the attack found.
        - ``"stopped_at_eps"``: a verified row within `eps` was found and the search stopped there,
          so the distance is not minimal: never average it with the others.
        - ``"not_found"``: an attack that searches within `eps` only, such as
          :class:`SquareAttack`, found nothing there with its budget.
        - ``"start_failed"``: no adversarial row to start from was found. The row is undecided.
        - ``"unverified"``: rows were found, but the model did not repeat its answer on them.
        - ``"beyond_eps"``: see :meth:`within`.
        - ``"interrupted"``: the run was cut short before the search of this row ended. If a row
          that fooled the model is known, it is reported as a success; it may not be the nearest,
          and if the model failed for good it was asked about once only.
    n_queries : ndarray of shape (n_samples,), int64
        Rows sent to the estimator on behalf of each row: starts, bisections, search and
        verification. An attack that asks for scores counts those too. The one prediction of the
        clean rows, and that of the pool, are not counted, and neither are verified rows that are
        asked along when others have to be verified again. Where a score has read the trees of a
        model, these answer most of them, and each answer counts as one of the estimator.
    found_by : ndarray of shape (n_samples,), str
        The attack that found each row: its registered name, such as "cgba". It is the same for all
        rows, except for :class:`Strongest`, which runs several. Empty where nothing was found, and
        where the model was wrong already.
    clean : container like the attacked X, default=None
        The rows as they were before the attack: the `X` of the run, and no copy of it.
    resumable : object
        What ``run(..., resume=result)`` does not ask again; None where nothing is kept.

    Examples
    --------
    >>> import numpy as np
    >>> from specreg_sklearn.attacks import AttackResult
    >>> AttackResult(
    ...     X_adv=np.array([[0.5], [2.0]]),
    ...     distances=np.array([0.5, 0.0]),
    ...     success=np.array([True, True]),
    ...     status=np.array(["found", "already_wrong"]),
    ...     n_queries=np.array([40, 0]),
    ... )
    AttackResult(n_samples=2, found=1, already_wrong=1, median_distance=0.25, n_queries=40)
    """

    X_adv: Any
    distances: FloatArray
    success: BoolArray
    status: NDArray[np.str_]
    n_queries: IntArray
    found_by: NDArray[np.str_] = field(default_factory=lambda: np.empty(0, dtype="<U1"), repr=False)
    clean: Any = field(default=None, repr=False)
    resumable: object = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if len(self.found_by) != len(self.status):
            self.found_by = np.full(len(self.status), "")

    def within(self, eps: float) -> AttackResult:
        """Return what an attacker brings about who may move rows by at most `eps`.

        Parameters
        ----------
        eps : float
            Size of the moves, in the units of `distances`.

        Returns
        -------
        AttackResult
            In `X_adv` every row is within `eps`: those that are farther are the clean rows again,
            without success, with an infinite distance, and with the status "beyond_eps".

        Raises
        ------
        ValueError
            If `eps` is no distance, or the clean rows are not known, as in a result that was put
            together by hand.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn.linear_model import LogisticRegression
        >>> from specreg_sklearn.attacks import CGBA
        >>> X, y = load_iris(return_X_y=True)
        >>> model = LogisticRegression(max_iter=500).fit(X, y)
        >>> near = CGBA(max_queries=200).run(model, X[:100:5], y[:100:5], pool=X).within(2.0)
        >>> wrong = model.predict(near.X_adv) != y[:100:5]
        >>> bool((wrong == near.success).all() and (near.distances[wrong] <= 2.0).all())
        True
        """
        eps = check_eps(eps)
        if self.clean is None:
            raise ValueError(
                "This result does not know the clean rows, which take the place of rows beyond "
                "eps. Results of attacks do; AttackResult(..., clean=X) tells it by hand."
            )
        far = self.success & (self.distances > eps)
        X_adv = take_rows(self.X_adv, np.arange(len(far)))
        if far.any():
            X_adv = replace_rows(X_adv, far, take_rows(self.clean, np.flatnonzero(far)))
        return AttackResult(
            X_adv=X_adv,
            distances=np.where(far, np.inf, self.distances),
            success=self.success & ~far,
            status=np.where(far, "beyond_eps", self.status),
            n_queries=self.n_queries.copy(),
            found_by=np.where(far, "", self.found_by),
            clean=self.clean,
        )

    def __repr__(self) -> str:
        seen = Counter(self.status.tolist())
        parts = [f"n_samples={len(self.status)}"]
        parts += [f"{name}={count}" for name, count in seen.items()]
        if self.success.any():
            parts.append(f"median_distance={np.median(self.distances[self.success]):.4g}")
        parts.append(f"n_queries={int(self.n_queries.sum())}")
        return f"AttackResult({', '.join(parts)})"

    def _repr_html_(self) -> str:
        n = len(self.status)
        counts = "".join(
            f"<li>{count} of {n} rows: {escape(_MEANING.get(str(word), str(word)))}</li>"
            for word, count in Counter(self.status.tolist()).items()
        )
        columns = ("row", "status", "distance", "queries", "found by")
        head = "".join(f"<th>{name}</th>" for name in columns)
        lines = []
        for i in range(min(_SHOWN, n)):
            cells = [str(i), self.status[i], f"{self.distances[i]:.4g}", str(self.n_queries[i])]
            cells.append(self.found_by[i])
            lines.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
        more = f"<p>and {n - len(lines)} more</p>" if n > len(lines) else ""
        return (
            f"<div><p>{escape(repr(self))}</p><ul>{counts}</ul><table><thead><tr>{head}</tr>"
            f"</thead><tbody>{''.join(lines)}</tbody></table>{more}</div>"
        )
