"""Tables of numbers: spam mails and phishing pages."""

from __future__ import annotations

from typing import Any

from benchmarks.loaders._files import DataFile
from benchmarks.loaders._tables import AS_CSV, Table

_SPAMBASE = Table(
    loader="load_spambase",
    files={
        "all": DataFile(
            name="spambase.csv.gz",
            sha256="88a4da07d7c7e981bf028c18971430f181f3275eb3c61930c624e11262362a5c",
            source=(
                "UCI repository, data set 94; or spambase.data and spambase.names in the GitHub "
                f"repository yash2396/Spam-Classification (commit 78b428bf), {AS_CSV}"
            ),
        )
    },
    target_names=("not_spam", "spam"),
    description="""Spambase: frequencies of words in e-mails

4601 mails, 57 features: percentages of 48 words and 6 characters, and lengths of runs of capital
letters. 1813 mails are spam. Only 4207 rows are distinct, 3 of them with both labels: repeated rows
on both sides of a split inflate every score, see `drop_duplicates`.

Source: M. Hopkins, E. Reeber, G. Forman, J. Suermondt, UCI repository, data set 94.
Licence: CC BY 4.0.
""",
)

_URL_PHISHING = Table(
    loader="load_url_phishing",
    files={
        "all": DataFile(
            name="url_phishing.csv.gz",
            sha256="2972c39f5ace18ec88d95efda27c8f22d0fc2c3535beceb505149c6d172bd696",
            source=(
                "Mendeley Data, doi 10.17632/c2gw7fy2j4.3; or dataset_phishing.csv in the GitHub "
                "repository kylsxnd/Link-Phising (commit 0316ad29); without the text column url, "
                f"{AS_CSV}"
            ),
        )
    },
    target_names=("legitimate", "phishing"),
    description="""Web page phishing detection

11430 web pages, 87 features of their address, content and domain; half are phishing. 11256 rows are
distinct. Six columns are constant: nb_or, ratio_nullHyperlinks, ratio_intRedirection,
ratio_intErrors, submit_email, sfh. The text column `url` was left out.

Source: A. Hannousse, S. Yahiouche, Mendeley Data, version 3, 2021, doi 10.17632/c2gw7fy2j4.3.
Licence: CC BY 4.0.
""",
)

_PHISHING_WEBSITES = Table(
    loader="load_phishing_websites",
    files={
        "all": DataFile(
            name="phishing_websites.csv.gz",
            sha256="56b397965475ba03df5e3239dc114596f2a5f628c82884222ed97d9793988c68",
            source=(
                "UCI repository, data set 327; or Training Dataset.arff in the GitHub repository "
                "santoshchejarla/WebSecAsst (commit 6d4d2626); Result -1 as target 1, Result 1 as "
                f"target 0, {AS_CSV}"
            ),
        )
    },
    target_names=("legitimate", "phishing"),
    description="""Phishing websites

11055 web sites, 30 features with the values -1, 0 and 1; 4898 sites are phishing. Only 5785 rows
are distinct, 64 of them with both labels: repeated rows on both sides of a split inflate every
score, see `drop_duplicates`.

Source: R. Mohammad, F. Thabtah, L. McCluskey, UCI repository, data set 327.
Licence: CC BY 4.0.
""",
)


def load_spambase(
    *,
    data_home: Any = None,
    return_X_y: bool = False,
    as_frame: bool = False,
    drop_duplicates: bool = False,
) -> Any:
    """Load Spambase, 4601 e-mails described by frequencies of words (classification).

    Parameters
    ----------
    data_home : str, path-like or None, default=None
        Folder with ``spambase.csv.gz``. None means the environment variable ``SPECREG_DATA``.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` in place of a Bunch.
    as_frame : bool, default=False
        Whether `data` and `target` are a pandas DataFrame and Series.
    drop_duplicates : bool, default=False
        Whether to keep only the first of all rows with the same features. A row that
        occurs on both sides of a split inflates every score; 4207 of the 4601 rows are distinct.

    Returns
    -------
    sklearn.utils.Bunch
        With the attributes

        data : ndarray or DataFrame of shape (n, 57)
            Features; an array is float64.
        target : ndarray or Series of shape (n,), int64
            1 for spam, 0 for other mails.
        feature_names : list of str
            Column names.
        target_names : ndarray of shape (2,)
            Class names.
        frame : DataFrame of shape (n, 58) or None
            `data` and `target` together, with ``as_frame=True``.
        DESCR : str
            Description, source and licence.
    (data, target) : tuple
        With ``return_X_y=True``.

    Raises
    ------
    FileNotFoundError
        If there is no folder or no such file in it; the message says how to obtain it.
    ValueError
        If the file has the wrong SHA-256.
    ImportError
        If ``as_frame=True`` and pandas is not installed.

    Examples
    --------
    >>> from specreg_sklearn.datasets import load_spambase
    >>> X, y = load_spambase(return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (4601, 57)
    """
    return _SPAMBASE.load(
        data_home=data_home,
        return_X_y=return_X_y,
        as_frame=as_frame,
        drop_duplicates=drop_duplicates,
    )


def load_url_phishing(
    *,
    data_home: Any = None,
    return_X_y: bool = False,
    as_frame: bool = False,
    drop_duplicates: bool = False,
) -> Any:
    """Load 11430 web pages, half of them phishing, with 87 features (classification).

    Six columns are constant; they stay.

    Parameters
    ----------
    data_home : str, path-like or None, default=None
        Folder with ``url_phishing.csv.gz``. None means the environment variable ``SPECREG_DATA``.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` in place of a Bunch.
    as_frame : bool, default=False
        Whether `data` and `target` are a pandas DataFrame and Series.
    drop_duplicates : bool, default=False
        Whether to keep only the first of all rows with the same features. A row that
        occurs on both sides of a split inflates every score; 11256 of the 11430 rows are distinct.

    Returns
    -------
    sklearn.utils.Bunch
        With the attributes

        data : ndarray or DataFrame of shape (n, 87)
            Features; an array is float64.
        target : ndarray or Series of shape (n,), int64
            1 for phishing, 0 for legitimate pages.
        feature_names : list of str
            Column names.
        target_names : ndarray of shape (2,)
            Class names.
        frame : DataFrame of shape (n, 88) or None
            `data` and `target` together, with ``as_frame=True``.
        DESCR : str
            Description, source and licence.
    (data, target) : tuple
        With ``return_X_y=True``.

    Raises
    ------
    FileNotFoundError
        If there is no folder or no such file in it; the message says how to obtain it.
    ValueError
        If the file has the wrong SHA-256.
    ImportError
        If ``as_frame=True`` and pandas is not installed.

    Examples
    --------
    >>> from specreg_sklearn.datasets import load_url_phishing
    >>> X, y = load_url_phishing(return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (11430, 87)
    """
    return _URL_PHISHING.load(
        data_home=data_home,
        return_X_y=return_X_y,
        as_frame=as_frame,
        drop_duplicates=drop_duplicates,
    )


def load_phishing_websites(
    *,
    data_home: Any = None,
    return_X_y: bool = False,
    as_frame: bool = False,
    drop_duplicates: bool = False,
) -> Any:
    """Load 11055 web sites described by 30 features with three values (classification).

    Parameters
    ----------
    data_home : str, path-like or None, default=None
        Folder with ``phishing_websites.csv.gz``. None means the environment variable
        ``SPECREG_DATA``.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` in place of a Bunch.
    as_frame : bool, default=False
        Whether `data` and `target` are a pandas DataFrame and Series.
    drop_duplicates : bool, default=False
        Whether to keep only the first of all rows with the same features. A row that
        occurs on both sides of a split inflates every score; 5785 of the 11055 rows are distinct.

    Returns
    -------
    sklearn.utils.Bunch
        With the attributes

        data : ndarray or DataFrame of shape (n, 30)
            Features; an array is float64.
        target : ndarray or Series of shape (n,), int64
            1 for phishing, 0 for legitimate sites.
        feature_names : list of str
            Column names.
        target_names : ndarray of shape (2,)
            Class names.
        frame : DataFrame of shape (n, 31) or None
            `data` and `target` together, with ``as_frame=True``.
        DESCR : str
            Description, source and licence.
    (data, target) : tuple
        With ``return_X_y=True``.

    Raises
    ------
    FileNotFoundError
        If there is no folder or no such file in it; the message says how to obtain it.
    ValueError
        If the file has the wrong SHA-256.
    ImportError
        If ``as_frame=True`` and pandas is not installed.

    Examples
    --------
    >>> from specreg_sklearn.datasets import load_phishing_websites
    >>> X, y = load_phishing_websites(return_X_y=True)  # doctest: +SKIP
    >>> X.shape  # doctest: +SKIP
    (11055, 30)
    """
    return _PHISHING_WEBSITES.load(
        data_home=data_home,
        return_X_y=return_X_y,
        as_frame=as_frame,
        drop_duplicates=drop_duplicates,
    )
