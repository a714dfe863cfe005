"""The parts of the page beside the measurement: examples, pairs, question, limits, checking."""

from __future__ import annotations

import json
import shlex
from html import escape
from typing import Any

from specreg_sklearn.report.html._markup import (
    details,
    items,
    number,
    section,
    table,
)

_MOST_CHANGES = 6
_MOST_COLUMNS = 12


def examples(document: dict[str, Any]) -> str:
    """Return three rows of each model, before and after."""
    parts = []
    records = {record["column"]: record for record in document["threat_model"]["columns"]}
    for model in document["models"]:
        rows = {row["row"]: row for row in model["rows"]}
        shown = [_example(rows[place], records) for place in model["summary"]["examples"]]
        if shown:
            grid = f'<div class="grid">{"".join(shown)}</div>'
            parts.append(f'<div class="group"><h3>{escape(model["name"])}</h3>{grid}</div>')
    if not parts:
        return ""
    note = (
        "The nearest, a middle and the farthest of the rows that are turned wrong: what changes, "
        "in the units of the data. Largest changes first."
    )
    return section("Three rows, before and after", "".join(parts), note=note)


def _example(row: dict[str, Any], records: dict[Any, dict[str, Any]]) -> str:
    changes = sorted(row["changes"], key=lambda change: -_weight(change, records))
    lines = [
        (
            escape(str(change["column"])),
            escape(number(change["from"], 5)),
            f'<span class="to">{escape(number(change["to"], 5))}</span>',
        )
        for change in changes[:_MOST_CHANGES]
    ]
    rest = len(changes) - len(lines)
    more = f'<p class="note">and {rest} smaller change{"s" * (rest > 1)}</p>' if rest else ""
    head = (
        f"Row {row['row']}: {row['predicted']} becomes {row['answer']}, at the distance "
        f"{number(row['upper'])}"
    )
    return f"<div>{table(head, ('column', 'before', 'after'), lines)}{more}</div>"


def _weight(change: dict[str, Any], records: dict[Any, dict[str, Any]]) -> float:
    old, new = change["from"], change["to"]
    record = records.get(change["column"], {})
    unit = record.get("one_up") or record.get("one_down")
    numbers = all(isinstance(v, (int, float)) for v in (old, new))
    return abs(new - old) / unit if numbers and unit else float("inf")


def comparison(document: dict[str, Any]) -> str:
    """Return the pairs of models, on the same rows."""
    if not document["comparison"]:
        return ""
    rows = []
    for pair in document["comparison"]:
        low, high = (f"{100 * end:+.0f}".replace("-", "\u2212") for end in pair["interval"])
        difference = f"{100 * pair['difference']:+.0f}".replace("-", "\u2212")
        p = pair["p_value"]
        rows.append(
            (
                f"{escape(pair['first'])} and {escape(pair['second'])}",
                str(pair["only_first_withstands"]),
                str(pair["only_second_withstands"]),
                f"{difference} <small>({low} to {high})</small>",
                "&lt; 0.001" if p < 0.001 else f"{p:.3f}",
            )
        )
    head = ("models", "only the first", "only the second", "difference in points", "p")
    note = (
        "Rows that one model answers rightly under attack and the other does not. The difference "
        "is in percentage points, with its 95 % interval; p is that of McNemar's test, mid-p."
    )
    pairs = table("Pairs", head, rows, hidden=True, stack=True)
    return section("The models compared", pairs, note=note)


def question(document: dict[str, Any]) -> str:
    """Return the threat model in words and as a table."""
    threat = document["threat_model"]
    rows: list[list[str]] = [
        [
            escape(str(record["column"])),
            record["type"],
            record["moves"],
            number(record["low"], 4),
            number(record["high"], 4),
            number(record["one_up"], 4),
            number(record["one_down"], 4),
        ]
        for record in threat["columns"]
    ]
    head = ["column", "type", "moves", "least", "most", "up by 1", "down by 1"]
    priced = any(record["swap"] is not None for record in threat["columns"])
    if priced:
        head += ["group", "price of a swap"]
        for row, record in zip(rows, threat["columns"], strict=True):
            row += [escape(record["group"] or "–"), escape(number(record["swap"]))]
    made = table(
        "Columns: bounds, and how far a move of size 1 goes up and down", head, rows, words=3
    )
    if len(rows) > _MOST_COLUMNS:
        made = details(f"All {len(rows)} columns, their bounds and units", made)
    said = f"eps = {number(threat['eps'])} was {threat['eps_from']}."
    content = items([*threat["sentences"], said]) + made
    return section("What was asked", content, note="The threat model: what an attacker may do.")


def limits(document: dict[str, Any]) -> str:
    """Return what the numbers do not say, and the warnings that were met."""
    content = items(document["limits"])
    met = [
        f"{model['name']}: {warning['message']}"
        for model in document["models"]
        for warning in model["warnings"]
    ]
    if met:
        content += f"<h3>Warnings met</h3>{items(met)}"
    return section("What the numbers do not say", content)


def checking(document: dict[str, Any]) -> str:
    """Return how to check the report, and what identifies models, data and software."""
    names = [model["name"] for model in document["models"]]
    models = [shlex.quote(f"{name}=MODEL") for name in names] if len(names) > 1 else ["MODEL"]
    command = " ".join(
        ("python -m specreg_sklearn verify REPORT.json", *models, "DATA --target COLUMN")
    )
    data, settings = document["data"], document["settings"]
    facts = [
        ("rows and columns", f"{data['n_rows']:,} and {data['n_columns']:,}"),
        ("rows measured", f"{data['n_measured']:,}"),
        ("data, SHA-256", f"<code>{data['X_sha256']}</code>"),
        ("labels, SHA-256", f"<code>{data['y_sha256']}</code>"),
        ("attack", f"<code>{escape(settings['attack'])}</code>"),
        ("seed", str(settings["random_state"])),
        ("nodes of a proof, for a row", f"{settings['max_nodes']:,}"),
        ("report, SHA-256", f"<code>{document['sha256']}</code>"),
    ]
    content = (
        "<p>The JSON of this report holds every measured row with the row that fools the model. "
        "With the models and the data anybody can ask again, and prove again:</p>"
        f"<pre>{escape(command)}</pre>"
    )
    content += table("Data and settings", ("what", "value"), facts, words=2)
    for model in document["models"]:
        parameters = json.dumps(model["parameters"], indent=1, ensure_ascii=False)
        lines = [
            ("class", f"<code>{escape(model['class'])}</code>"),
            ("proof", escape(model["proof"]) or "none"),
            ("predictions, SHA-256", f"<code>{model['predictions']['sha256']}</code>"),
            ("rows asked", f"{model['n_queries']:,}"),
            ("seconds", number(model["seconds"])),
        ]
        made = table(f"Model {model['name']}", ("what", "value"), lines, words=2, hidden=True)
        made += details("Parameters", f"<pre>{escape(parameters)}</pre>", paper=False)
        content += details(f"Model {model['name']}", made)
    packages = [(escape(name), escape(v)) for name, v in document["versions"].items()]
    content += details("Versions", table("Versions", ("package", "version"), packages, words=2))
    return section("How to check this report", content)
