"""Attacks on rows of many columns: images of 28 x 28 pixels, and counts of 2,000 words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from torch import nn

from benchmarks.attacks._near_truth import found_by, has_data
from benchmarks.attacks._runs import art
from benchmarks.common import Problem, Report, foot_in_box, nearest_by_gradients
from benchmarks.loaders import load_mnist
from specreg_sklearn import FeatureSpace

N_IMAGES = {"dense": 30, "conv": 20}
N_TRAIN, N_POOL, N_EPOCHS = 6000, 1000, 8
# Median distance over the floor that gradients find, by queries.
BARS = {250: 1.7, 1000: 1.32, 5000: 1.15}
ART_ROWS = 5
N_WORDS, N_TEXTS, WORDS_A_TEXT = 2000, 1500, 30


class Network:
    """A torch module as a classifier of images, flat or not, in float64."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module.double().eval()

    def scores(self, X: torch.Tensor) -> torch.Tensor:
        """Return one score per class."""
        return self.module(X.reshape(len(X), 1, 28, 28))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Return the class with the largest score."""
        with torch.no_grad():
            rows = torch.as_tensor(np.asarray(X, dtype=np.float64))
            return self.scores(rows).argmax(dim=1).numpy()


def images(report: Report, repeats: int) -> None:
    """MNIST: a dense and a convolutional network, distance over what gradients find."""
    if not has_data():
        return
    train, test = load_mnist(), load_mnist(subset="test")
    pool = test.images[:N_POOL].astype(np.float64)
    rows = []
    for kind, n_rows in N_IMAGES.items():
        network = _trained(kind, train.images[:N_TRAIN], train.target[:N_TRAIN])
        # Rows of shape (1, 28, 28): attacks see that their columns are pixels.
        problem = Problem.of_right_rows(
            "MNIST", kind, network, pool, test.target[:N_POOL], 0.0, 1.0, n_rows
        )
        flat, flat_pool = (a.reshape(len(a), -1) for a in (problem.X, pool))
        starts = _nearest_rows(flat, problem.y, flat_pool, problem.pool_labels, n_starts=3)
        best = nearest_by_gradients(network.scores, flat, problem.y, starts, lo=0.0, hi=1.0)
        for attack in ("auto", "hop_skip_jump", "tangent"):
            for budget, bar in BARS.items():
                result = found_by(problem, 2, budget, attack)
                assert result is not None
                ratio = result.distances / best
                rows.append(_line(f"{problem.name}: {attack}, {budget} queries", ratio))
                if attack == "auto":
                    report.figure(
                        f"{problem.name}: CGBA / floor of gradients, {budget} queries, median",
                        float(np.median(ratio)),
                        "<=",
                        bar,
                        detail=f"{len(ratio)} rows, from {ratio.min():.2f} to {ratio.max():.2f}",
                    )
        rows.append(_art_line(problem, best))
    report.table(
        "MNIST: distance / what gradients find",
        "784-256-10 and a small convolutional network; the floor is the best of four descents.",
        ("attack", "rows", "median", "p90", "largest"),
        rows,
    )


def texts(report: Report, repeats: int) -> None:
    """Linear model on 2,000 columns of weighted word counts, whose distances are known."""
    X, y = _word_counts()
    model = LogisticRegression(C=10.0, max_iter=1000).fit(X[:1000], y[:1000])
    rows = 1000 + np.flatnonzero(model.predict(X[1000:]) == y[1000:])[:20]
    # The nearest point of the plane inside the box: words cannot occur less than never.
    width = np.linalg.norm(model.coef_)
    side = np.where(model.decision_function(X[rows]) > 0, -1.0, 1.0)[:, None]
    normal = side * model.coef_ / width
    on_plane = -model.intercept_[0] / width * model.coef_ / width
    lo, hi = X.min(axis=0), X.max(axis=0)
    foot = foot_in_box(X[rows], np.repeat(on_plane, len(rows), axis=0), normal, lo, hi)
    exact = np.linalg.norm(foot - X[rows], axis=1)
    space = FeatureSpace.from_data(X, scale=None)
    problem = Problem("words", "linear model", model, X[rows], y[rows], X[1000:], lo, hi)
    for budget, bar in ((1000, None), (5000, 1.5)):
        for attack in ("auto", "hop_skip_jump"):
            result = found_by(problem, 2, budget, attack, space=space)
            assert result is not None
            ratio = result.distances / exact
            report.figure(
                f"linear model, {N_WORDS} columns of words: {attack} / exact, {budget} queries, "
                "median",
                float(np.median(ratio)),
                "<=",
                bar if attack == "auto" else None,
                detail=f"from {ratio.min():.3f} to {ratio.max():.3f}",
                form=".3f",
            )


def _trained(kind: str, X: np.ndarray, y: np.ndarray) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "dense":
            module = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
        else:
            module = nn.Sequential(
                nn.Conv2d(1, 8, 5, stride=2, padding=2),
                nn.ReLU(),
                nn.Conv2d(8, 16, 5, stride=2, padding=2),
                nn.ReLU(),
                nn.Flatten(),
                nn.Linear(16 * 49, 10),
            )
        optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
        rows, labels = torch.as_tensor(X, dtype=torch.float32), torch.as_tensor(y)
        for _ in range(N_EPOCHS):
            for batch in torch.randperm(len(rows)).split(64):
                optimizer.zero_grad()
                nn.functional.cross_entropy(module(rows[batch]), labels[batch]).backward()
                optimizer.step()
    return Network(module)


def _nearest_rows(
    X: np.ndarray, y: np.ndarray, pool: np.ndarray, labels: np.ndarray, *, n_starts: int
) -> list[np.ndarray]:
    """Return for each row the nearest rows of the pool with another label."""
    apart = np.linalg.norm(X[:, None, :] - pool, axis=2)
    apart[y[:, None] == labels] = np.inf
    order = np.argsort(apart, axis=1)[:, :n_starts]
    return [pool[order[:, k]] for k in range(n_starts)]


def _art_line(problem: Problem, best: np.ndarray) -> tuple[str, ...]:
    flat, pool = (a.reshape(len(a), -1) for a in (problem.X, problem.pool))
    few = replace(problem, X=flat, pool=pool).first(ART_ROWS)
    theirs = art(few, "HopSkipJump", max_iter=20, init_eval=10)
    title = f"{problem.name}: ART HopSkipJump, {theirs.queries:.0f} queries"
    return _line(title, theirs.distances / best[:ART_ROWS])


def _line(name: str, ratio: np.ndarray) -> tuple[str, ...]:
    return (
        name,
        f"{len(ratio)}",
        f"{np.median(ratio):.3f}",
        f"{np.quantile(ratio, 0.9):.3f}",
        f"{ratio.max():.2f}",
    )


def _word_counts() -> tuple[np.ndarray, np.ndarray]:
    """Return weighted counts of words whose frequencies fall as one over their rank."""
    rng = np.random.default_rng(0)
    y = np.arange(N_TEXTS) % 2
    common = 1 / np.arange(1, N_WORDS + 1)
    lean = np.exp(0.5 * rng.normal(size=(2, N_WORDS)))
    share = common * lean
    share /= share.sum(axis=1, keepdims=True)
    counts = np.array([rng.multinomial(WORDS_A_TEXT, share[label]) for label in y])
    return TfidfTransformer().fit_transform(counts).toarray(), y
