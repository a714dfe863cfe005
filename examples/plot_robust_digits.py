"""
Train, measure and search: handwritten digits
=============================================

Four networks of the same size learn to read 8 x 8 images. They differ in one thing only, the
penalty on their weights. We attack all four with the same black-box attack, draw what they
withstand, and then let a grid search choose the strength of the penalty by accuracy under attack.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/robust_digits.png"

# %%
# Data and the space of the attack
# --------------------------------
# Pixels are divided by 16, so that they lie in [0, 1]. The feature space says what an attack may
# do: move every pixel, stay inside [0, 1], and count distance in plain pixel units (`scale=None`).
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline

from specreg_sklearn import (
    FeatureSpace,
    RobustLinearProbe,
    SpectrallyRegularizedEncoder,
    make_robust_scorer,
)
from specreg_sklearn.metrics import adversarial_distances

X, y = load_digits(return_X_y=True)
X = X / 16
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
space = FeatureSpace.from_data(X, bounds=(0.0, 1.0), scale=None)

# %%
# Train
# -----
# "plain" has no penalty at all. "l2" is the sum of squares of all weights. "ll_spectral" sums the
# squared spectral norms of all layers, "rep_spectral" those of the layers up to the features and
# leaves the readout free.
#
# For each network we attack the same 60 test rows. `adversarial_distances` gives, for every row,
# the distance to the nearest image that the attack found and the network gets wrong; rows that are
# wrong before any attack have distance 0.
settings = {
    "plain": {"penalty": None, "weight_decay": 0.0},
    "l2": {"penalty": "l2", "alpha": 3e-4, "weight_decay": 0.0},
    "ll_spectral": {"penalty": "ll_spectral", "alpha": 1e-2},
    "rep_spectral": {"penalty": "rep_spectral", "alpha": 1e-2},
}
eps = 0.5
distances = {}
print(f"{'penalty':<14}{'accuracy':>9}{f'robust at {eps}':>15}{'median distance':>17}")
for name, setting in settings.items():
    encoder = SpectrallyRegularizedEncoder(hidden_layer_sizes=(64,), random_state=0, **setting)
    encoder.fit(X_train, y_train)
    found = adversarial_distances(encoder, X_test, y_test, space=space, max_samples=60)
    distances[name] = found
    accuracy = encoder.score(X_test, y_test)
    print(f"{name:<14}{accuracy:>9.3f}{np.mean(found > eps):>15.2f}{np.median(found):>17.3f}")

# %%
# What they withstand
# -------------------
# Robust accuracy at eps is the share of rows whose distance is greater than eps, so the distances
# give the whole curve. The attack finds upper bounds of the true distances: a stronger attack could
# only push the curves down. Sixty rows are few: a step of the curve is 1/60, and differences of a
# few steps between the penalties mean little.
grid = np.linspace(0, 1.2, 25)
looks = [("-", "o", "0.0"), ("--", "s", "0.35"), ("-.", "^", "C0"), (":", "D", "C3")]
figure, axes = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
for number, (name, found) in enumerate(distances.items()):
    line, marker, color = looks[number]
    curve = (found[None, :] > grid[:, None]).mean(axis=1)
    where = (number, len(looks))  # markers of different curves do not cover each other
    axes.plot(grid, curve, line, marker=marker, markevery=where, color=color, label=name)
axes.set(
    xlabel="eps (Euclidean distance, pixels in [0, 1])",
    ylabel="robust accuracy (share of rows)",
    xlim=(0, grid[-1]),
    ylim=(0, 1.03),
)
axes.grid(alpha=0.3)
axes.legend(title="penalty")
plt.show()

# %%
# Search
# ------
# `make_robust_scorer` turns the same measurement into a scorer. Here it chooses `alpha` for a
# pipeline of an encoder and a readout that withstands small moves of the features. Accuracy is
# recorded beside it; `refit="robust"` decides. A small sample of rows per fold keeps it short.
pipeline = make_pipeline(
    SpectrallyRegularizedEncoder(hidden_layer_sizes=(64,), max_iter=100, random_state=0),
    RobustLinearProbe(epsilon=0.1),
)
search = GridSearchCV(
    pipeline,
    {"spectrallyregularizedencoder__alpha": [0, 1e-2, 1e-1]},
    scoring={
        "accuracy": "accuracy",
        "robust": make_robust_scorer(eps=eps, space=space, max_samples=30),
    },
    refit="robust",
    cv=2,
).fit(X_train, y_train)
results = search.cv_results_
for candidate, accuracy, robust in zip(
    results["params"], results["mean_test_accuracy"], results["mean_test_robust"], strict=True
):
    alpha = candidate["spectrallyregularizedencoder__alpha"]
    print(f"alpha {alpha:<6} accuracy {accuracy:.3f}   robust accuracy {robust:.2f}")
print("chosen:", search.best_params_)

# %%
# The encoder reports the exact spectral norm of each layer. Look at the head as well: a penalty
# that stops at the features can be paid for with a larger readout, and then less is gained than the
# hidden layer alone suggests. The probe above is the readout here, so that the head of the encoder
# is not used.
norms = search.best_estimator_[0].spectral_norms_
print({layer: round(norm, 2) for layer, norm in norms.items()})
