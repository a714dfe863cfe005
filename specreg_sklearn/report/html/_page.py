"""The page: the headline first, then what it rests on, and at last how to check it."""

from __future__ import annotations

from html import escape
from itertools import count
from typing import Any

from specreg_sklearn.report.html._details import (
    checking,
    comparison,
    examples,
    limits,
    question,
)
from specreg_sklearn.report.html._models import classes, columns, curves, overview, states
from specreg_sklearn.report.html._style import STYLE


def page(document: dict[str, Any]) -> str:
    """Return a whole HTML page that needs no other file."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>Robustness report: {escape(document['headline'])}</title>\n"
        "<style>html, body { margin: 0; } "
        "@media screen and (prefers-color-scheme: dark) { body { background: #14181d; } }</style>\n"
        f"</head>\n<body>\n{fragment(document)}\n</body>\n</html>\n"
    )


def fragment(document: dict[str, Any]) -> str:
    """Return the report as a part of a page, such as a notebook; its style touches nothing else."""
    # Pictures of a notebook must not share names with those of another report in it.
    ids = (f"specreg-{document['sha256'][:8]}-{k}" for k in count(1))
    data, versions = document["data"], document["versions"]
    names = [model["name"] for model in document["models"]]
    about = names[0] if len(names) == 1 else f"{len(names)} models"
    meta = (
        f"{about} · {data['n_measured']:,} of {data['n_rows']:,} rows · "
        f"{document['threat_model']['norm_name']} · {document['created'][:10]} · "
        f"specreg-sklearn {versions.get('specreg-sklearn', '')}"
    )
    body = "".join(
        (
            overview(document),
            curves(ids, document),
            comparison(document),
            classes(ids, document),
            columns(ids, document),
            examples(document),
            states(ids, document),
            question(document),
            limits(document),
            checking(document),
        )
    )
    return (
        f'<div class="specreg"><style>{STYLE}</style><main><header><p class="over">Robustness '
        f"report</p><h1>{escape(document['headline'])}</h1>"
        f'<p class="meta">{escape(meta)}</p></header>{body}</main></div>'
    )
