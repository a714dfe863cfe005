"""
The band of a forest closes to a line
=====================================

An attack on a forest says that a row this far away is misclassified, and no one knows how much
nearer one lies. A forest is made of finitely many boxes, though, and the nearest one with another
label can be searched for, exactly. Proof and attack then meet: the distance is known, and a row
shows it. This example draws the two ends of a forest by attack alone, and by both.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/forest_band.png"

# %%
# Web pages, and a forest
# -----------------------
# 1500 web pages, phishing or legitimate, in 87 columns (Hannousse and Yahiouche, 2021, `doi
# 10.17632/c2gw7fy2j4.3 <https://doi.org/10.17632/c2gw7fy2j4.3>`__, CC BY 4.0). A distance of 1 is
# one standard deviation of one column of the training rows, and rows stay within their range.
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from specreg_sklearn import FeatureSpace
from specreg_sklearn.metrics import adversarial_band, adversarial_distances

here = Path("examples") if Path("examples").is_dir() else Path()
table = pd.read_csv(here / "data" / "url_phishing_small.csv.gz")
X, y = table.drop(columns="target").astype(float), table["target"]
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
forest = RandomForestClassifier(30, max_depth=6, random_state=0).fit(X_train, y_train)
space = FeatureSpace.from_data(X_train)

# %%
# Both ends in one call
# ---------------------
# `adversarial_band` searches first. Where the search ends by itself, the distance is exact, and
# only rows that it leaves open are attacked. The frame says of each row who proved and who found.
band = adversarial_band(forest, X_test, y_test, space=space, max_samples=40)
print(band)
print(band.to_frame().head())

# %%
# Nothing has to be believed: the rows are there, and `predict` is asked about them once more.
exact = band.status == "exact"
labels = forest.predict(band.X_adv)
print("misclassified, of the exact ones:", (labels != y_test.to_numpy()[band.places])[exact].mean())

# %%
# The band before and after
# -------------------------
# Left, what an attack that asks for labels leaves open: everything below its curve. Right, the same
# rows with the proof. The share of rows that are robust at a size is no longer bounded, but known.
alone = adversarial_distances(
    forest, X_test, y_test, space=space, max_samples=40, certify=False, pool=X_train
)
grid = np.linspace(0, 1.05 * np.max(alone[np.isfinite(alone)]), 200)
low, high = band.robust_accuracy(grid)
by_attack = (alone > grid[:, None]).mean(axis=1)
figure, (left, right) = plt.subplots(
    1, 2, figsize=(8.6, 3.6), sharex=True, sharey=True, layout="constrained"
)
left.fill_between(grid, 0, by_attack, color="#56B4E9", alpha=0.45, linewidth=0)
left.plot(grid, by_attack, color="#D55E00", linewidth=2, label="withstood the attack")
left.text(0.3 * grid[-1], 0.08, "open", ha="center")
left.set_title("attack alone", fontsize="medium")
right.fill_between(grid, low, high, color="#56B4E9", alpha=0.45, linewidth=0)
right.plot(grid, by_attack, color="#D55E00", linewidth=1, alpha=0.6, label="withstood the attack")
right.plot(grid, high, color="black", linewidth=2, label="found by search or attack")
right.plot(grid, low, "--", color="#009E73", linewidth=2, label="proved")
right.set_title(f"with the proof: {band.closed.mean():.0%} of the rows closed", fontsize="medium")
for axes in (left, right):
    axes.set_xlabel("eps (standard deviations, L2)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
left.set(ylabel="share of 40 rows", xlim=(0, grid[-1]), ylim=(0, 1.02))
plt.show()

# %%
# How far the attack alone was off, in the median of the exact rows:
print(f"attack / exact distance: {np.median(alone[exact] / band.upper[exact]):.2f}")
