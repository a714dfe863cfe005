"""Scores of labels: what a model answers for some rows, against the truth.

Each class is a question of its own: is a row of this class, and is it said to be? Accuracy, recall
and precision are shares of rows that such answers pick out, and f1 is a function of one. So a proof
bounds them, by the worst answers that it leaves possible, and they have intervals without
resampling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, NamedTuple, Protocol

import numpy as np

from specreg_sklearn._typing import BoolArray, FloatArray, IntArray
from specreg_sklearn.metrics.statistics._bootstrap import bootstrap_interval
from specreg_sklearn.metrics.statistics._proportions import (
    effective_rows,
    mean_interval,
    wilson_interval,
)
from specreg_sklearn.tables import LabelCoder, same_labels


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model says of rows, beside what is true.

    Parameters
    ----------
    truth, given : ndarray of shape (n_rows,)
        Labels.
    weight : ndarray of shape (n_rows,), float64
        What each row counts.
    """

    truth: np.ndarray
    given: np.ndarray
    weight: FloatArray

    def __len__(self) -> int:
        return len(self.truth)

    def take(self, rows: np.ndarray) -> Answers:
        """Return the answers for some of the rows."""
        return Answers(self.truth[rows], self.given[rows], self.weight[rows])

    def instead(self, given: np.ndarray) -> Answers:
        """Return other answers for the same rows."""
        return replace(self, given=given)

    @cached_property
    def right(self) -> BoolArray:
        """Rows whose answer is true, (n_rows,)."""
        return same_labels(self.truth, self.given) if len(self) else np.zeros(0, dtype=bool)


class _Questions(NamedTuple):
    """Whether rows are of each class, and whether they are said to be: (n_classes, n_rows)."""

    truth: BoolArray
    given: BoolArray

    def take(self, rows: IntArray) -> _Questions:
        return _Questions(self.truth[:, rows], self.given[:, rows])


class LabelMetric(Protocol):
    """A score of answers, with what is known of it."""

    @property
    def name(self) -> str:
        """What the user calls it."""

    def value(self, answers: Answers) -> float:
        """Return the score; NaN where there is nothing to score."""

    def proved(self, answers: Answers, right: BoolArray) -> float:
        """Return the least score of any answers that are true where `right` says so.

        NaN where no such bound is known.
        """

    def interval(self, answers: Answers, confidence: float) -> tuple[float, float]:
        """Return the interval of the score."""

    def proved_interval(
        self, answers: Answers, right: BoolArray, confidence: float
    ) -> tuple[float, float]:
        """Return the interval of what is proved."""

    def rows_of_share(self, answers: Answers) -> BoolArray | None:
        """Return the rows of which the score is the share that is right; None if it is no such."""


@dataclass(frozen=True, eq=False)
class Accuracy:
    """The share of rows whose answer is true."""

    name: str = "accuracy"

    def value(self, answers: Answers) -> float:
        """Return the share."""
        return _share(answers.right, np.ones(len(answers), dtype=bool), answers.weight)

    def proved(self, answers: Answers, right: BoolArray) -> float:
        """Return the share that is proved."""
        return _share(right, np.ones(len(answers), dtype=bool), answers.weight)

    def interval(self, answers: Answers, confidence: float) -> tuple[float, float]:
        """Return Wilson's interval."""
        return self.proved_interval(answers, answers.right, confidence)

    def proved_interval(
        self, answers: Answers, right: BoolArray, confidence: float
    ) -> tuple[float, float]:
        """Return Wilson's interval of what is proved."""
        every = np.ones(len(answers), dtype=bool)
        return _share_interval(right, every, answers.weight, confidence)

    def rows_of_share(self, answers: Answers) -> BoolArray:
        """Return all rows."""
        return np.ones(len(answers), dtype=bool)


@dataclass(frozen=True, eq=False)
class ClassMetric:
    """Recall, precision or f1 of one class, or their mean over several.

    Parameters
    ----------
    name : str
        As the user gave it.
    kind : {"recall", "precision", "f1"}
        What is computed for each class.
    classes : ndarray of shape (n_classes,)
        The labels that it is computed for.
    """

    name: str
    kind: str
    classes: np.ndarray

    @cached_property
    def _coder(self) -> LabelCoder:
        return LabelCoder(self.classes)

    def value(self, answers: Answers) -> float:
        """Return the mean over classes that have something to score."""
        return self._mean(self._asked(answers, answers.given), answers.weight)

    def proved(self, answers: Answers, right: BoolArray) -> float:
        """Return the mean of the least scores of each class by itself."""
        return self._mean(self._worst(answers, right), answers.weight)

    def interval(self, answers: Answers, confidence: float) -> tuple[float, float]:
        """Return the interval: of a share, of a mean of shares, or from resampled rows."""
        return self._interval(self._asked(answers, answers.given), answers.weight, confidence)

    def proved_interval(
        self, answers: Answers, right: BoolArray, confidence: float
    ) -> tuple[float, float]:
        """Return the interval of what is proved."""
        return self._interval(self._worst(answers, right), answers.weight, confidence)

    def rows_of_share(self, answers: Answers) -> BoolArray | None:
        """Return the rows of the class, if it is the recall of one."""
        if self.kind != "recall" or len(self.classes) > 1:
            return None
        return self._of_classes(answers.truth)[0]

    def _of_classes(self, labels: np.ndarray) -> BoolArray:
        """Return whether labels are those of the classes, (n_classes, n_rows)."""
        codes = self._coder.encode(labels)
        mine = self._coder.encode(self.classes)
        return np.asarray(codes == mine[:, None])

    def _asked(self, answers: Answers, given: np.ndarray) -> _Questions:
        return _Questions(self._of_classes(answers.truth), self._of_classes(given))

    def _worst(self, answers: Answers, right: BoolArray) -> _Questions:
        """Return answers to the question of each class that are wrong wherever they may be."""
        truth = self._of_classes(answers.truth)
        return _Questions(truth, np.where(right, truth, ~truth))

    def _shares(self, asked: _Questions) -> tuple[BoolArray, BoolArray]:
        """Return rows that count for each class, and those of them that count as good.

        f1 is ``2 J / (1 + J)``, where J is such a share: of the rows that are of the class or said
        to be, those that are both.
        """
        truth, given = asked
        rows = {"recall": truth, "precision": given, "f1": truth | given}[self.kind]
        return rows, truth & given

    def _scored(self, asked: _Questions, weight: FloatArray) -> IntArray:
        """Return classes with something to score; others say nothing."""
        some = asked.truth if self.kind == "recall" else asked.truth | asked.given
        return np.flatnonzero((some & (weight > 0)).any(axis=1))

    def _mean(self, asked: _Questions, weight: FloatArray) -> float:
        rows, good = self._shares(asked)
        places = self._scored(asked, weight)
        shares = [_share(good[k], rows[k], weight, nothing=0.0) for k in places]
        return float(np.mean(self._from_shares(np.array(shares)))) if shares else np.nan

    def _interval(
        self, asked: _Questions, weight: FloatArray, confidence: float
    ) -> tuple[float, float]:
        rows, good = self._shares(asked)
        places = self._scored(asked, weight)
        if not len(places):
            return np.nan, np.nan
        if (rows[places].sum(axis=0) > 1).any():
            # Rows that count for two classes tie their scores to each other.
            return bootstrap_interval(
                lambda some: self._mean(asked.take(some), weight[some]), len(weight), confidence
            )
        shares = np.array([_share(good[k], rows[k], weight, nothing=0.0) for k in places])
        ends = [_share_interval(good[k], rows[k], weight, confidence) for k in places]
        lows, highs = np.array(ends).T
        if len(places) == 1:
            low, high = self._from_shares(lows), self._from_shares(highs)
            return float(low[0]), float(high[0])
        shares = self._from_shares(shares)
        return mean_interval(shares, self._from_shares(lows), self._from_shares(highs))

    def _from_shares(self, shares: FloatArray) -> FloatArray:
        return 2 * shares / (1 + shares) if self.kind == "f1" else shares


@dataclass(frozen=True, eq=False)
class OwnMetric:
    """A function of the user's, ``(y_true, y_pred) -> float``."""

    name: str
    function: Callable[..., Any]
    weighted: bool

    def value(self, answers: Answers) -> float:
        """Return what the function says; with weights if it takes them."""
        function = self.function
        if self.weighted:
            function = partial(function, sample_weight=answers.weight)
        value = function(answers.truth, answers.given)
        if np.ndim(value) != 0 or np.asarray(value).dtype.kind not in "biuf":
            raise TypeError(
                f"metric={self.name} returned {value!r}; accepted: one number for (y_true, y_pred)."
            )
        return float(value)

    def proved(self, answers: Answers, right: BoolArray) -> float:
        """Return NaN: nobody knows which answers are worst for a function."""
        return np.nan

    def interval(self, answers: Answers, confidence: float) -> tuple[float, float]:
        """Return the interval from resampled rows."""
        return bootstrap_interval(
            lambda rows: self.value(answers.take(rows)), len(answers), confidence
        )

    def proved_interval(
        self, answers: Answers, right: BoolArray, confidence: float
    ) -> tuple[float, float]:
        """Return NaN twice."""
        return np.nan, np.nan

    def rows_of_share(self, answers: Answers) -> None:
        """Return None: the function may be anything."""


def _share(good: BoolArray, rows: BoolArray, weight: FloatArray, nothing: float = np.nan) -> float:
    """Return the weighted share of some rows that are good; `nothing` if there are none."""
    total = float(weight[rows].sum())
    return float(weight[rows & good].sum()) / total if total > 0 else nothing


def _share_interval(
    good: BoolArray, rows: BoolArray, weight: FloatArray, confidence: float
) -> tuple[float, float]:
    share = _share(good, rows, weight, nothing=0.0)
    low, high = wilson_interval(min(share, 1.0), effective_rows(weight[rows]), confidence)
    return float(low), float(high)
