"""
A conv net on images
====================

A convolution, with its stride and padding, is a linear operator, and the penalty holds down the
norm of that operator. Everything else is as with tables: a conv net may sit behind a scaler, is
searched, attacked and certified.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/convnet_digits.png"

# %%
# Flat rows or images
# -------------------
# ``load_digits`` gives 64 columns; ``input_shape`` says that they are 8 x 8 images without colour.
# Rows may also come as (n_samples, n_channels, height, width), and need no ``input_shape`` then.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from specreg_sklearn import FeatureSpace, SpectrallyRegularizedEncoder
from specreg_sklearn.inspection import AdversarialExamplesDisplay, RobustnessCurveDisplay
from specreg_sklearn.modules import ConvNet

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
space = FeatureSpace.from_data(X, bounds=(0.0, 1.0), scale=None)

# %%
# ``module="convnet"`` takes the defaults; the object has settings. The names of the layers are in
# ``spectral_norms_``: of each convolution the norm on images of the size that it gets.
settings = {
    "module": ConvNet(channels=(16, 32), n_features=64),
    "input_shape": (1, 8, 8),
    "batch_size": 64,
    "max_iter": 40,
    "random_state": 0,
}
models = {
    "no penalty": SpectrallyRegularizedEncoder(penalty=None, weight_decay=0.0, **settings),
    "rep_spectral": SpectrallyRegularizedEncoder(alpha=1e-2, **settings),
}
for name, model in models.items():
    model.fit(X_train, y_train)
    norms = ", ".join(f"{layer} {norm:.2f}" for layer, norm in model.spectral_norms_.items())
    print(f"{name:<14} accuracy {model.score(X_test, y_test):.3f}   {norms}")

# %%
# Attacked and certified
# ----------------------
# The upper edge of a band is what withstood the attack, the lower one what is proved.
RobustnessCurveDisplay.from_estimators(
    models, X_test, y_test, space=space, max_samples=60, unit="pixels in [0, 1]"
)
plt.show()

# %%
# What it takes
# -------------
# The nearest images found that are read as something else, with the change in the middle. Which
# network asks for more of it differs from row to row: the curves above are what counts.
for name, model in models.items():
    display = AdversarialExamplesDisplay.from_estimator(
        model, X_test, y_test, rows=[0, 1], space=space, image_shape=(8, 8)
    )
    print(f"{name:<14} distances {np.round(display.distances, 2)}")
    display.figure_.suptitle(name)
plt.show()
