"""The protocol for frozen features: an encoder, thrown-away readout, and a new probe on top.

Every regulariser of the encoder gets the same strengths and the same settings of the probe, and the
pair of both is chosen on validation rows of the new problem.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline, make_pipeline

from benchmarks.reproduce.protocol._comparison import (
    Comparison,
    choose,
    for_all,
    measure,
    measured,
    norms,
    on_validation_rows,
)
from benchmarks.reproduce.protocol._section import Settings
from benchmarks.reproduce.protocol._task import Candidate, Figures, Split, Task
from specreg_sklearn import RobustLinearProbe

Rows = tuple[np.ndarray, np.ndarray]


@dataclass
class ProbeTask(Task):
    """A comparison of encoders by probes on their frozen features.

    `split` gives rows of the new problem, and `build` an unfitted encoder.

    Parameters
    ----------
    source : callable
        ``source(seed) -> (X, y)``: rows that the encoder is trained on.
    moves : tuple of float
        Sizes of moves of the features that probes withstand, in standard deviations of the
        features.
    probe_alpha : float
        Strength of the probe's squared coefficients, on features divided by that deviation.
    probe_iterations : int
        The most iterations of the probe, for each stage of its solver.
    """

    source: Callable[[int], Rows] | None = None
    moves: tuple[float, ...] = (0.0, 0.5, 1.0)
    probe_alpha: float = 3e-4
    probe_iterations: int = 50


def compare_encoders(task: ProbeTask, settings: Settings) -> Comparison:
    """Choose strength and probe for every regulariser, then measure on test rows."""
    some = settings.seeds[: task.choice_seeds]
    tried = for_all(try_encoder, task, task.candidates(), some, settings, "choosing")
    path: dict[Candidate, list[Figures]] = {}
    for candidate, seeds in tried.items():
        for number, move in enumerate(task.moves):
            cpu = {"cpu": sum(seed["cpu"] for seed in seeds) / len(seeds) / len(task.moves)}
            figures = [seed["moves"][number] | cpu for seed in seeds]
            path[replace(candidate, move=move)] = figures
    return measured(probe_and_measure, task, path, choose(path), settings)


def try_encoder(task: ProbeTask, candidate: Candidate, seed: int) -> dict[str, Any]:
    """Train an encoder; return the validation figures of every probe on it."""
    split = task.split(seed)
    encoder = task.build(candidate, seed).fit(*task.source(seed))
    figures = []
    for move in task.moves:
        model = with_probe(task, encoder, split.fit, move)
        figures.append(on_validation_rows(task, model, split))
    return {"moves": figures}


def probe_and_measure(task: ProbeTask, candidate: Candidate, seed: int) -> Figures:
    """Train an encoder and the chosen probe; return the figures of the table."""
    split = task.split(seed)
    encoder = task.build(candidate, seed).fit(*task.source(seed))
    assert candidate.move is not None
    return measure_probe(task, encoder, split, candidate.move)


def measure_probe(task: ProbeTask, encoder: Any, split: Split, move: float) -> Figures:
    """Put a probe on a fitted encoder; return the figures of the table."""
    start = time.process_time()
    model = with_probe(task, encoder, split.train, move)
    seconds = time.process_time() - start
    spectral = norms(encoder)
    readout = float(np.linalg.norm(model[-1].module_.weight.detach().numpy(), 2))
    figures = measure(task, model, split)
    return figures | spectral | {"readout": readout, "probe_seconds": seconds}


def with_probe(
    task: ProbeTask, encoder: Any, rows: Rows, move: float, alpha: float | None = None
) -> Pipeline:
    """Return the frozen encoder with a probe fitted on its features.

    The probe's settings are in units of the features' standard deviation, as if they had been
    divided by it, so that they mean the same for encoders that stretch more and less.
    """
    X, y = rows
    unit = float(encoder.transform(X).std())
    probe = RobustLinearProbe(
        epsilon=move * unit,
        alpha=(task.probe_alpha if alpha is None else alpha) * unit**2,
        max_iter=task.probe_iterations,
        tol=1e-3,
    )
    return make_pipeline(FrozenEstimator(encoder), probe).fit(X, y)
