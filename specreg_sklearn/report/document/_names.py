"""Columns of arrays under the names that somebody gave them, for pages to read."""

from __future__ import annotations

import copy
from typing import Any


def with_names(document: dict[str, Any]) -> dict[str, Any]:
    """Return a report in which columns are called by their names, as far as they have some.

    It is for people. In the report itself columns of arrays are numbers, as in the data.
    """
    names = document["data"]["feature_names"]
    if names is None:
        return document
    out = copy.deepcopy(document)
    entries = [*out["threat_model"]["columns"]]
    for model in out["models"]:
        entries += model["summary"]["columns"]
        entries += [change for row in model["rows"] for change in row["changes"]]
    for entry in entries:
        entry["column"] = names[entry["column"]]
    return out
