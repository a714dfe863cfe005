"""
Robustness that goes along with the features
============================================

The penalty leaves the readout free, so that whatever is trained on the features later is harder to
fool, too. Here features learned from the digits 0 to 4 serve to read the digits 5 to 9: first
frozen, with a probe on top; then fine-tuned.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/transfer.png"

# %%
# Features of one task
# --------------------
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline

from specreg_sklearn import (
    FeatureSpace,
    RobustLinearProbe,
    SpectrallyRegularizedEncoder,
    make_robust_scorer,
)
from specreg_sklearn.inspection import RobustnessCurveDisplay

X, y = load_digits(return_X_y=True)
X = X / 16
source = y < 5
X_train, X_test, y_train, y_test = train_test_split(
    X[~source], y[~source], stratify=y[~source], random_state=0
)
space = FeatureSpace.from_data(X, bounds=(0.0, 1.0), scale=None)
recipes = {
    "no penalty": {"penalty": None, "weight_decay": 0.0},
    "rep_spectral": {"penalty": "rep_spectral", "alpha": 1e-2},  # with its weight decay
}
encoders = {
    name: SpectrallyRegularizedEncoder(
        hidden_layer_sizes=(128,), batch_size=64, max_iter=60, random_state=0, **recipe
    ).fit(X[source], y[source])
    for name, recipe in recipes.items()
}

# %%
# A probe on frozen features
# --------------------------
# ``FrozenEstimator`` keeps the encoder as it is, through every clone and search. The probe
# withstands moves of the features up to its epsilon, chosen by robust accuracy for both encoders.
robust_accuracy = make_robust_scorer(eps=0.5, space=space, max_samples=60)
probes = {}
for name, encoder in encoders.items():
    pipe = make_pipeline(FrozenEstimator(encoder), RobustLinearProbe())
    search = GridSearchCV(
        pipe, {"robustlinearprobe__epsilon": [0.0, 0.1, 0.3, 1.0]}, scoring=robust_accuracy, cv=3
    ).fit(X_train, y_train)
    probes[f"{name}, frozen"] = search
    print(
        f"{name:<14} accuracy {search.best_estimator_.score(X_test, y_test):.3f}   "
        f"epsilon {search.best_params_['robustlinearprobe__epsilon']}"
    )

# %%
# Fine-tuning
# -----------
# Given as ``module``, the trained backbone is where the fit begins; the head is new. The backbone
# learns ten times slower than the head.
tuned = {}
for name, recipe in recipes.items():
    tuned[f"{name}, fine-tuned"] = SpectrallyRegularizedEncoder(
        FrozenEstimator(encoders[name]),
        backbone_learning_rate_factor=0.1,
        batch_size=64,
        max_iter=60,
        random_state=0,
        **recipe,
    ).fit(X_train, y_train)
for name, model in tuned.items():
    print(f"{name:<26} accuracy {model.score(X_test, y_test):.3f}")

# %%
# Who withstands
# --------------
RobustnessCurveDisplay.from_estimators(
    {**probes, **tuned}, X_test, y_test, space=space, max_samples=60, unit="pixels in [0, 1]"
)
plt.show()

# %%
# The upper edges of the bands are attacks, the lower ones proofs. The order of the frozen pair is
# what the penalty is for: it acted before anyone knew the second task.
