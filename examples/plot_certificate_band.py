"""
Between proof and attack: robust accuracy as a band
===================================================

An attack that fails proves nothing: a better one might get through. A certificate is the other
half. It computes, from the weights, a radius within which no row whatsoever gets another label. The
truth lies between the two, and here we draw both: for a network without a penalty and for two with
one. Where the band is narrow, you know how robust the model is. The
:doc:`guide to certificates </guide/certificates>` says what is proved, and what is not.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/certificate_band.png"

# %%
# Three pipelines
# ---------------
# Thirty measurements of cell samples, a scaler, a network with 64 hidden units. "rep_spectral"
# holds down the norms of the layers up to the features, "product_spectral" the product of all
# norms, that of the readout included.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from specreg_sklearn import FeatureSpace, SpectrallyRegularizedEncoder
from specreg_sklearn.metrics import (
    adversarial_distances,
    certified_accuracy_score,
    certified_radius,
    robust_accuracy_score,
)

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

settings = {
    "no penalty": {"penalty": None, "weight_decay": 0.0},
    "rep_spectral": {"penalty": "rep_spectral", "alpha": 0.1},
    "product_spectral": {"penalty": "product_spectral", "alpha": 0.1},
}
models = {}
for name, setting in settings.items():
    encoder = SpectrallyRegularizedEncoder(hidden_layer_sizes=(64,), random_state=0, **setting)
    models[name] = make_pipeline(StandardScaler(), encoder).fit(X_train, y_train)

# %%
# The same question to both
# -------------------------
# One feature space for everything, so that the certificate and the attack speak of the same rows in
# the same units. A distance of 1 is one standard deviation of one column. The attack stays within
# the range of the data; the certificate does not use that range, which can only make it smaller.
#
# The two medians are over the same rows, where misclassified ones count 0.
space = FeatureSpace.from_data(X)
proved, found = {}, {}
print(f"{'penalty':<18}{'accuracy':>9}{'median proved':>15}{'median attack':>15}")
for name, model in models.items():
    right = model.predict(X_test) == y_test
    proved[name] = np.where(right, certified_radius(model, X_test, space=space), 0.0)
    found[name] = adversarial_distances(model, X_test, y_test, space=space)
    medians = np.median(proved[name]), np.median(found[name])
    print(f"{name:<18}{right.mean():>9.3f}{medians[0]:>15.2f}{medians[1]:>15.2f}")

# %%
# The band
# --------
# `certified_accuracy_score` is the share of rows that are right and proved to stay so within eps,
# `robust_accuracy_score` the share that is right and withstood the attack. Below the band no attack
# can get, above it one already got; the band itself is what we do not know.
grid = np.linspace(0, 4.5, 37)
figure, panels = plt.subplots(
    1, 3, figsize=(9.6, 3.6), sharex=True, sharey=True, layout="constrained"
)
for axes, (name, model) in zip(panels, models.items(), strict=True):
    on_all = {"eps": grid, "space": space, "max_samples": "all"}
    low = certified_accuracy_score(model, X_test, y_test, **on_all)
    high = robust_accuracy_score(model, X_test, y_test, **on_all)
    axes.fill_between(grid, low, high, color="#56B4E9", alpha=0.45, linewidth=0)
    axes.plot(grid, high, "-", color="#D55E00", linewidth=2)
    axes.plot(grid, low, "--", color="black", linewidth=2)
    axes.set_title(
        f"{name}\nopen for at most {np.max(high - low):.0%} of the rows", fontsize="medium"
    )
    axes.set_xlabel("eps (standard deviations, L2)")
    axes.grid(alpha=0.3)
first = panels[0]
first.set(ylabel="share of rows", xlim=(0, grid[-1]), ylim=(0, 1.02))
first.annotate(
    "withstood the attack", (2.2, 0.4), (2.05, 0.8), color="#A04000", arrowprops={"arrowstyle": "-"}
)
first.text(1.6, 0.4, "open", ha="center", va="center")
first.annotate("proved", (1.05, 0.5), (0.15, 0.12), arrowprops={"arrowstyle": "-"})
plt.show()

# %%
# Row by row
# ----------
# Every point is a row that is classified correctly. None lies below the diagonal: an attack that
# found a row nearer than the certificate would refute the proof. The nearer to the diagonal, the
# less is left unknown about that row.
figure, axes = plt.subplots(figsize=(4.4, 5.2), layout="constrained")
looks = {"no penalty": ("o", "none", "black"), "product_spectral": ("^", "#D55E00", "#D55E00")}
for name, (marker, face, edge) in looks.items():
    right = found[name] > 0
    axes.scatter(
        proved[name][right],
        found[name][right],
        22,
        marker=marker,
        facecolor=face,
        edgecolor=edge,
        linewidth=0.8,
        label=name,
    )
    print(
        f"{name:<18}smallest attack / proof {np.min(found[name][right] / proved[name][right]):.3f}"
    )
right_end = 1.15 * max(values.max() for values in proved.values())
top_end = 1.05 * max(values.max() for values in found.values())
axes.plot([0, right_end], [0, right_end], color="0.4", linewidth=1)
axes.annotate(
    "attack = proof", (0.6 * right_end,) * 2, (8, -8), textcoords="offset points", va="top"
)
axes.set(
    xlabel="proved radius (standard deviations)",
    ylabel="distance found by the attack",
    xlim=(0, right_end),
    ylim=(0, top_end),
    aspect="equal",
)
axes.grid(alpha=0.3)
axes.legend(loc="lower right", bbox_to_anchor=(1, 0.03))
plt.show()

# %%
# No proof without a reason
# -------------------------
# A certificate needs to know how fast every step can change its output, or to search its inside.
# Polynomials grow without limit, so there is none, and the error says so. Attacks remain: they ask
# for nothing but `predict`. Trees are searched: :doc:`another example
# </gallery/plot_forest_band>` shows how their band closes.
curved = make_pipeline(StandardScaler(), PolynomialFeatures(), LogisticRegression(max_iter=2000))
curved.fit(X_train, y_train)
try:
    certified_radius(curved, X_test)
except TypeError as refusal:
    print(refusal)
distances = adversarial_distances(curved, X_test, y_test, space=space, max_samples=30)
print(f"median distance found by the attack: {np.median(distances):.2f}")
