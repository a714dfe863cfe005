"""
A table with few labels
=======================

Labels are dear, rows are cheap. `SelfSupervisedEncoder` learns features from rows without a label:
two random views of a row, with some cells borrowed from other rows, should look alike to the
network. Then a few labels do for a probe on top.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/self_supervised_table.png"

# %%
# Forty labels
# ------------
# The digits as a plain table of 64 columns. Of the training rows forty have a label, four of each
# class. The encoders see all rows, and no label. "simclr" asks that a view finds its twin among the
# views of all other rows; every fifth cell is borrowed.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from specreg_sklearn import FeatureSpace, RobustLinearProbe, SelfSupervisedEncoder
from specreg_sklearn.inspection import RobustnessCurveDisplay
from specreg_sklearn.objectives import SimCLR, TableViews

X, y = load_digits(return_X_y=True)
X = X / 16
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
recipes = {
    "no penalty": {"penalty": None, "weight_decay": 0.0},
    "rep_spectral": {"penalty": "rep_spectral", "alpha": 1e-2},
}
encoders = {
    name: SelfSupervisedEncoder(
        hidden_layer_sizes=(256, 128),
        objective=SimCLR(views=TableViews(corruption=0.2)),
        max_iter=100,
        random_state=0,
        **recipe,
    ).fit(X_train)
    for name, recipe in recipes.items()
}

# %%
# With ten draws of the forty labels, the accuracy on the test rows:
models = {"columns": LogisticRegression(max_iter=2000)}
for name, encoder in encoders.items():
    probe = RobustLinearProbe(epsilon=0.1)
    models[f"features, {name}"] = make_pipeline(FrozenEstimator(encoder), probe)
scores = {name: [] for name in models}
for seed in range(10):
    labelled, _ = train_test_split(
        np.arange(len(X_train)), train_size=40, stratify=y_train, random_state=seed
    )
    for name, model in models.items():
        model.fit(X_train[labelled], y_train[labelled])
        scores[name].append(model.score(X_test, y_test))
for name, values in scores.items():
    print(f"{name:<24} {np.mean(values):.3f} ± {np.std(values):.3f}")

# %%
# Who withstands
# --------------
# The models of the last draw, under attack. The penalty acts while the features are learned; the
# probe on top is the same.
space = FeatureSpace.from_data(X, bounds=(0.0, 1.0), scale=None)
RobustnessCurveDisplay.from_estimators(
    models, X_test, y_test, space=space, max_samples=80, unit="pixels in [0, 1]"
)
plt.show()
