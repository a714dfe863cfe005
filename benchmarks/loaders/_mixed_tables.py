"""Tables of numbers and words: credit, income, and network connections."""

from __future__ import annotations

from functools import partial

from benchmarks.loaders._files import DataFile
from benchmarks.loaders._tables import AS_CSV, Table

_GERMAN_CREDIT = Table(
    loader="load_german_credit",
    files={
        "all": DataFile(
            name="german_credit.csv.gz",
            sha256="5b5be7060709adba01856b1485375882c7601be339d16191fc54a9fa820e94f3",
            source=(
                "UCI repository, data set 144; or german.csv in the GitHub repository "
                f"jbrownlee/Datasets (commit d20fcb64), {AS_CSV}"
            ),
        )
    },
    target_names=("good", "bad"),
    has_text=True,
    description="""German credit (Statlog)

1000 applicants for a credit, 20 features, 7 of them numbers; 300 credits are bad. Words are codes
such as A11; the UCI page explains them.

Source: H. Hofmann, UCI repository, data set 144.
Licence: CC BY 4.0.
""",
)

_ADULT = Table(
    loader="load_adult",
    files={
        "all": DataFile(
            name="adult.csv.gz",
            sha256="ae940c4f67296c461874d8050a84e8183291b4298fc444ffc3f1fe0eb857cd01",
            source=(
                "UCI repository, data set 2; or adult-train.csv and adult-test.csv in the GitHub "
                "repository jbrownlee/Datasets (commit d20fcb64); training rows first, with a "
                f"column `split` that says train or test, {AS_CSV}"
            ),
        )
    },
    target_names=("<=50K", ">50K"),
    has_text=True,
    split_column="split",
    description="""Adult (census income)

48842 persons of the census of 1994, 14 features, 6 of them numbers; 11687 earn more than 50000
dollars a year. A missing word is "?". 48785 rows are distinct.

Source: B. Becker, R. Kohavi, UCI repository, data set 2.
Licence: CC BY 4.0.
""",
)

_NSL_KDD = Table(
    loader="load_nsl_kdd",
    files={
        "train": DataFile(
            name="nsl_kdd_train20.csv.gz",
            sha256="49b082781b3534d1f7703a4a3b2fb6a0f2011dbbea3e712c723a486e18e7bf2d",
            source=(
                "KDDTrain+_20Percent.txt and Field Names.csv in the GitHub repository "
                f"defcom17/NSL_KDD (commit 27bbbdf5), {AS_CSV}"
            ),
        ),
        "test": DataFile(
            name="nsl_kdd_test.csv.gz",
            sha256="72d6c45b149a87516c312d831edb703906cfd736fc7a7beda37fb30b883eded7",
            source=(
                "KDDTest+.txt and Field Names.csv in the GitHub repository defcom17/NSL_KDD "
                f"(commit 27bbbdf5), {AS_CSV}"
            ),
        ),
    },
    target_names=("normal", "attack"),
    has_text=True,
    side_columns=("attack_type", "difficulty"),
    description="""NSL-KDD: network connections

25192 training connections (the file KDDTrain+_20Percent) and 22544 test connections (KDDTest+), 41
features, 3 of them words; 11743 and 12833 are attacks. The test set holds kinds of attack that the
training set does not: an accuracy near 0.8 is what plain classifiers reach on it. `attack_type` is
the kind of attack or "normal", `difficulty` how many of 21 classifiers got the connection right.

Source: M. Tavallaee, E. Bagheri, W. Lu, A. Ghorbani, A detailed analysis of the KDD CUP 99 data
set, 2009.
Licence: none stated; for research, with citation.
""",
)

load_german_credit = _GERMAN_CREDIT.load
load_adult = partial(_ADULT.load, subset="train")
load_nsl_kdd = partial(_NSL_KDD.load, subset="train")
