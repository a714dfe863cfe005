"""Tables of numbers: spam mails and phishing pages."""

from __future__ import annotations

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

load_spambase = _SPAMBASE.load
load_url_phishing = _URL_PHISHING.load
load_phishing_websites = _PHISHING_WEBSITES.load
