"""A report as an HTML page: one file, no script, light and dark, on screen and on paper."""

from specreg_sklearn.report.html._page import fragment, page

__all__ = ["fragment", "page"]
