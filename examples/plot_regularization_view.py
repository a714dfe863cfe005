"""
What a regulariser does to a network
====================================

Robustness is one number. Why a network has it or not shows in others: how far rows are from the
boundary, how sure the network is, which way its layers stretch. Here three networks of the same
size are laid open, trained without a penalty, with a spectral penalty, and on adversarial rows.
Every picture is a display in scikit-learn's manner: `from_estimator` measures and draws, and the
numbers stay in its attributes.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/regularization_view.png"

# %%
# Three networks
# --------------
# "rep_spectral" holds down the spectral norms of the layers up to the features. "adversarial" has
# no penalty, but sees no clean image: each batch is moved by up to 0.1 per pixel, in the direction
# that hurts most, before the network learns from it.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split

from specreg_sklearn import FeatureSpace, SpectrallyRegularizedEncoder, make_robust_scorer
from specreg_sklearn.inspection import (
    ConfidenceDisplay,
    LayerStretchDisplay,
    MarginDisplay,
    RobustnessCurveDisplay,
    SpectrumDisplay,
    StrengthPathDisplay,
    confidence_profile,
)
from specreg_sklearn.objectives import Adversarial

X, y = load_digits(return_X_y=True)
X = X / 16
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
space = FeatureSpace.from_data(X, bounds=(0.0, 1.0), scale=None)
pgd = Adversarial(epsilon=0.1, n_steps=5, feature_range=(0.0, 1.0))
settings = {
    "plain": {"penalty": None, "weight_decay": 0.0},
    "rep_spectral": {"penalty": "rep_spectral", "alpha": 1e-2},
    "adversarial": {"penalty": None, "weight_decay": 0.0, "objective": pgd},
}
models = {
    name: SpectrallyRegularizedEncoder(
        hidden_layer_sizes=(64, 32), batch_size=64, max_iter=40, random_state=0, **setting
    ).fit(X_train, y_train)
    for name, setting in settings.items()
}
for name, model in models.items():
    print(f"{name:<14} accuracy {model.score(X_test, y_test):.3f}")

# %%
# What withstands, and what is proved
# -----------------------------------
# The upper curve is the share of rows that are right and withstood an attack, the lower one the
# share that is proved to. The truth lies in the band between them.
RobustnessCurveDisplay.from_estimators(
    models, X_test, y_test, space=space, max_samples=60, unit="pixels in [0, 1]"
)
plt.show()

# %%
# Where the rows are
# ------------------
# The margin of the logits, on the left, grows with the scale of the weights: a network may have
# large ones and still be easy to fool. What counts is the distance in input space, on the right,
# known by two bounds. Both are of single rows; the curves say which share is below a value.
figure, panels = plt.subplots(1, 2, figsize=(9.6, 3.9), layout="constrained")
for name, model in models.items():
    MarginDisplay.from_estimator(
        model, X_train, y_train, X_test=X_test, y_test=y_test, name=name, ax=panels[0]
    )
    if name != "rep_spectral":
        MarginDisplay.from_estimator(model, X_test[:60], kind="instance", name=name, ax=panels[1])
plt.show()

# %%
# How sure the networks are
# -------------------------
# Above the diagonal a network is right more often than it claims. Adversarial training makes this
# one less sure: the worst rows of every batch keep it from ever being certain.
ax = None
for name, model in models.items():
    ax = ConfidenceDisplay.from_estimator(model, X_test, y_test, n_bins=10, name=name, ax=ax).ax_
plt.show()

# %%
# How layers answer to a move
# ---------------------------
# Rows are moved by a length of 0.5. The filled marker is the largest stretch that was found, the
# hollow one that of random directions. On this axis the length of the line is their ratio, written
# on top: 1 would mean that all directions are alike.
ax = None
for name, model in models.items():
    ax = LayerStretchDisplay.from_estimator(model, X_test[:100], radius=0.5, name=name, ax=ax).ax_
plt.show()

# %%
# All singular values
# -------------------
# Every short line is a singular value. The standard deviation beside them falls whenever all
# values do, as with weight decay, so that it says nothing alone: look at the numbers above the
# strips, standard deviation over mean.
ax = None
for name, model in models.items():
    ax = SpectrumDisplay.from_estimator(model, name=name, ax=ax).ax_
plt.show()


# %%
# Any number against the strength
# -------------------------------
# A search over the strength of the training attack, with three scores. The strength that is best
# depends on what is asked for, and more is not always better. The evaluation has a size of its own,
# which is the same for all candidates. Bands are standard deviations over the folds, of 60 attacked
# rows each: small differences inside them mean little.
def confidence(model, X, y):
    """Return the mean probability of the predicted class."""
    return np.mean(confidence_profile(model, X).max_probability)


search = GridSearchCV(
    SpectrallyRegularizedEncoder(
        hidden_layer_sizes=(64,),
        penalty=None,
        weight_decay=0.0,
        objective=pgd,
        batch_size=64,
        max_iter=40,
        random_state=0,
    ),
    {"objective__epsilon": [0.0, 0.05, 0.1, 0.2]},
    scoring={
        "accuracy": "accuracy",
        "robust accuracy at 0.5": make_robust_scorer(eps=0.5, space=space, max_samples=60),
        "mean confidence": confidence,
    },
    refit=False,
    cv=3,
).fit(X_train, y_train)
display = StrengthPathDisplay.from_search(search)
display.ax_.set_xlabel("epsilon of the training attack (Linf, pixels in [0, 1])")
plt.show()
