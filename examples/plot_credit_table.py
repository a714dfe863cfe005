"""
Which loans could be had by small changes? A credit table with one-way columns and prices
=========================================================================================

A bank grants loans by a model. Applicants may change some of what they write: ask for less, for
longer, or for another purpose. They do not get younger, and the monthly rate follows from amount
and duration. This example says all that in one call, and asks two questions: how little turns a
"no" into a "yes", and what do these changes have in common?
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/credit_table.png"

# %%
# The table
# ---------
# The 1000 loans of the Statlog table (Hofmann 1994, UCI Machine Learning Repository, `doi
# 10.24432/C5NC77 <https://doi.org/10.24432/C5NC77>`__, CC BY 4.0). Codes become words, and one
# column is added: what has to be paid each month.
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from specreg_sklearn import FeatureSpace
from specreg_sklearn.metrics import adversarial_band, suggest_eps

here = Path("examples") if Path("examples").is_dir() else Path()
table = pd.read_csv(here / "data" / "german_credit.csv.gz")
WORDS = {
    "checking_status": {"A11": "below 0", "A12": "below 200", "A13": "above 200", "A14": "none"},
    "savings_status": {
        "A61": "below 100",
        "A62": "below 500",
        "A63": "below 1000",
        "A64": "above 1000",
        "A65": "unknown",
    },
    "purpose": {
        "A40": "new car",
        "A41": "used car",
        "A42": "furniture",
        "A43": "television",
        "A44": "appliances",
        "A45": "repairs",
        "A46": "education",
        "A48": "retraining",
        "A49": "business",
        "A410": "other",
    },
    "own_telephone": {"A191": False, "A192": True},
}
X = table[["duration", "credit_amount", "age", "existing_credits"]].copy()
for name, words in WORDS.items():
    X[name] = table[name].map(words)
X["monthly"] = X["credit_amount"] / X["duration"]
y = np.where(table["target"] == 1, "no", "yes")
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

# %%
# The model
# ---------
words = ["checking_status", "savings_status", "purpose"]
model = make_pipeline(
    make_column_transformer((OneHotEncoder(sparse_output=False), words), remainder="passthrough"),
    HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=8, random_state=0),
).fit(X_train, y_train)
print(f"accuracy {model.score(X_test, y_test):.3f}, always yes {np.mean(y_test == 'yes'):.3f}")

# %%
# What applicants may change, and what it costs
# ---------------------------------------------
# A unit is the distance between the quartiles of a column. To ask for less costs twice as much as
# to ask for more, since the money is needed. The age only grows, the loans one has can only be
# paid back. Another purpose is easily written; a telephone costs more. What lies in the accounts
# stays. The monthly rate is computed anew for every change, and costs nothing.
space = FeatureSpace.from_data(
    X_train,
    scale="iqr",
    increase_only=["age"],
    decrease_only=["existing_credits"],
    cost={"credit_amount": (1.0, 2.0), "age": 4.0},
    categories={"purpose": 0.3, "own_telephone": 0.5},
    derived={"monthly": lambda f: f["credit_amount"] / f["duration"]},
    rules=["duration >= 4", "credit_amount >= 250"],
)
print(space)
space.to_frame()

# %%
# Which price is small?
# ---------------------
# The data alone says how far loans of different fate are apart. Below half of that, two loans that
# ended differently can hardly be taken for each other.
print(suggest_eps(X_train, y_train, space, norm=1))

# %%
# From "no" to "yes"
# ------------------
refused = X_test[model.predict(X_test) == "no"][:60]
labels = model.predict(refused)
band = adversarial_band(model, refused, labels, space=space, norm=1, pool=X_train)
found = np.isfinite(band.upper)
print(
    f"{found.mean():.0%} of {len(refused)} refused loans can be had, "
    f"half of these for {np.median(band.upper[found]):.2f} or less"
)

# %%
# Three of them, before and after. Every row obeys: types, rules, the derived rate.
cheapest = np.argsort(band.upper)[:3]
before, after = refused.iloc[cheapest], band.X_adv.iloc[cheapest]
for (_, old), (_, new), price in zip(
    before.iterrows(), after.iterrows(), band.upper[cheapest], strict=True
):
    changes = [f"{c}: {old[c]} -> {new[c]}" for c in X if old[c] != new[c]]
    print(f"{price:.2f}  " + ", ".join(changes))

# %%
# The picture
# -----------
# Left: the share of refused loans that can be had, against what is spent. Right: what the cheapest
# changes are made of.
spent = {}
for name, row in space.to_frame().query("moves == 'yes'").iterrows():
    old, new = refused[name].to_numpy(), band.X_adv[name].to_numpy()
    if row["type"] == "categorical":
        spent[name] = row["swap"] * (new != old)
    else:  # how far a column goes up and down for a price of 1
        up, down = row[["one_up", "one_down"]].astype(float).fillna(np.inf)
        spent[name] = np.maximum(new - old, 0) / up + np.maximum(old - new, 0) / down
assert np.allclose(sum(spent.values())[found], band.upper[found])
shares = pd.DataFrame(spent)[found].sum().sort_values()
shares /= shares.sum()
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), width_ratios=[3, 2])
grid = np.linspace(0, 1.5, 300)
left.plot(grid, [(band.upper <= budget).mean() for budget in grid], linewidth=2)
left.set(xlabel="what an applicant spends", ylabel="refused loans that can be had", ylim=(0, 1))
left.grid(alpha=0.3)
right.barh(shares.index, shares)
right.set_xlabel("share of all that is spent")
figure.tight_layout()
plt.show()
