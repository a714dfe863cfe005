"""Support vector machines and Gaussian processes, in the form of all proofs of distances."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from specreg_sklearn._typing import BoolArray, Classifier, FloatArray, IntArray
from specreg_sklearn.certificates.distances import register_distance_prover
from specreg_sklearn.certificates.kernels._expansions import (
    Kernel,
    PolynomialKernel,
    RadialKernel,
    SigmoidKernel,
)
from specreg_sklearn.certificates.kernels._gaussian_process import latent_expansion
from specreg_sklearn.certificates.kernels._margins import Expansion, Margin
from specreg_sklearn.certificates.kernels._signs_of_sums import proof_by_class, proof_of_sums
from specreg_sklearn.certificates.moves import LocalProof, ModelRows, MoveProver, largest_radius
from specreg_sklearn.certificates.pipelines import NoCertificateError

if TYPE_CHECKING:
    from sklearn.svm import SVC, NuSVC


class SupportVectorProver(MoveProver):
    """Votes of pairs of classes, each a sum of kernels."""

    name = "kernels"

    def __init__(self, estimator: Classifier) -> None:
        super().__init__(estimator)
        step = self.last
        self.pairs = machine_pairs(step)
        if step.break_ties and len(self.classes) > 2:
            raise NoCertificateError(
                f"{type(step).__name__}(break_ties=True) has no certificate: it decides by sums of "
                "confidences, not by votes."
            )

    def local_proof(
        self, rows: ModelRows, own: IntArray, box: tuple[FloatArray, FloatArray], max_nodes: int
    ) -> LocalProof:
        """Return lower bounds, and moves to where a pair of classes changes its winner."""
        n, n_classes = len(rows), len(self.classes)
        lower, move = np.zeros(n), np.full((n, rows.slope.shape[1]), np.nan)
        n_nodes = np.zeros(n, dtype=np.int64)
        for k in np.unique(own).tolist():
            some = np.flatnonzero(own == k)
            # A class that wins against each of the others has the most votes.
            against_others = [
                pair if i == k else pair.negative()
                for (i, j), pair in self.pairs.items()
                if k in (i, j)
            ]
            ends = box[0][some], box[1][some]
            found = proof_of_sums(against_others, rows.take(some), ends, max_nodes)
            lower[some], move[some], n_nodes[some] = found
            lost = some[lower[some] == 0]
            if len(lost) and n_classes > 2:
                lower[lost] = self._by_votes(rows.take(lost), k)
        return LocalProof(lower, move, n_nodes)

    def _by_votes(self, rows: ModelRows, own: int) -> FloatArray:
        """Return distances within which a class wins that lost against another one."""
        margins = [
            (i, j, Margin(pair, rows), Margin(pair.negative(), rows))
            for (i, j), pair in self.pairs.items()
        ]

        def holds(radius: FloatArray) -> BoolArray:
            return _wins(own, len(self.classes), margins, radius)

        return largest_radius(holds, len(rows))


def _wins(
    own: int,
    n_classes: int,
    margins: list[tuple[int, int, Margin, Margin]],
    radius: FloatArray,
) -> BoolArray:
    """Return whether a class has the most votes, whatever happens within distances."""
    sure = np.zeros((n_classes, len(radius)))
    possible = np.zeros((n_classes, len(radius)))
    for i, j, first, second in margins:
        first_wins, second_wins = first.lowest(radius) > 0, second.lowest(radius) > 0
        sure[i] += first_wins
        possible[i] += ~second_wins
        sure[j] += second_wins
        possible[j] += ~first_wins
    # In a tie of votes the first class wins; that of two classes is one vote.
    ties = np.where(np.arange(n_classes) < own, 0.5, -0.5)[:, None]
    rest = np.delete(possible + ties, own, axis=0)
    return np.asarray(sure[own] > rest.max(axis=0, initial=-1.0))


def _kernel(step: SVC | NuSVC) -> Kernel:
    """Return the kernel of a fitted machine."""
    name = step.kernel
    if (step._sparse and name == "precomputed") or callable(name) or name == "precomputed":
        raise NoCertificateError(
            f"{type(step).__name__}(kernel={name!r}) has no certificate: nothing is known of the "
            "kernel. Accepted are 'linear', 'poly', 'rbf' and 'sigmoid'."
        )
    gamma, offset = float(step._gamma), float(step.coef0)
    if name == "rbf":
        return RadialKernel(gamma)
    if name == "poly":
        if int(step.degree) != step.degree or step.degree < 1:
            raise NoCertificateError(
                f"{type(step).__name__}(degree={step.degree!r}) has no certificate; give a whole "
                "number of at least 1."
            )
        return PolynomialKernel(gamma, offset, int(step.degree))
    if name == "sigmoid":
        return SigmoidKernel(gamma, offset)
    return PolynomialKernel(1.0, 0.0, 1)


def machine_pairs(step: SVC | NuSVC) -> dict[tuple[int, int], Expansion]:
    """Return, for each pair of classes, the function that is positive where the first one wins."""
    kernel, centre = _kernel(step), _dense(step.support_vectors_)
    dual, n_support = _dense(step._dual_coef_), step._n_support
    begins = np.concatenate([[0], np.cumsum(n_support)])
    out, count = {}, 0
    for i in range(len(n_support)):
        for j in range(i + 1, len(n_support)):
            mine = np.arange(begins[i], begins[i + 1])
            theirs = np.arange(begins[j], begins[j + 1])
            weight = np.concatenate([dual[j - 1, mine], dual[i, theirs]])
            some = np.concatenate([mine, theirs])
            intercept = float(step._intercept_[count])
            out[i, j] = Expansion(kernel, centre[some], weight, intercept, np.abs(weight))
            count += 1
    return out


def _dense(X: Any) -> FloatArray:
    return np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=np.float64)


class GaussianProcessProver(MoveProver):
    """The sign of the latent mean, a sum of kernels; two classes."""

    name = "kernels"

    def __init__(self, estimator: Classifier) -> None:
        super().__init__(estimator)
        if len(self.classes) != 2:
            raise NoCertificateError(
                "GaussianProcessClassifier has no certificate for more than two classes: it "
                "compares probabilities that integrate over the variance of each latent function. "
                "Wrap a binary one in OneVsOneClassifier."
            )
        self.units, self.expansion = latent_expansion(self.last.base_estimator_)

    def local_proof(
        self, rows: ModelRows, own: IntArray, box: tuple[FloatArray, FloatArray], max_nodes: int
    ) -> LocalProof:
        """Return lower bounds, and moves to where the sign changes."""
        rows = rows.divided(self.units)
        functions = {1: [self.expansion], 0: [self.expansion.negative()]}
        return proof_by_class(functions, rows, own, box, max_nodes)


class LabelSpreadingProver(MoveProver):
    """Sums of kernels, one for each class, each point weighted by the share of its label."""

    name = "kernels"

    def __init__(self, estimator: Classifier) -> None:
        super().__init__(estimator)
        step = self.last
        if step.kernel != "rbf":
            raise NoCertificateError(
                f"{type(step).__name__}(kernel={step.kernel!r}) has no certificate; take 'rbf'."
            )
        self.centre = _dense(step.X_)
        self.shares = np.asarray(step.label_distributions_, dtype=np.float64)
        self.kernel = RadialKernel(float(step.gamma))

    def local_proof(
        self, rows: ModelRows, own: IntArray, box: tuple[FloatArray, FloatArray], max_nodes: int
    ) -> LocalProof:
        """Return lower bounds, and moves to where another sum is as large."""
        functions = {
            k: [self._difference(k, j) for j in range(self.shares.shape[1]) if j != k]
            for k in np.unique(own).tolist()
        }
        return proof_by_class(functions, rows, own, box, max_nodes)

    def _difference(self, own: int, other: int) -> Expansion:
        mine, theirs = self.shares[:, own], self.shares[:, other]
        # Each sum is divided by that of all classes, which rounds once more.
        size = 2 * self.shares.sum(axis=1) + mine + theirs
        return Expansion(self.kernel, self.centre, mine - theirs, 0.0, size)


@register_distance_prover("sklearn.svm._classes.SVC", "sklearn.svm._classes.NuSVC")
def prove_support_vectors(estimator: Classifier, X: Any) -> SupportVectorProver:
    """Return the proof of a support vector machine."""
    return SupportVectorProver(estimator)


@register_distance_prover(
    "sklearn.semi_supervised._label_propagation.LabelPropagation",
    "sklearn.semi_supervised._label_propagation.LabelSpreading",
)
def prove_label_spreading(estimator: Classifier, X: Any) -> LabelSpreadingProver:
    """Return the proof of a classifier that spreads labels by kernels."""
    return LabelSpreadingProver(estimator)


@register_distance_prover("sklearn.gaussian_process._gpc.GaussianProcessClassifier")
def prove_gaussian_process(estimator: Classifier, X: Any) -> GaussianProcessProver:
    """Return the proof of a Gaussian process with two classes."""
    return GaussianProcessProver(estimator)
