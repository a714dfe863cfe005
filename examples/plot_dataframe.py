"""
A table with columns that nobody can change
===========================================

Rows of a table are not images: columns have names, labels are words, and an attacker controls some
columns and not others. This example trains on a pandas frame with string labels, and measures how
far a row must move when only some of its columns can.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/dataframe.png"

# %%
# A frame and labels that are words
# ---------------------------------
# The breast cancer table holds 30 measurements of a cell sample. Labels become "malignant" and
# "benign".
import warnings

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import (
    FeatureSpace,
    RobustLinearProbe,
    SpectrallyRegularizedEncoder,
    robust_accuracy,
)
from specreg_sklearn.attacks import CGBA
from specreg_sklearn.metrics import adversarial_distances, robust_accuracy_score

data = load_breast_cancer(as_frame=True)
X = data.data
y = data.target.map(dict(enumerate(data.target_names)))
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
print(y_train.value_counts())

# %%
# The features as a frame
# -----------------------
# With `set_output(api="pandas")` the encoder returns a frame: one column per feature it learned,
# and the index of the input.
encoder = SpectrallyRegularizedEncoder(
    hidden_layer_sizes=(16,), alpha=1e-2, max_iter=100, random_state=0
)
pipeline = make_pipeline(StandardScaler(), encoder, RobustLinearProbe(epsilon=0.1))
pipeline.set_output(transform="pandas")
pipeline.fit(X_train, y_train)
features = pipeline[:-1].transform(X_test)
print(features.shape, list(features.columns[:2]))
print((features.index == X_test.index).all())

# %%
# Accuracy and accuracy under attack
# ----------------------------------
# `robust_accuracy` attacks the whole pipeline, scaler included, on the frame. The attack is CGBA,
# with at most 1000 questions a row. The distance divides each column by its standard deviation over
# the rows that are given, so that a cell radius and a smoothness can be added up.
X_few, y_few = X_test[:30], y_test[:30]
print(f"accuracy                 {pipeline.score(X_few, y_few):.2f}")
print(f"robust accuracy at 0.5   {robust_accuracy(pipeline, X_few, y_few):.2f}")

# %%
# Columns that cannot change
# --------------------------
# Say the "worst" measurements are out of an attacker's reach. The feature space lists the columns
# that may move; all others keep their cells bit by bit. Fewer ways to move mean that the shortest
# way can only get longer.
reachable = [name for name in X.columns if not name.startswith("worst")]
everything = FeatureSpace.from_data(X_train)
restricted = FeatureSpace.from_data(X_train, mutable=reachable)
distances = {}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for title, space in {"all columns": everything, "no worst columns": restricted}.items():
        distances[title] = adversarial_distances(
            pipeline, X_test, y_test, space=space, max_samples=15
        )
print(*(message.message for message in caught), sep="\n")

# %%
# The warning is part of the answer. An attack starts from rows of data that the pipeline puts into
# another class after they have taken over the cells that cannot change. Where it finds none, and
# random rows do not serve either, a row is undecided: its distance is inf. In a score it counts as
# withstanding, so that the score stays an upper bound. How far the others must move is compared
# here on rows that are decided in both spaces.
decided = np.all([np.isfinite(found) for found in distances.values()], axis=0)
for title, found in distances.items():
    print(f"{title:<17} median distance {np.median(found[decided]):.2f}", end=" ")
    print(f"on {decided.sum()} rows of {len(found)}")

# %%
# A larger budget pays for more starts, and more starts may decide more rows. What is left may well
# be out of reach.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    patient = adversarial_distances(
        pipeline,
        X_test,
        y_test,
        attack=CGBA(max_queries=5000, n_starts=60),
        space=restricted,
        max_samples=15,
    )
print(f"undecided with 1000 queries: {np.isinf(distances['no worst columns']).sum()}")
print(f"undecided with 5000 queries: {np.isinf(patient).sum()}")

# %%
# With several values of eps, in increasing order, `robust_accuracy_score` gives a curve from one
# run of the attack. At eps 0 it is the accuracy.
eps = [0.0, 0.5, 1.0, 2.0]
curve = robust_accuracy_score(pipeline, X_test, y_test, eps=eps, space=everything, max_samples=15)
for size, share in zip(eps, curve, strict=True):
    print(f"eps {size}: robust accuracy {share:.2f}")

# %%
# An adversarial row
# ------------------
# The attack hands back a frame with the columns, the dtypes and the index of the input. Here is one
# row that is classified correctly, beside its changed twin, in the columns that moved most.
result = CGBA().run(pipeline, X_test[:5], y_test[:5], space=restricted, pool=X_test)
print(result)
row = int(np.flatnonzero(result.status == "found")[0])
clean, changed = X_test.iloc[[row]], result.X_adv.iloc[[row]]
print("label", y_test.iloc[row], "| clean", *pipeline.predict(clean), end=" ")
print("| changed", *pipeline.predict(changed))
moved = ((changed.iloc[0] - clean.iloc[0]) / restricted.scale).abs().nlargest(4).index
both = clean[moved].T.set_axis(["clean"], axis=1).assign(changed=changed[moved].iloc[0])
print(both.round(4))
