"""Transfer: an encoder of the digits 0 to 4, frozen, and a new readout for the digits 5 to 9.

What the penalty up to the features is made for: the readout it leaves alone is thrown away. The
last recipes also train the encoder on the worst rows nearby, as the second paper does.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from benchmarks.loaders import load_mnist
from benchmarks.reproduce.protocol import (
    PLAIN,
    RECIPE,
    Candidate,
    Comparison,
    Figures,
    ProbeTask,
    Rows,
    Section,
    Settings,
    Split,
    compare_encoders,
    comparison_section,
    gain_of,
    gradient_distances,
    grids,
    network,
    outcome_line,
    run_jobs,
    seeds_table,
    with_probe,
)
from specreg_sklearn.objectives import Adversarial

EPOCHS = 20
N_SOURCE, N_TARGET, N_VALIDATION = 10_000, 2000, 4000
ALPHAS = (1e-4, 1e-3, 1e-2)
# The best recipe that we know, with the library's strength of the penalty; what is searched is the
# epsilon of adversarial training.
TRAINED, PENALTY_STRENGTH, STEPS = " + adversarial", 1e-2, 3
ROBUST = RECIPE + TRAINED
# Shown beside it: what the decay adds to the other penalty, and what the penalty adds to the rest.
ALL_LAYERS_TOO, NO_PENALTY = "ll_spectral + decay", f"{PLAIN} + decay{TRAINED}"
OURS = (RECIPE, ALL_LAYERS_TOO, NO_PENALTY, ROBUST)
DATA = (
    "Source: {source:,} rows of {data} with digits 0 to 4. Target: digits 5 to 9, {target:,} rows "
    "to fit the readout on, others for validation and test; all rows but the test rows of MNIST "
    "are drawn anew for each seed. Encoder {shape}, ReLU, Adam, learning rate 1e-3, batch 128, "
    "{epochs} epochs, frozen. Where it says adversarial, the encoder is trained on the worst rows "
    "within a radius, which is what its strength says (L2, {steps} steps, penalty {alpha:g}). "
    "Readout: RobustLinearProbe whose epsilon is 0, 0.5, 1 or 1.5 standard deviations of the "
    "features, chosen together with the strength, for every encoder. The whole pipeline is "
    "attacked, in pixels."
)


def mnist_source(seed: int) -> Rows:
    """Return rows of the digits 0 to 4."""
    X, y = load_mnist(subset="train", return_X_y=True)
    chosen = np.random.default_rng(seed).permutation(np.flatnonzero(y < 5))[:N_SOURCE]
    return X[chosen], y[chosen]


def mnist_target(seed: int) -> Split:
    """Return rows of the digits 5 to 9."""
    X, y = load_mnist(subset="train", return_X_y=True)
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(y >= 5))
    fit, rest = rows[:N_TARGET], rows[N_TARGET : N_TARGET + N_VALIDATION]
    X_test, y_test = load_mnist(subset="test", return_X_y=True)
    test = X_test[y_test >= 5], y_test[y_test >= 5]
    return Split((X[fit], y[fit]), (X[rest], y[rest]), test, refit=False)


def digits_source(seed: int) -> Rows:
    """Return scikit-learn's digits 0 to 4."""
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype("float32")
    return X[y < 5], y[y < 5]


def digits_target(seed: int) -> Split:
    """Return scikit-learn's digits 5 to 9."""
    X, y = load_digits(return_X_y=True)
    X, y = (X[y >= 5] / 16).astype("float32"), y[y >= 5]
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.4, stratify=y, random_state=seed)
    X, X_val, y, y_val = train_test_split(X, y, test_size=0.4, stratify=y, random_state=seed)
    return Split((X, y), (X_val, y_val), (X_test, y_test), refit=False)


def build(width: int, epochs: int, candidate: Candidate, seed: int) -> Any:
    """Return the encoder of a candidate, trained on the worst rows nearby where its name says so.

    The strength is then the epsilon of that training.
    """
    base, trained, _ = candidate.regulariser.partition(TRAINED)
    settings: dict[str, Any] = {"epochs": epochs, "hidden_layer_sizes": width}
    if not trained:
        return network(candidate, seed, **settings)
    worst = Adversarial(epsilon=candidate.strength, norm=2, n_steps=STEPS, feature_range=(0, 1))
    return network(Candidate(base, PENALTY_STRENGTH), seed, objective=worst, **settings)


def run(settings: Settings) -> Section:
    """Compare the regularisers by their features, then probes on the features."""
    task, data, remarks = _task(settings)
    outcome = compare_encoders(task, settings)
    section = comparison_section(
        "transfer", "Transfer from digits 0-4 to digits 5-9", data, task, outcome
    )
    _bars(section, outcome)
    section.remarks += [outcome_line(outcome), *remarks]
    _compare_probes(section, task, outcome, settings)
    return section


def _task(settings: Settings) -> tuple[ProbeTask, str, list[str]]:
    strengths = grids(squares=(1e-4, 1e-3), spectral=(1e-3, 3e-2), n=4)
    strengths[ALL_LAYERS_TOO] = strengths[RECIPE]
    common: dict[str, Any] = {
        "chosen_by": "gradient",
        "moves": (0.0, 0.5, 1.0, 1.5),
        "n_rows": 200 if settings.small else 500,
        "n_validation": 200,
        "max_queries": 2000 if settings.small else 10_000,
        "choice_seeds": 1 if settings.small else 5,
    }
    try:
        mnist_source(0)
    except FileNotFoundError as error:
        strengths[ROBUST] = strengths[NO_PENALTY] = (0.05, 0.1, 0.2, 0.4)
        rows = {"source": digits_source, "strengths": strengths}
        small = partial(build, 128, 200)
        task = ProbeTask("transfer", digits_target, small, (0.25, 0.5), 0.5, **rows, **common)
        shape = {"data": "`load_digits`", "source": 901, "target": 322, "shape": "64-128"}
        return task, _data(200, shape), [f"scikit-learn's digits in place of MNIST: {error}"]
    strengths[ROBUST] = strengths[NO_PENALTY] = (0.25, 0.5, 1.0, 2.0)
    rows = {"source": mnist_source, "strengths": strengths}
    large = partial(build, 512, EPOCHS)
    task = ProbeTask("transfer", mnist_target, large, (0.75, 1.25), 1.25, **rows, **common)
    shape = {"data": "MNIST", "source": N_SOURCE, "target": N_TARGET, "shape": "784-512"}
    return task, _data(EPOCHS, shape), []


def _data(epochs: int, shape: dict[str, Any]) -> str:
    return DATA.format(epochs=epochs, steps=STEPS, alpha=PENALTY_STRENGTH, **shape)


def _bars(section: Section, outcome: Comparison) -> None:
    others = [r for r in outcome.test if r not in OURS]
    best = max(others, key=lambda r: outcome.mean(r, "nearest"))
    what = f"{ROBUST} against the best of {', '.join(others)} ({best})"
    section.bar(f"{what}, nearest distance", gain_of(outcome, ROBUST, best), ">=", 5, " %")
    lost = 100 * (outcome.mean(best, "accuracy") - outcome.mean(ROBUST, "accuracy"))
    section.bar(f"{what}, points of accuracy lost", lost, "<=", 0.5)
    for ours in (RECIPE, ROBUST):
        for other in [r for r in outcome.test if r not in (RECIPE, ROBUST)]:
            points = 100 * (outcome.mean(ours, "accuracy") - outcome.mean(other, "accuracy"))
            section.remarks.append(
                f"{ours} against {other}: nearest distance {gain_of(outcome, ours, other):+.0f} %, "
                f"accuracy {points:+.1f} points."
            )


def _compare_probes(
    section: Section, task: ProbeTask, outcome: Comparison, settings: Settings
) -> None:
    """Add a table of plain and robust probes on the features of four encoders."""
    encoders = [outcome.chosen[r] for r in (PLAIN, "l2", RECIPE, ROBUST)]
    seeds = settings.seeds[:1] if settings.small else settings.seeds
    jobs = [(_probes_of, task, c, seed) for c in encoders for seed in seeds]
    measured = run_jobs(jobs, settings, f"{task.name}: probes")
    n, rows = len(seeds), {}
    for i, candidate in enumerate(encoders):
        for name in measured[i * n]["probes"]:
            key = f"{candidate.regulariser}; {name}"
            rows[key] = [seed["probes"][name] for seed in measured[i * n : (i + 1) * n]]
    columns = {"accuracy": ("test accuracy", 3), "gradient": ("gradient", 3)}
    section.tables.append(
        "Probes on the features of four encoders: logistic regression at three strengths, and "
        "the robust probe. Test rows, all settings shown, none chosen.\n\n"
        + seeds_table(rows, columns)
    )
    section.cpu_seconds += sum(f["cpu"] for f in measured)


def _probes_of(task: ProbeTask, candidate: Candidate, seed: int) -> dict[str, Any]:
    split = task.split(seed)
    encoder = task.build(candidate, seed).fit(*task.source(seed))
    settings = {f"logistic, alpha {a:g}": (0.0, a) for a in ALPHAS}
    settings |= {f"robust, epsilon {m:g}": (m, task.probe_alpha) for m in task.moves if m}
    X, y = split.test
    rows = slice(task.n_rows)
    figures: dict[str, Figures] = {}
    for name, (move, alpha) in settings.items():
        model = with_probe(task, encoder, split.train, move, alpha)
        found = gradient_distances(model, X[rows], y[rows], bounds=task.bounds)
        figures[name] = {"accuracy": model.score(X, y), "gradient": float(np.median(found))}
    return {"probes": figures}
