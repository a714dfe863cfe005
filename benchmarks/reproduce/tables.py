"""Tables of the security literature: spam and phishing, in standard deviations."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.loaders import load_spambase, load_url_phishing
from benchmarks.reproduce.protocol import (
    RECIPE,
    Candidate,
    Section,
    Settings,
    Split,
    Task,
    compare,
    comparison_section,
    gain_bars,
    gain_of,
    grids,
    network,
)

EPOCHS = 40
LOADERS = {"spambase": load_spambase, "url_phishing": load_url_phishing}
DATA = (
    "{names}; repeated rows dropped, 30 % test rows and a fifth of the rest for validation, drawn "
    "anew for each seed, so that a row can help to choose under one seed and be a test row under "
    "another. StandardScaler and a network of two hidden layers of 64, ReLU, Adam, learning rate "
    "1e-3, batch 128, 40 epochs, penalty from the first update. Distances are in standard "
    "deviations of the training rows, without bounds."
)


def split(name: str, seed: int) -> Split:
    """Return the rows of a table for a seed."""
    if name == "breast_cancer":
        X, y = load_breast_cancer(return_X_y=True)
    else:
        X, y = LOADERS[name](return_X_y=True, drop_duplicates=True)
    X = np.asarray(X, dtype=float)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)
    X, X_val, y, y_val = train_test_split(X, y, test_size=0.2, stratify=y, random_state=seed)
    return Split((X, y), (X_val, y_val), (X_test, y_test))


def build(candidate: Candidate, seed: int) -> Any:
    """Return scaler and network of a candidate."""
    encoder = network(candidate, seed, epochs=EPOCHS, hidden_layer_sizes=(64, 64))
    return make_pipeline(StandardScaler(), encoder)


def run(settings: Settings) -> Section:
    """Compare the regularisers on both tables."""
    names, remarks = _available()
    sections = [_one(name, settings) for name in names]
    whole = Section(
        "Tables: spam and phishing",
        settings=DATA.format(names=" and ".join(names)),
        remarks=remarks,
        name="tables",
    )
    for name, section in zip(names, sections, strict=True):
        whole.tables += [f"### {name}", section.settings, *section.tables]
        whole.bars += section.bars
        whole.cpu_seconds += section.cpu_seconds
    return whole


def _available() -> tuple[list[str], list[str]]:
    try:
        for loader in LOADERS.values():
            loader(return_X_y=True)
    except FileNotFoundError as error:
        return ["breast_cancer"], [f"breast_cancer in place of both tables: {error}"]
    return list(LOADERS), []


def _one(name: str, settings: Settings) -> Section:
    task = Task(
        name,
        partial(split, name),
        build,
        eps=(0.5, 1.0),
        eps_choice=0.75 if name != "url_phishing" else 1.0,
        bounds=None,
        standardised=True,
        strengths=grids(squares=(3e-4, 3e-2), spectral=(3e-3, 3e-1)),
        n_rows=300 if settings.small else 1000,
        n_validation=200,
        max_queries=1000 if settings.small else 5000,
    )
    outcome = compare(task, settings)
    section = comparison_section("tables", name, "", task, outcome)
    gain_bars(section, outcome, gain=40, points=0.7, label=f"{name}, ")
    over_l2 = gain_of(outcome, RECIPE, "l2")
    section.bar(f"{name}, {RECIPE} against l2, nearest distance", over_l2, ">=", 0, " %")
    return section
