"""
Attack a phishing detector: a table that its author controls in part
====================================================================

A detector reads 87 columns about a web page and says "phishing" or "legitimate". Whoever writes a
phishing page chooses its address and its content. They do not choose how old the domain is, or what
a search engine thinks of it. This example attacks two detectors within these limits and reads the
result: what gets through, at which price, and by which columns.
"""

# sphinx_gallery_thumbnail_path = "_static/thumbnails/phishing_table.png"

# %%
# The table
# ---------
# 1500 pages from the table of Hannousse and Yahiouche (2021, `doi 10.17632/c2gw7fy2j4.3
# <https://doi.org/10.17632/c2gw7fy2j4.3>`__, CC BY 4.0). Most columns are counts and flags, some
# are shares and means.
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn import FeatureSpace, SpectrallyRegularizedEncoder
from specreg_sklearn.attacks import CGBA

here = Path("examples") if Path("examples").is_dir() else Path()
table = pd.read_csv(here / "data" / "url_phishing_small.csv.gz")
X = table.drop(columns="target")
y = table["target"].map({0: "legitimate", 1: "phishing"})
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
print(X.dtypes.value_counts())

# %%
# Two detectors
# -------------
# Trees, and a network whose layers are kept from stretching their input. Both get the frame as it
# is.
detectors = {
    "boosted trees": HistGradientBoostingClassifier(max_iter=50, random_state=0),
    "regularised network": make_pipeline(
        StandardScaler(),
        SpectrallyRegularizedEncoder(
            hidden_layer_sizes=(64,), alpha=1e-2, max_iter=100, random_state=0
        ),
    ),
}
for name, detector in detectors.items():
    detector.fit(X_train, y_train)
    print(f"{name:<20} accuracy {detector.score(X_test, y_test):.3f}")

# %%
# What the author of the page controls
# ------------------------------------
# The address and the content. What others record about the domain stays as it is: its age, its
# rank, whether a search engine knows it. A page that wants a password keeps its form. Columns that
# may not change keep their cells bit by bit, and counts stay whole numbers.
records = [
    *("whois_registered_domain", "domain_registration_length", "domain_age", "dns_record"),
    *("web_traffic", "google_index", "page_rank", "statistical_report"),
]
mutable = X.columns.drop([*records, "login_form"])


# %%
# Columns depend on each other. A `repair` puts each candidate right before the detector sees it:
# here the shortest word is not longer than the longest one, the mean lies between them, and the
# shares of internal and external links still add up to what they did. It gets the changed rows and
# the clean ones, as frames.
def consistent(moved, clean):
    """Put rows right whose columns contradict each other."""
    for words in ("words_raw", "word_host", "word_path"):
        longest = moved[f"longest_{words}"]
        shortest = np.minimum(moved[f"shortest_{words}"], longest)
        moved[f"shortest_{words}"] = shortest
        moved[f"avg_{words}"] = moved[f"avg_{words}"].clip(shortest, longest)
    total = (clean["ratio_intHyperlinks"] + clean["ratio_extHyperlinks"]).round()
    moved["ratio_intHyperlinks"] = moved["ratio_intHyperlinks"].clip(upper=total)
    moved["ratio_extHyperlinks"] = total - moved["ratio_intHyperlinks"]
    return moved


space = FeatureSpace.from_data(X_train, mutable=mutable, repair=consistent)
print(space)

# %%
# The attack
# ----------
# Only authors of phishing pages want to be misread, so only phishing pages are attacked. `pool`
# gives the rows to start from. CGBA asks a detector for nothing but labels, at most 1000 times a
# row. A distance of 1 along one column is one standard deviation of that column.
pages = X_test[y_test == "phishing"][:50]
truth = y_test[pages.index]
results = {}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for name, detector in detectors.items():
        results[name] = CGBA().run(detector, pages, truth, space=space, pool=X_train)
print(*(message.message for message in caught), sep="\n")
status = pd.DataFrame({name: pd.Series(r.status).value_counts() for name, r in results.items()})
print(status.fillna(0).astype(int))

# %%
# How to read the words:
#
# - *found*: a page that the detector takes for legitimate, the nearest one that the attack knows.
#   The answer was checked on the very row that is reported.
# - *already_wrong*: the detector misses the page as it is. Its distance is 0, and it costs nothing.
# - *start_failed*: undecided. An attack begins at a page that passes and walks towards the clean
#   one. It takes pages of the pool, which take over the cells that cannot change, and random ones
#   if none of them passes. Where these fail as well, the attack has nowhere to begin. This is a
#   hint that the cells that cannot change decide, and no proof.
#
# Queries count the rows sent to `predict` for each page. The budget is never exceeded, and what
# starts with nothing ends soon.
for name, result in results.items():
    for word in ("found", "start_failed"):
        spent = result.n_queries[result.status == word]
        if len(spent):
            print(f"{name:<20} {word:<13} {np.median(spent):4.0f} queries a page")

# %%
# Robust accuracy
# ---------------
# The share of the phishing pages that are caught and stay caught when their author may go as far as
# eps. Undecided pages count as withstanding, as in `robust_accuracy_score`: the curves are upper
# bounds, and a better attack can only push them down. Where a curve ends says how many pages are
# undecided. With so few pages, small differences mean little.
eps = np.linspace(0, 8, 65)
figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
for (name, result), look in zip(results.items(), ("k-o", "C0--s"), strict=True):
    distances = result.distances
    curve = (distances[None, :] > eps[:, None]).mean(axis=1)
    axes.plot(eps, curve, look, markevery=8, markersize=5, label=name)
    print(f"{name:<20} median distance {np.median(distances):.2f}", end=" ")
    print(f"with {np.isinf(distances).sum()} of {len(pages)} pages undecided")
axes.set(
    xlabel="eps (Euclidean distance, standard deviations of the columns)",
    ylabel="robust accuracy (share of phishing pages)",
    xlim=(0, eps[-1]),
    ylim=(0, 1.03),
)
axes.grid(alpha=0.3)
axes.legend(title="detector")
plt.show()

# %%
# Before and after
# ----------------
# The attack hands back a frame with the columns, dtypes and index of the input. Here are the
# nearest pages that fooled the trees, in the columns that moved by a tenth of a standard deviation
# or more. Cells that cannot change are the same, bit by bit.
result = results["boosted trees"]
unit = pd.Series(space.scale, index=X.columns)
found = np.flatnonzero(result.status == "found")
for row in found[np.argsort(result.distances[found])][:3]:
    both = pd.concat([pages.iloc[[row]], result.X_adv.iloc[[row]]])
    moved = X.columns[both.diff().iloc[1].abs() / unit >= 0.1]
    print(f"\npage {pages.index[row]}, distance {result.distances[row]:.2f}")
    print(both[moved].round(3).astype(object).set_axis(["clean", "changed"]).T)
fixed = X.columns.drop(mutable)
print("\nfixed columns as before:", result.X_adv[fixed].equals(pages[fixed]))
print("dtypes as before:", result.X_adv.dtypes.equals(pages.dtypes))

# %%
# Which columns move
# ------------------
# The share of the pages found in which a column moved by a tenth of a standard deviation or more.
# Columns that both detectors lean on, and that the author of a page can change for free, are the
# ones to distrust.
shares = pd.DataFrame(
    {
        name: (((result.X_adv - pages) / unit).abs() >= 0.1)[result.status == "found"].mean()
        for name, result in results.items()
    }
)
top = shares.loc[shares.max(axis=1).nlargest(12).index].iloc[::-1]
figure, axes = plt.subplots(figsize=(6.4, 4.8), layout="constrained")
place = np.arange(len(top))
looks = [{"color": "0.2"}, {"color": "0.85", "edgecolor": "0.2", "hatch": "///"}]
for offset, name, look in zip((0.2, -0.2), top.columns, looks, strict=True):
    axes.barh(place + offset, top[name], height=0.38, label=name, **look)
axes.set(
    yticks=place,
    yticklabels=top.index,
    xlim=(0, 1),
    xlabel="share of the pages found in which the column moved",
)
figure.legend(loc="outside upper center", ncols=2)
plt.show()

# %%
# A row that fools a detector is a row of numbers. Whether somebody can write the page that has
# these numbers is another question, which bounds, immutable columns and a `repair` answer only as
# far as they go. See the threat model in the guide.
