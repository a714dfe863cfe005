"""A model and a table that come with scikit-learn, for who runs the commands without any."""

from __future__ import annotations

from typing import Any

from specreg_sklearn.report.command_line._tables import Data


def bundled() -> tuple[dict[str, Any], Data]:
    """Return boosted trees on half of the breast cancer table, and its other half."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import HistGradientBoostingClassifier

    data = load_breast_cancer()
    names = [str(name) for name in data.feature_names]
    X, y = data.data, data.target_names[data.target]
    model = HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(X[::2], y[::2])
    return {"boosted trees": model}, Data(X[1::2], y[1::2], names, [])
