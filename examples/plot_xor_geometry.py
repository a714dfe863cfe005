"""
What the penalty does to the feature map
========================================

Four clouds of points, an exclusive or, and a network with one hidden layer: small enough to see the
whole of the input space. The penalty acts on the feature map. Where that map stretches the plane, a
small move of a row is a large move of its features, and the boundary is near.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/xor_geometry.png"

# %%
# Noisy XOR
# ---------
# Two networks of the same size and the same start, with and without the penalty on the spectral
# norm of the hidden layer.
import matplotlib.pyplot as plt
import numpy as np

from specreg_sklearn import SpectrallyRegularizedEncoder
from specreg_sklearn.datasets import make_noisy_xor
from specreg_sklearn.inspection import feature_jacobian_spectrum
from specreg_sklearn.metrics import adversarial_distances

X, y = make_noisy_xor(n_samples=80, random_state=0)
X_test, y_test = make_noisy_xor(n_samples=200, random_state=1)
settings = {
    "hidden_layer_sizes": (8,),
    "activation": "gelu",
    "learning_rate_init": 0.02,
    "max_iter": 3000,
    "n_iter_no_change": 3000,
    "random_state": 0,
}
models = {
    "no penalty": SpectrallyRegularizedEncoder(penalty=None, weight_decay=0.0, **settings),
    "rep_spectral": SpectrallyRegularizedEncoder(alpha=1e-2, weight_decay=0.0, **settings),
}
for model in models.values():
    model.fit(X, y)

# %%
# Stretch and boundary
# --------------------
# The colour is the largest singular value of the feature map's Jacobian: how much the most
# sensitive direction is stretched at that point. The black line is the decision boundary. The scale
# is the same in both panels.
side = np.linspace(-2.5, 2.5, 101)
grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
stretch = {
    name: feature_jacobian_spectrum(model, grid)[:, 0].reshape(101, 101)
    for name, model in models.items()
}
top = max(values.max() for values in stretch.values())

figure, panels = plt.subplots(1, 2, figsize=(9.0, 4.5), layout="constrained", sharey=True)
for panel, (name, model) in zip(panels, models.items(), strict=True):
    shades = panel.pcolormesh(
        side, side, stretch[name], cmap="YlOrBr", vmin=0, vmax=top, shading="gouraud"
    )
    scores = model.decision_function(grid).reshape(101, 101)
    panel.contour(side, side, scores, levels=[0], colors="black", linewidths=1.5)
    for label, marker, colour in ((0, "o", "white"), (1, "s", "black")):
        panel.scatter(
            *X[y == label].T, marker=marker, c=colour, edgecolor="grey", s=18, linewidth=0.6
        )
    panel.set(title=name, xlabel="first feature", aspect="equal")
panels[0].set_ylabel("second feature")
figure.colorbar(shades, ax=panels, label="stretch of the features")
plt.show()

# %%
# What it is worth
# ----------------
# Fresh points, attacked. The readout takes up a part of what the hidden layer has given away: look
# at both norms, never at the hidden one alone.
for name, model in models.items():
    distances = adversarial_distances(model, X_test, y_test, scale=None)
    hidden, readout = model.spectral_norms_.values()
    print(
        f"{name:<14} accuracy {model.score(X_test, y_test):.3f}   "
        f"median distance {np.median(distances):.3f}   "
        f"hidden norm {hidden:.2f}   readout norm {readout:.2f}   product {hidden * readout:.1f}"
    )
