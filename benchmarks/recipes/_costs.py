"""What penalties and their sums cost, in fits without a penalty."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import make_classification

from benchmarks.common import Report, compare, median_ratio
from benchmarks.recipes._extent import Extent
from specreg_sklearn import SpectrallyRegularizedEncoder

PENALTIES = (
    "l2",
    "rep_spectral",
    "ll_spectral",
    "jacobian",
    "rep_spectral+jacobian",
    "ll_spectral+jacobian",
)
# Columns, widths, classes, epochs.
SHAPES = ((57, (100,), 2, 30), (784, (128, 64), 10, 8))


def costs(report: Report, extent: Extent) -> None:
    """Print the CPU time of fits with each penalty, and of sums against the default."""
    for n_columns, widths, n_classes, n_epochs in SHAPES:
        X, y = make_classification(
            2000, n_columns, n_informative=20, n_classes=n_classes, random_state=0
        )
        X = X.astype(np.float32)
        models = {
            penalty or "none": SpectrallyRegularizedEncoder(
                hidden_layer_sizes=widths,
                penalty=penalty,
                alpha=3e-3,
                max_iter=n_epochs,
                n_iter_no_change=n_epochs,
                random_state=0,
                device="cpu",
            )
            for penalty in (None, *PENALTIES)
        }
        seconds = compare(
            {name: lambda m=model, X=X, y=y: m.fit(X, y) for name, model in models.items()},
            repeats=3 if extent.quick else 7,
        )
        shape = "-".join(map(str, (n_columns, *widths, n_classes)))
        for name in PENALTIES:
            report.figure(f"{shape}: {name} / none", median_ratio(seconds, name, "none"))
        ratio = median_ratio(seconds, "rep_spectral+jacobian", "rep_spectral")
        report.figure(f"{shape}: rep_spectral+jacobian / rep_spectral", ratio, "<=", 1.6)
