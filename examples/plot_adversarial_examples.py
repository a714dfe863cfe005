"""
Look at what fools a model
==========================

A robust accuracy says how often a model is fooled. It pays to look at the rows that do it: whether
a person would still read the same digit, and which columns of a table a model leans on.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/adversarial_examples.png"

# %%
# Digits, side by side
# --------------------
# `AdversarialExamplesDisplay` attacks a few rows, of different classes, and draws each one beside
# its adversarial twin. In the middle is the change: dark pixels gained ink, light ones lost some,
# and the number is the largest change of a pixel.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import FeatureSpace, SpectrallyRegularizedEncoder
from specreg_sklearn.inspection import AdversarialExamplesDisplay

X, y = load_digits(return_X_y=True)
X = X / 16
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
space = FeatureSpace.from_data(X, bounds=(0.0, 1.0), scale=None)
options = {"penalty": None, "weight_decay": 0.0, "batch_size": 64, "max_iter": 40}
plain = SpectrallyRegularizedEncoder(hidden_layer_sizes=(64,), random_state=0, **options)
plain.fit(X_train, y_train)
display = AdversarialExamplesDisplay.from_estimator(
    plain, X_test, y_test, space=space, image_shape=(8, 8)
)
plt.show()

# %%
# Trained on adversarial rows
# ---------------------------
# This network saw no clean image: each batch was moved by up to 0.1 per pixel. The rows are named
# this time, so that both networks face the same ones, and only those that both get right. Distances
# are over all pixels together. Not every row got farther from the boundary, and four rows are no
# measurement; for that there is :func:`~specreg_sklearn.metrics.adversarial_distances`.
robust = SpectrallyRegularizedEncoder(
    hidden_layer_sizes=(64,), objective="adversarial", random_state=0, **options
)
robust.fit(X_train, y_train)
rows = [np.flatnonzero((X_test == clean).all(axis=1))[0] for clean in display.clean]
rows = [row for row in rows if robust.predict(X_test[[row]])[0] == y_test[row]]
again = AdversarialExamplesDisplay.from_estimator(
    robust, X_test, y_test, rows=rows, space=space, image_shape=(8, 8)
)
print("plain      ", np.round(display.distances, 2))
print("adversarial", np.round(again.distances, 2))
plt.show()

# %%
# A table: the columns that moved
# -------------------------------
# Without an `image_shape` the rows are cells of a table. Bars are changes in standard deviations,
# beside them stand the cells before and after. Columns that an attacker cannot reach stay as they
# are: here, all that are called "worst".
table = load_breast_cancer(as_frame=True)
frame = table.data
labels = table.target.map(dict(enumerate(table.target_names)))
X_train, X_test, y_train, y_test = train_test_split(frame, labels, random_state=0)
pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(X_train, y_train)
reachable = [name for name in frame.columns if not name.startswith("worst")]
display = AdversarialExamplesDisplay.from_estimator(
    pipeline,
    X_test,
    y_test,
    n_examples=2,
    space=FeatureSpace.from_data(X_train, mutable=reachable),
    unit="standard deviations",
)
plt.show()

# %%
# The numbers are there as well.
for name, before, after in display.changed_columns(0, n_columns=3):
    print(f"{name:<20} {before:8.4g} -> {after:8.4g}")
