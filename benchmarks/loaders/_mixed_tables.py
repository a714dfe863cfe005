"""Tables of numbers and words: credit, income, and network connections."""

from __future__ import annotations

from typing import Any

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
training set does not: an accuracy near 0.8 is what plain classifiers reach on it.

Source: M. Tavallaee, E. Bagheri, W. Lu, A. Ghorbani, A detailed analysis of the KDD CUP 99 data
set, 2009.
Licence: none stated; for research, with citation.
""",
)


def load_german_credit(
    *,
    data_home: Any = None,
    return_X_y: bool = False,
    as_frame: bool = True,
    drop_duplicates: bool = False,
) -> Any:
    """Load German credit, 1000 applicants with 20 features (classification).

    Parameters
    ----------
    data_home : str, path-like or None, default=None
        Folder with ``german_credit.csv.gz``. None means the environment variable ``SPECREG_DATA``.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` in place of a Bunch.
    as_frame : bool, default=True
        Must be True: columns hold words, which an array of numbers cannot.
    drop_duplicates : bool, default=False
        Whether to keep only the first of all rows with the same features; here, none.

    Returns
    -------
    sklearn.utils.Bunch
        With the attributes

        data : DataFrame of shape (n, 20)
            Features; 13 columns hold words.
        target : Series of shape (n,), int64
            1 for a bad credit, 0 for a good one.
        feature_names : list of str
            Column names.
        target_names : ndarray of shape (2,)
            Class names.
        frame : DataFrame of shape (n, 21)
            `data` and `target` together.
        DESCR : str
            Description, source and licence.
    (data, target) : tuple
        With ``return_X_y=True``.

    Raises
    ------
    FileNotFoundError
        If there is no folder or no such file in it; the message says how to obtain it.
    ValueError
        If the file has the wrong SHA-256, if ``as_frame=False``.
    ImportError
        If pandas is not installed.

    Examples
    --------
    >>> from specreg_sklearn.datasets import load_german_credit
    >>> X, y = load_german_credit(return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (1000, 20)
    """
    return _GERMAN_CREDIT.load(
        data_home=data_home,
        return_X_y=return_X_y,
        as_frame=as_frame,
        drop_duplicates=drop_duplicates,
    )


def load_adult(
    *,
    subset: str = "train",
    data_home: Any = None,
    return_X_y: bool = False,
    as_frame: bool = True,
    drop_duplicates: bool = False,
) -> Any:
    """Load Adult, 48842 persons of a census with 14 features (classification).

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        Which rows of the official split; "all" is the training rows followed by the test rows.
    data_home : str, path-like or None, default=None
        Folder with ``adult.csv.gz``. None means the environment variable ``SPECREG_DATA``.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` in place of a Bunch.
    as_frame : bool, default=True
        Must be True: columns hold words, which an array of numbers cannot.
    drop_duplicates : bool, default=False
        Whether to keep only the first of all rows with the same features in
        `subset`.

    Returns
    -------
    sklearn.utils.Bunch
        With the attributes

        data : DataFrame of shape (n, 14)
            Features; 8 columns hold words.
        target : Series of shape (n,), int64
            1 for an income above 50000 dollars, 0 for a lower one.
        split : Series of shape (n,)
            "train" or "test".
        feature_names : list of str
            Column names.
        target_names : ndarray of shape (2,)
            Class names.
        frame : DataFrame of shape (n, 15)
            `data` and `target` together.
        DESCR : str
            Description, source and licence.
    (data, target) : tuple
        With ``return_X_y=True``.

    Raises
    ------
    FileNotFoundError
        If there is no folder or no such file in it; the message says how to obtain it.
    ValueError
        If the file has the wrong SHA-256, if ``as_frame=False``,
        or if `subset` is not one of the names.
    ImportError
        If pandas is not installed.

    Examples
    --------
    >>> from specreg_sklearn.datasets import load_adult
    >>> X, y = load_adult(return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (32561, 14)
    """
    return _ADULT.load(
        subset=subset,
        data_home=data_home,
        return_X_y=return_X_y,
        as_frame=as_frame,
        drop_duplicates=drop_duplicates,
    )


def load_nsl_kdd(
    *,
    subset: str = "train",
    data_home: Any = None,
    return_X_y: bool = False,
    as_frame: bool = True,
    drop_duplicates: bool = False,
) -> Any:
    """Load NSL-KDD, network connections of which about half are attacks (classification).

    The training rows are those of the file KDDTrain+_20Percent, the test rows those of KDDTest+.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        Which rows of the official split; "all" is the training rows followed by the test rows.
    data_home : str, path-like or None, default=None
        Folder with ``nsl_kdd_train20.csv.gz`` and ``nsl_kdd_test.csv.gz``. None means the
        environment variable ``SPECREG_DATA``.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` in place of a Bunch.
    as_frame : bool, default=True
        Must be True: columns hold words, which an array of numbers cannot.
    drop_duplicates : bool, default=False
        Whether to keep only the first of all rows with the same features in
        `subset`.

    Returns
    -------
    sklearn.utils.Bunch
        With the attributes

        data : DataFrame of shape (n, 41)
            Features; 3 columns hold words.
        target : Series of shape (n,), int64
            1 for an attack, 0 for a normal connection.
        attack_type : Series of shape (n,)
            The kind of attack, or "normal".
        difficulty : Series of shape (n,), int64
            How many of 21 classifiers got the connection right.
        feature_names : list of str
            Column names.
        target_names : ndarray of shape (2,)
            Class names.
        frame : DataFrame of shape (n, 42)
            `data` and `target` together.
        DESCR : str
            Description, source and licence.
    (data, target) : tuple
        With ``return_X_y=True``.

    Raises
    ------
    FileNotFoundError
        If there is no folder or no such file in it; the message says how to obtain it.
    ValueError
        If the file has the wrong SHA-256, if ``as_frame=False``,
        or if `subset` is not one of the names.
    ImportError
        If pandas is not installed.

    Examples
    --------
    >>> from specreg_sklearn.datasets import load_nsl_kdd
    >>> X, y = load_nsl_kdd(return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (25192, 41)
    """
    return _NSL_KDD.load(
        subset=subset,
        data_home=data_home,
        return_X_y=return_X_y,
        as_frame=as_frame,
        drop_duplicates=drop_duplicates,
    )
