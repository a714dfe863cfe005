"""
How robust is a forest? A number that was wrong, and how to tell
================================================================

Most attacks that see labels only walk along the decision boundary, as if it were smooth. The
boundary of a forest is made of walls across single columns, and a walk ends in front of the first
one. The forest then looks far more robust than it is, and a search that trusts such a number
picks the wrong model. This example measures one forest in four ways, and shows what to look at.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/forest_budgets.png"

# %%
# A forest on a table with heavy tails
# ------------------------------------
# 1500 web pages, phishing or legitimate, in 87 columns (Hannousse and Yahiouche, 2021, `doi
# 10.17632/c2gw7fy2j4.3 <https://doi.org/10.17632/c2gw7fy2j4.3>`__, CC BY 4.0). Columns move in
# units of their standard deviation, within the range of the data. In a column with a heavy tail
# one hundredth of that passes many rows, and many thresholds.
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from specreg_sklearn import FeatureSpace
from specreg_sklearn.attacks import CGBA, Strongest, TangentAttack

here = Path("examples") if Path("examples").is_dir() else Path()
table = pd.read_csv(here / "data" / "url_phishing_small.csv.gz")
X, y = table.drop(columns="target").astype(float), table["target"]
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
forest = RandomForestClassifier(60, random_state=0).fit(X_train, y_train)
space = FeatureSpace.from_data(X_train)
rows = np.flatnonzero(forest.predict(X_test) == y_test)[:40]
X_rows, y_rows = X_test.iloc[rows], y_test.iloc[rows]
print(
    f"accuracy {forest.score(X_test, y_test):.3f}; {len(rows)} rows that it gets right are attacked"
)

# %%
# Four measurements
# -----------------
# A walk along the boundary, the default with 1000 and with 5000 queries a row, and the strongest
# attack, which reads class scores too, with 1000 queries in each of its two parts. All give upper
# bounds of the same distances: the lowest one is nearest to the truth.
attacks = {
    "a walk (TangentAttack)": TangentAttack(),
    "the default (CGBA)": CGBA(),
    "the default, 5000 queries": CGBA(max_queries=5000),
    "labels and scores (Strongest)": Strongest(),
}
found = {}
for name, attack in attacks.items():
    found[name] = attack.run(forest, X_rows, y_rows, space=space, pool=X_train)
    distances = found[name].distances
    print(f"{name:<29} median distance {np.median(distances):.2f}")

# %%
# The curves
# ----------
# The share of these rows that withstands each size of attack. Where the walk says that most rows
# are safe, the others have found a row that fools the forest. None of the numbers is a proof.
eps = np.linspace(0, 2, 81)
looks = [("0.55", ":"), ("#56B4E9", "-"), ("#0072B2", "--"), ("#D55E00", "-")]
figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
for (name, result), (color, line) in zip(found.items(), looks, strict=True):
    share = (result.distances > eps[:, None]).mean(axis=1)
    axes.plot(eps, share, line, color=color, linewidth=2, label=name)
axes.set(
    xlabel="eps (standard deviations, L2)",
    ylabel="share of rows that withstand",
    xlim=(0, eps[-1]),
    ylim=(0, 1.02),
)
axes.grid(alpha=0.3)
axes.legend()
plt.show()

# %%
# Row by row
# ----------
# How much nearer than the walk the others came. A row that fools the forest moves few columns:
# the search takes home what is not needed, and moves the rest just past a threshold.
walk = found["a walk (TangentAttack)"].distances
for name, result in found.items():
    nearer = np.quantile(walk / result.distances, [0.5, 0.9])
    moved = np.median((result.X_adv.to_numpy() != X_rows.to_numpy()).sum(axis=1))
    print(
        f"{name:<29} nearer by {nearer[0]:.2f} (median), {nearer[1]:.2f} (one row in ten); "
        f"{moved:.0f} columns moved"
    )

# %%
# Who found what
# --------------
# `found_by` names the attack behind every row of the strongest result. Where labels and scores
# find nearest rows in turn, neither would have done alone. That is the number to publish, with
# the attack, its budget and the space beside it.
print(pd.Series(found["labels and scores (Strongest)"].found_by).value_counts().to_string())
