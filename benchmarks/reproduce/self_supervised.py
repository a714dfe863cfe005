"""Encoders that saw no labels: Barlow Twins and SimCLR on MNIST, with and without the penalty."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks.reproduce.images import convolutional, mnist_split
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
    run_jobs,
)
from specreg_sklearn import SelfSupervisedEncoder
from specreg_sklearn.modules import ConvNet
from specreg_sklearn.objectives import BarlowTwins, SimCLR

DATA = (
    "The rows of the section on MNIST. `SelfSupervisedEncoder` on the images without labels: "
    "`ConvNet` with 16 and 32 channels and 128 features, Adam, learning rate 1e-3, batch 256, "
    "{epochs} epochs, views by crops, turns, light and blur; a projector of (128, 128). Then "
    "frozen, with a RobustLinearProbe fitted with the labels of {labelled} of the rows; its "
    "epsilon is 0 or 0.5 standard deviations of the features, chosen together with the strength. "
    "Penalties of the readout have no meaning here, so that `ll_spectral` is left out."
)
OBJECTIVES = {"barlow_twins": BarlowTwins(), "simclr": SimCLR(temperature=0.2)}
# The loss of Barlow Twins is a sum over columns, about ten times as large as that of SimCLR.
STRENGTHS = {"barlow_twins": (0.3, 3.0), "simclr": (0.03, 0.3)}
EPOCHS, LABELLED, SUPERVISED_EPOCHS = {"small": 5, "full": 100}, 3000, 15


def source(scale: str, seed: int) -> Rows:
    """Return the rows to learn from without labels."""
    return mnist_split(scale, seed).fit


def target(scale: str, seed: int) -> Split:
    """Return the rows for probes."""
    split = mnist_split(scale, seed)
    X, y = split.fit
    return Split((X[:LABELLED], y[:LABELLED]), split.validation, split.test, refit=False)


def build(objective: str, epochs: int, candidate: Candidate, seed: int) -> Any:
    """Return the encoder of a candidate."""
    return SelfSupervisedEncoder(
        ConvNet(channels=(16, 32), n_features=128),
        input_shape=(1, 28, 28),
        objective=OBJECTIVES[objective],
        batch_size=256,
        max_iter=epochs,
        tol=0,
        n_iter_no_change=epochs,
        random_state=seed,
        **candidate.params,
    )


def run(settings: Settings) -> Section:
    """Compare encoders with and without the penalty, for both objectives."""
    scale = settings.scale
    section = Section(
        "Self-supervised features",
        settings=DATA.format(epochs=EPOCHS[scale], labelled=LABELLED),
        name="self_supervised",
    )
    jobs = [(supervised, scale, seed) for seed in settings.seeds]
    with_labels = run_jobs(jobs, settings, "supervised")
    reference = float(np.mean([f["accuracy"] for f in with_labels]))
    section.cpu_seconds += sum(f["cpu"] for f in with_labels)
    section.remarks.append(
        f"Supervised accuracy is that of a plain network of 16 and 32 channels and 64 features, "
        f"trained with all labels for {SUPERVISED_EPOCHS} epochs: {reference:.3f}."
    )
    for objective in OBJECTIVES:
        task = _task(objective, settings)
        outcome = compare_encoders(task, settings)
        part = comparison_section("self_supervised", objective, "", task, outcome)
        section.tables += [f"### {objective}", part.settings, *part.tables]
        section.cpu_seconds += part.cpu_seconds
        _judge(section, objective, outcome, reference)
    return section


def supervised(scale: str, seed: int) -> Figures:
    """Train a plain network with labels; return its test accuracy."""
    split = mnist_split(scale, seed)
    model = convolutional((1, 28, 28), SUPERVISED_EPOCHS, Candidate(PLAIN, 0.0), seed)
    return {"accuracy": model.fit(*split.fit).score(*split.test)}


def _task(objective: str, settings: Settings) -> ProbeTask:
    scale, strengths = settings.scale, STRENGTHS[objective]
    return ProbeTask(
        objective,
        partial(target, scale),
        partial(build, objective, EPOCHS[scale]),
        (0.5, 1.0),
        1.5,
        source=partial(source, scale),
        moves=(0.0, 0.5),
        strengths={
            PLAIN: (0.0,),
            "l2": (1e-4, 1e-3),
            "rep_spectral": strengths,
            RECIPE: strengths,
        },
        n_rows=100 if settings.small else 300,
        n_validation=150,
        max_queries=1000 if settings.small else 10_000,
        choice_seeds=1,
        test_seeds=2 if settings.small else 3,
    )


def _judge(section: Section, objective: str, outcome: Comparison, reference: float) -> None:
    for regulariser in (PLAIN, RECIPE):
        share = 100 * outcome.mean(regulariser, "accuracy") / reference
        what = f"{objective}, {regulariser}: probe accuracy over supervised accuracy"
        section.bar(what, share, ">=", 90, " %")
    gain = gain_of(outcome, RECIPE)
    points = 100 * (outcome.mean(RECIPE, "accuracy") - outcome.mean(PLAIN, "accuracy"))
    section.remarks.append(
        f"{objective}: {RECIPE} changes the nearest distance by {gain:+.0f} % and the accuracy by "
        f"{points:+.1f} points against no penalty; rep_spectral alone changes the distance by "
        f"{gain_of(outcome, 'rep_spectral'):+.0f} %, l2 by {gain_of(outcome, 'l2'):+.0f} %."
    )
