"""The parts of the page about what models withstand: shares, curves, states, classes, columns."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from specreg_sklearn.report.document import WORDS
from specreg_sklearn.report.html._markup import figure, interval, number, percent, section, table
from specreg_sklearn.report.html._pictures import bars, curve, ranges, stacked

_MOST_COLUMNS, _MOST_LISTED = 8, 50
_COLOURS = {
    "exact": "var(--good)",
    "none_exists": "var(--best)",
    "bracket": "var(--open)",
    "proof_only": "var(--open)",
    "attack_only": "var(--open)",
    "undecided": "var(--bad)",
    "already_wrong": "var(--bad)",
}


def overview(document: dict[str, Any]) -> str:
    """Return the table of all models in one line each."""
    rows = []
    for model in document["models"]:
        summary = model["summary"]
        medians = [number(end) if end is not None else "none" for end in summary["median_distance"]]
        rows.append(
            (
                escape(model["name"]),
                interval(summary["accuracy_all"]),
                interval(summary["robust_proved"]),
                interval(summary["robust_attacked"]),
                medians[0] if medians[0] == medians[1] else " to ".join(medians),
            )
        )
    head = (
        "model",
        "accuracy",
        "right under attack, at least",
        "right under attack, at most",
        "median distance to an error",
    )
    data, n_right = document["data"], document["models"][0]["predictions"]["n_rows"]
    note = (
        f"Accuracy on {n_right:,} rows; under attack, within eps = "
        f"{number(document['threat_model']['eps'])}, on {data['n_measured']:,} of them: the lower "
        "end is proved, the upper end is what the attack left. In brackets, 95 % intervals."
    )
    return section("In short", table("All models", head, rows, hidden=True, stack=True), note=note)


def curves(ids: Iterator[str], document: dict[str, Any]) -> str:
    """Return the curve of each model, with its numbers behind."""
    figures = []
    for model in document["models"]:
        behind = table(
            f"Share of answers that stay right, {model['name']}",
            ("size", "proved", "attacked"),
            [
                (number(p["eps"]), percent(p["proved"]), percent(p["attacked"]))
                for p in model["summary"]["curve"][::2]
            ],
            words=0,
        )
        picture = curve(ids, model, document["threat_model"])
        figures.append(figure(model["name"], picture, behind))
    note = (
        "The share of answers that stay right, against the size of the move. The truth for these "
        "rows lies between the dashed line, which is proved, and the solid one, which the attack "
        "found; where the two are one line, it is known."
    )
    grid = f'<div class="grid">{"".join(figures)}</div>'
    return section("How much each model withstands", grid, note=note)


def states(ids: Iterator[str], document: dict[str, Any]) -> str:
    """Return what is known of the rows of each model."""
    figures = []
    for model in document["models"]:
        found = model["summary"]["statuses"]
        pieces = [(WORDS[word], n, _COLOURS[word]) for word, n in found.items()]
        behind = table(
            f"Rows by what is known, {model['name']}",
            ("what is known of a row", "rows"),
            [(escape(word), str(n)) for word, n, _ in pieces],
        )
        picture = stacked(ids, f"{model['name']}: what is known of its rows", pieces)
        said = ""
        if model["unproved"]:
            said = "Nothing is proved; the reason is below, with what the numbers do not say."
        figures.append(figure(model["name"], picture, behind, said=said))
    note = "For how many rows the distance is known exactly, and for how many it is bounded."
    return section("What is known", f'<div class="grid">{"".join(figures)}</div>', note=note)


def classes(ids: Iterator[str], document: dict[str, Any]) -> str:
    """Return what each class of rows withstands."""
    figures = []
    for model in document["models"]:
        found = model["summary"]["classes"]
        shown = [
            (
                str(entry["label"]),
                entry["proved"] / entry["n_rows"],
                entry["attacked"] / entry["n_rows"],
                _between(entry["proved"], entry["attacked"]) + f" of {entry['n_rows']}",
            )
            for entry in found
        ]
        behind = table(
            f"Rows by true class, {model['name']}",
            ("class", "rows", "right", "proved", "attacked"),
            [
                (
                    escape(str(e["label"])),
                    *map(str, (e["n_rows"], e["n_right"], e["proved"], e["attacked"])),
                )
                for e in found
            ],
        )
        picture = ranges(ids, f"{model['name']}: rows that stay right, by class", shown)
        figures.append(figure(model["name"], picture, behind))
    note = (
        "Answers that stay right within eps, by true class: dark what is proved, light what the "
        "attack left standing."
    )
    return section("Which classes", f'<div class="grid">{"".join(figures)}</div>', note=note)


def columns(ids: Iterator[str], document: dict[str, Any]) -> str:
    """Return the columns that the attacker used most."""
    figures = []
    for model in document["models"]:
        found, n = model["summary"]["columns"], model["summary"]["changed_at_least"]
        if not found:
            none = "<p>No row within eps fools the model.</p>"
            figures.append(f"<div><h3>{escape(model['name'])}</h3>{none}</div>")
            continue
        shown = [(str(e["column"]), e["share"], percent(e["share"])) for e in found[:_MOST_COLUMNS]]
        behind = table(
            f"Columns that change in the {n} rows turned wrong, {model['name']}",
            ("column", "part", "rows", "raised", "median change", "largest"),
            [
                (
                    escape(str(e["column"])),
                    percent(e["share"]),
                    str(e["n_rows"]),
                    number(e["raised"]),
                    number(e["median_change"]),
                    number(e["largest_change"]),
                )
                for e in found[:_MOST_LISTED]
            ],
        )
        rows = "1 row" if n == 1 else f"{n} rows"
        part = "1 column takes part" if len(found) == 1 else f"{len(found)} columns take part"
        said = f"{rows} turned wrong; {part}."
        picture = bars(
            ids, f"{model['name']}: columns the attacker changes", shown, found[0]["share"]
        )
        figures.append(figure(model["name"], picture, behind, said=said))
    note = (
        "In rows that an attacker turns wrong within eps: the mean part of each column in the "
        "move. How many rows change it, and by how much in the units of the data, is in the tables."
    )
    return section("Where it is attacked", f'<div class="grid">{"".join(figures)}</div>', note=note)


def _between(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}–{high}"
