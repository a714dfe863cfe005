"""A finished report: what it says, and the files that it is written as."""

from __future__ import annotations

import copy
from os import PathLike
from pathlib import Path
from typing import Any

from specreg_sklearn.report._markdown import as_markdown
from specreg_sklearn.report.document import read_document, to_text, with_names
from specreg_sklearn.report.html import fragment, page


class RobustnessReport:
    """What :func:`robustness_report` found, as plain data, a page, or a section of a model card.

    Parameters
    ----------
    document : dict
        The report as its JSON holds it; see the page on the schema. It is copied.

    Raises
    ------
    ValueError
        If `document` is not a report, or has another schema version.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.report import robustness_report
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=500).fit(X, y)
    >>> report = robustness_report(model, X, y, eps=0.2, max_samples=15)
    >>> report
    RobustnessReport('Within 0.2 standard deviations, an attacker turns ...')
    >>> report.to_dict()["models"][0]["summary"]["accuracy"]["of"]
    15
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = copy.deepcopy(read_document(document))

    @classmethod
    def from_json(cls, path: str | PathLike[str]) -> RobustnessReport:
        """Return the report that :meth:`write_json` wrote.

        Parameters
        ----------
        path : str or path-like
            The JSON file. It is read, and not verified: see :func:`verify_report`.

        Returns
        -------
        RobustnessReport
            The report.

        Raises
        ------
        ValueError
            If the file is cut off, is no report, or has another schema version.
        OSError
            If it cannot be read.
        """
        return cls(read_document(path))

    @property
    def headline(self) -> str:
        """The report in one sentence."""
        return str(self._document["headline"])

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data: dicts, lists, text, numbers, True, False and None.

        Returns
        -------
        dict
            A copy.
        """
        return copy.deepcopy(self._document)

    def to_markdown(self) -> str:
        """Return a section of a model card.

        Returns
        -------
        str
            Markdown, from a heading of the second level on.
        """
        return as_markdown(with_names(self._document))

    def write_json(self, path: str | PathLike[str]) -> Path:
        """Write the report as JSON, which :func:`verify_report` checks.

        Parameters
        ----------
        path : str or path-like
            Where to; what is there is replaced.

        Returns
        -------
        pathlib.Path
            The file.
        """
        return _write(path, to_text(self._document))

    def write_html(self, path: str | PathLike[str]) -> Path:
        """Write the report as one HTML file that needs nothing else: no network and no scripts.

        Parameters
        ----------
        path : str or path-like
            Where to; what is there is replaced.

        Returns
        -------
        pathlib.Path
            The file.
        """
        return _write(path, page(with_names(self._document)))

    def write_markdown(self, path: str | PathLike[str]) -> Path:
        """Write the section of a model card that :meth:`to_markdown` returns.

        Parameters
        ----------
        path : str or path-like
            Where to; what is there is replaced.

        Returns
        -------
        pathlib.Path
            The file.
        """
        return _write(path, self.to_markdown())

    def add_to_card(self, card: Any, *, section: str = "Robustness") -> Any:
        """Add the report to a model card of skops.

        Parameters
        ----------
        card : skops.card.Card
            The card, or whatever has its method ``add``.
        section : str, default="Robustness"
            Where to, as skops names sections: "Evaluation/Robustness" is a part of another one.

        Returns
        -------
        skops.card.Card
            The same card.

        Raises
        ------
        TypeError
            If the card has no method ``add``.
        """
        if not callable(getattr(card, "add", None)):
            raise TypeError(
                f"card={type(card).__name__} is not a card; pass skops.card.Card(model), or write "
                "the section with write_markdown."
            )
        # The card brings its own heading.
        card.add(**{section: self.to_markdown().partition("\n")[2].lstrip()})
        return card

    def __repr__(self) -> str:
        return f"RobustnessReport({self.headline!r})"

    def _repr_html_(self) -> str:
        return fragment(with_names(self._document))

    def _repr_markdown_(self) -> str:
        return self.to_markdown()


def _write(path: str | PathLike[str], text: str) -> Path:
    place = Path(path)
    place.write_text(text, encoding="utf-8")
    return place
