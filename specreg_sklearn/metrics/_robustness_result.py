"""What is known of a score under attack: the number, its interval, and the rows behind it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.attacks import AttackResult
from specreg_sklearn.metrics._moved_columns import frame_of_lines, moved_columns
from specreg_sklearn.metrics._row_groups import row_groups
from specreg_sklearn.metrics.measurement import Sample
from specreg_sklearn.metrics.statistics import Answers, LabelMetric, check_confidence
from specreg_sklearn.space import as_norm
from specreg_sklearn.tables import LabelCoder, as_table, check_eps, same_labels, take_rows

if TYPE_CHECKING:
    import pandas

_DECIDED = ("not_found", "certified")
_COLUMNS = ("eps", "clean", "score", "low", "high", "proved", "n_rows", "undecided")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class RobustnessScore:
    """A score of a classifier whose rows an attacker moves, and what it rests on.

    Made by :func:`robustness_score` with ``as_frame=True``.

    Parameters
    ----------
    eps : ndarray of shape (n_eps,), float64
        Sizes of the moves, increasing.
    metric : str
        The name of the score.
    norm : {0, 1, 2, inf}
        The norm of the moves.
    y_true, y_pred, y_adv : ndarray of shape (n_rows,)
        True labels; predictions for the clean rows, and for those of `found`.
    found : AttackResult
        The nearest rows that are known, with `distances`, `status`, `n_queries`, `found_by`.
    radii : ndarray of shape (n_rows,), float64
        Distances within which a row is proved to stay right; 0 where it is not.
    places : ndarray of shape (n_rows,), int
        Positions of the measured rows in the `X` that was passed.
    weight : ndarray of shape (n_rows,), float64
        What each row counts. Not all the same where there are sample weights, or rows of a rare
        class were taken more often than their share; their mean is 1.
    all_labels : ndarray of shape (n_samples,)
        True labels of all rows of the `X` that was passed.
    unproved : str
        Why nothing is proved; empty if something is.
    seconds : float
        How long proof and attack took.
    groups : ndarray of shape (n_rows,) or None
        What `to_frame` has lines for beside all rows.
    confidence : float
        That of the intervals in tables.
    label_metric : object
        What computes the score from labels.

    Notes
    -----
    **What the attacker wants** is a wrong label for every row that is classified right, whichever
    it is; rows that are wrong are left as they are. The answers so brought about are possible ones,
    so that `score` is an upper bound of what an attacker may make of any metric who has it as the
    aim. For accuracy, balanced accuracy and recall there is nothing better to do; with two classes
    the same is true of precision and f1. With more classes the label that a row gets matters to
    these two, and to a function of the user's anything may.

    `proved` is a lower bound: the least score of all answers that the proofs leave possible, class
    by class. The proved share of right rows bounds accuracy, and no other metric: precision falls
    as well by rows of other classes that join. It is NaN for functions.

    Intervals are about other rows of the same kind, attacked in the same way. They say nothing of
    what a stronger attack would find.
    """

    eps: FloatArray
    metric: str
    norm: float
    y_true: np.ndarray
    y_pred: np.ndarray
    y_adv: np.ndarray
    found: AttackResult
    radii: FloatArray
    places: IntArray
    weight: FloatArray
    all_labels: np.ndarray
    unproved: str
    seconds: float
    groups: NDArray[np.object_] | None = None
    confidence: float = 0.95
    label_metric: LabelMetric = field(repr=False)

    def __len__(self) -> int:
        return len(self.y_true)

    @property
    def n_total(self) -> int:
        """How many rows the `X` that was passed has."""
        return len(self.all_labels)

    @property
    def distances(self) -> FloatArray:
        """Distances of the nearest rows that are misclassified, (n_rows,); inf without one."""
        return self.found.distances

    @property
    def status(self) -> NDArray[np.str_]:
        """One word per row, (n_rows,), as in :class:`~specreg_sklearn.attacks.AttackResult`."""
        return self.found.status

    @property
    def n_queries(self) -> IntArray:
        """Rows sent to ``predict`` on behalf of each row, (n_rows,)."""
        return self.found.n_queries

    @cached_property
    def right(self) -> BoolArray:
        """Rows that are classified right as they stand, (n_rows,)."""
        return same_labels(self.y_true, self.y_pred)

    @cached_property
    def undecided(self) -> BoolArray:
        """Rows, (n_rows,), that count as withstanding because nobody knows better."""
        unknown = ~self.found.success & ~np.isin(self.status, _DECIDED)
        return np.asarray(self.right & unknown)

    @cached_property
    def clean(self) -> float:
        """The score of the clean rows."""
        return self.label_metric.value(self._clean)

    @cached_property
    def score(self) -> FloatArray:
        """The score under attack at each size, (n_eps,): an upper bound."""
        return np.array([self.label_metric.value(self._answers(eps)) for eps in self.eps])

    @cached_property
    def proved(self) -> FloatArray:
        """What is proved of the score at each size, (n_eps,): a lower bound; NaN without one."""
        proved = [self.label_metric.proved(self._clean, self._safe(eps)) for eps in self.eps]
        return np.where(self._has_proof, proved, np.nan)

    def sampled(self) -> pandas.DataFrame:
        """Return which rows were measured, class by class.

        Returns
        -------
        DataFrame
            `label`, the rows of each class in `X`, `n_total`, those that were measured, `n_rows`,
            and what one of these counts on average, `weight`.
        """
        labels = LabelCoder(self.all_labels)
        every, mine = labels.encode(self.all_labels), labels.encode(self.y_true)
        n = labels.n_classes
        n_rows = np.bincount(mine, minlength=n)
        sums = np.bincount(mine, self.weight, minlength=n)
        weight = np.divide(sums, n_rows, out=np.full(n, np.nan), where=n_rows > 0)
        columns = {
            "label": labels.known,
            "n_total": np.bincount(every, minlength=n).tolist(),
            "n_rows": n_rows.tolist(),
            "weight": weight.tolist(),
        }
        return frame_of_lines(columns, "sampled")

    def predictions(self, eps: float) -> np.ndarray:
        """Return the predictions that the attacker brings about who may move rows by `eps`.

        Parameters
        ----------
        eps : float
            Size of the moves.

        Returns
        -------
        ndarray of shape (n_rows,)
            Labels: those of the clean rows, or of rows within `eps` that are misclassified.
        """
        near = self.right & (self.distances <= check_eps(eps))
        return np.where(near, self.y_adv, self.y_pred)

    def within(self, eps: float) -> AttackResult:
        """Return the rows that bring it about: see :meth:`AttackResult.within`."""
        return self.found.within(eps)

    def interval(
        self, confidence: float | None = None, *, of: Literal["score", "proved"] = "score"
    ) -> FloatArray:
        """Return the interval of the score, or of what is proved, at each size.

        Parameters
        ----------
        confidence : float or None, default=None
            How often such an interval contains the score of all rows; None is that of the result.
        of : {"score", "proved"}, default="score"
            Which of the two.

        Returns
        -------
        ndarray of shape (n_eps, 2)
            Ends. Wilson's for accuracy and for recall and precision of one class, and for f1 the
            same of the share that it is a function of; Zou and Donner's for means of recall or
            precision; of 999 resamples (BCa) for the rest. NaN where all resamples agree, or
            nothing is known.
        """
        level = check_confidence(self.confidence if confidence is None else confidence)
        if of not in ("score", "proved"):
            raise ValueError(f"of={of!r} is not accepted; give 'score' or 'proved'.")
        metric = self.label_metric
        if of == "score":
            ends = [metric.interval(self._answers(eps), level) for eps in self.eps]
            return np.array(ends).reshape(-1, 2)
        ends = [metric.proved_interval(self._clean, self._safe(eps), level) for eps in self.eps]
        return np.where(self._has_proof[:, None], np.array(ends).reshape(-1, 2), np.nan)

    def by(self, by: object) -> pandas.DataFrame:
        """Return the table for groups of rows, without another attack.

        Parameters
        ----------
        by : "class", column of X, or array-like of shape (n_samples,)
            As in :func:`robustness_score`.

        Returns
        -------
        DataFrame
            As :meth:`to_frame` returns it.
        """
        sample = Sample(self.found.clean, self.y_true, self.places, self.weight)
        return replace(self, groups=row_groups(by, sample, self.n_total)).to_frame()

    def moved(self, eps: float | None = None) -> pandas.DataFrame:
        """Return which columns the attack moved, and how far, in the units of `X`.

        Parameters
        ----------
        eps : float or None, default=None
            Only rows that are fooled within `eps`; None is the largest of the sizes.

        Returns
        -------
        DataFrame
            `column`; `share_moved`, of the fooled rows; `median_move`, with its sign,
            `median_size` and `largest_size` of the moves; `share_up`, of moves. NaN for columns
            that hold no numbers.
        """
        size = float(self.eps[-1]) if eps is None else check_eps(eps)
        fooled = np.flatnonzero(self.right & (self.distances <= size))
        both = as_table(self.found.clean), as_table(self.found.X_adv)
        return frame_of_lines(moved_columns(*both, fooled, self.weight), "moved")

    def to_frame(self) -> pandas.DataFrame:
        """Return a line for each size, and for each group and all rows where there are groups.

        Returns
        -------
        DataFrame
            `eps`, `clean`, `score`, `low` and `high` (its interval), `proved`, `n_rows`,
            `undecided`; with groups `group` in front.
        """
        return frame_of_lines(self._lines(), "to_frame")

    def take(self, rows: np.ndarray) -> RobustnessScore:
        """Return the result of some of the measured rows, by their numbers among these."""
        found, some = self.found, np.asarray(rows)
        part = AttackResult(
            X_adv=take_rows(found.X_adv, some),
            distances=found.distances[some],
            success=found.success[some],
            status=found.status[some],
            n_queries=found.n_queries[some],
            found_by=found.found_by[some],
            clean=take_rows(found.clean, some),
        )
        arrays = ("y_true", "y_pred", "y_adv", "radii", "places", "weight")
        taken: dict[str, Any] = {name: getattr(self, name)[some] for name in arrays}
        return replace(self, found=part, groups=None, **taken)

    @cached_property
    def _clean(self) -> Answers:
        return Answers(self.y_true, self.y_pred, self.weight)

    @cached_property
    def _has_proof(self) -> BoolArray:
        return (self.eps == 0) | (self.unproved == "")

    def _answers(self, eps: float) -> Answers:
        return self._clean.instead(self.predictions(eps))

    def _safe(self, eps: float) -> BoolArray:
        """Return rows that are right and proved to stay so."""
        return np.asarray(self.right & ((self.radii > eps) | (eps == 0)))

    def _lines(self) -> dict[str, list[Any]]:
        if self.groups is None:
            return self._own_lines()
        parts = [(word, np.flatnonzero(self.groups == word)) for word in _in_order(self.groups)]
        tables = [(word, self.take(rows)._own_lines()) for word, rows in parts]
        tables.append(("all", replace(self, groups=None)._own_lines()))
        out: dict[str, list[Any]] = {"group": []}
        out |= {name: [] for name in _COLUMNS}
        for word, lines in tables:
            out["group"] += [word] * len(self.eps)
            for name in _COLUMNS:
                out[name] += lines[name]
        return out

    def _own_lines(self) -> dict[str, list[Any]]:
        low, high = self.interval().T
        n = len(self.eps)
        lines = (
            self.eps.tolist(),
            [self.clean] * n,
            self.score.tolist(),
            low.tolist(),
            high.tolist(),
            self.proved.tolist(),
            [len(self)] * n,
            [int(self.undecided.sum())] * n,
        )
        return dict(zip(_COLUMNS, lines, strict=True))

    def __repr__(self) -> str:
        low, high = self.interval().T
        shown = [
            f"{score:.3f} [{a:.3f}, {b:.3f}] at eps={eps:g}"
            for eps, score, a, b in zip(self.eps, self.score, low, high, strict=True)
        ]
        shown = shown if len(shown) <= 3 else [*shown[:2], "...", shown[-1]]
        parts = [
            f"metric={self.metric!r}",
            f"norm={self.norm:g}",
            f"n_rows={len(self)} of {self.n_total}",
            f"clean={self.clean:.3f}",
            *shown,
            f"undecided={int(self.undecided.sum())}",
            f"n_queries={int(self.n_queries.sum())}",
            f"seconds={self.seconds:.2g}",
        ]
        return f"RobustnessScore({', '.join(parts)})"

    def _repr_html_(self) -> str:
        lines = self._lines()
        head = "".join(f"<th>{escape(name)}</th>" for name in lines)
        rows = "".join(
            "<tr>" + "".join(f"<td>{escape(_cell(cell))}</td>" for cell in row) + "</tr>"
            for row in zip(*lines.values(), strict=True)
        )
        unproved = f"<p>Nothing is proved: {escape(self.unproved)}</p>" if self.unproved else ""
        return (
            f"<div><p>{escape(self.metric)} under attack ({as_norm(self.norm).name}), "
            f"{len(self)} of {self.n_total} rows</p><table><thead><tr>{head}</tr></thead>"
            f"<tbody>{rows}</tbody></table>{unproved}</div>"
        )


def _in_order(groups: NDArray[np.object_]) -> list[str]:
    """Return the groups once each: numbers and their ranges by size, words by the alphabet."""

    def size(word: str) -> tuple[bool, float, str]:
        try:
            return False, float(word.strip("[](").split(",")[0]), word
        except ValueError:
            return True, 0.0, word

    return sorted(set(groups.tolist()), key=size)


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
