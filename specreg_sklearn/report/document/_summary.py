"""What follows from the measured rows: shares, curves, classes, columns, examples, one sentence.

All of it is a function of the rows and the question, so that whoever checks a report computes it
again from the rows that held.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import median
from typing import Any

from specreg_sklearn.report.document._comparison import comparisons, holds, withstands
from specreg_sklearn.report.document._counts import share_of
from specreg_sklearn.report.document._rows import WORDS

N_CURVE = 41
"""Sizes at which the curve of a model is given."""

_EXAMPLES = 3
_FEW_OF_CLASS = 5
_LISTED = 5
_INFINITE = float("inf")


def follow_up(document: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of a report that follow from its rows and its question.

    Returns
    -------
    dict
        `headline`, `comparison`, `limits`, and `summaries`, one for each model.
    """
    models, threat = document["models"], document["threat_model"]
    eps = threat["eps"]
    grid = _grid(models, eps)
    summaries = [_summary(model, eps, grid, threat["columns"]) for model in models]
    pairs = list(zip(models, summaries, strict=True))
    return {
        "summaries": summaries,
        "comparison": comparisons(models, eps),
        "headline": _headline(pairs, threat),
        "limits": _limits(document, summaries),
    }


def _summary(
    model: dict[str, Any], eps: float, grid: list[float], columns: list[dict[str, Any]]
) -> dict[str, Any]:
    rows, n = model["rows"], len(model["rows"])
    right = [row for row in rows if row["status"] != "already_wrong"]
    count = Counter(row["status"] for row in rows)
    changed = [row for row in right if not withstands(row, eps)]
    ends = {end: median([_number(row[end]) for row in rows]) for end in ("lower", "upper")}
    return {
        "n_rows": n,
        "accuracy": share_of(len(right), n),
        "accuracy_all": share_of(model["predictions"]["n_right"], model["predictions"]["n_rows"]),
        "statuses": {word: count[word] for word in WORDS if count[word]},
        "changed_at_least": len(changed),
        "changed_at_most": sum(not holds(row, eps) for row in right),
        "robust_proved": share_of(sum(holds(row, eps) for row in rows), n),
        "robust_attacked": share_of(sum(withstands(row, eps) for row in rows), n),
        "undecided_at_eps": sum(withstands(row, eps) and not holds(row, eps) for row in rows),
        "median_distance": [None if v == _INFINITE else v for v in ends.values()],
        "curve": [
            {
                "eps": size,
                "proved": sum(holds(row, size) for row in rows) / n,
                "attacked": sum(withstands(row, size) for row in rows) / n,
            }
            for size in grid
        ],
        "classes": _classes(rows, eps),
        "columns": _columns(changed, columns),
        "examples": _examples(right, eps),
    }


def _number(end: float | None) -> float:
    return _INFINITE if end is None else end


def _grid(models: list[dict[str, Any]], eps: float) -> list[float]:
    """Return sizes from 0 to where nearly all rows of the models are wrong, or twice `eps`."""
    upper = sorted(row["upper"] for model in models for row in model["rows"] if row["upper"])
    far = upper[int(0.9 * (len(upper) - 1))] if upper else 0.0
    last = max(2 * eps, far) or 1.0
    return [last * k / (N_CURVE - 1) for k in range(N_CURVE)]


def _classes(rows: list[dict[str, Any]], eps: float) -> list[dict[str, Any]]:
    by_label: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        by_label.setdefault(row["label"], []).append(row)
    order = sorted(by_label, key=lambda label: (isinstance(label, str), label))
    return [
        {
            "label": label,
            "n_rows": len(by_label[label]),
            "n_right": sum(row["status"] != "already_wrong" for row in by_label[label]),
            "proved": sum(holds(row, eps) for row in by_label[label]),
            "attacked": sum(withstands(row, eps) for row in by_label[label]),
        }
        for label in order
    ]


def _columns(changed: list[dict[str, Any]], columns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the columns that witnesses within eps change, those that carry most first.

    `share` is the mean part of a column in the move of a row, by its steps in its units; changes
    are in the units of the data. Of columns that are not numbers the latter are None.
    """
    records = {record["column"]: record for record in columns}
    found: dict[Any, list[dict[str, Any]]] = {}
    shares: dict[Any, float] = defaultdict(float)
    for row in changed:
        steps = {c["column"]: _step(c, records[c["column"]]) for c in row["changes"]}
        whole = sum(steps.values())
        for change in row["changes"]:
            found.setdefault(change["column"], []).append(change)
            shares[change["column"]] += steps[change["column"]] / whole if whole else 0.0
    out = []
    for column, changes in found.items():
        pairs = [(change["from"], change["to"]) for change in changes]
        numbers = all(isinstance(v, (int, float)) for pair in pairs for v in pair)
        sizes = [float(abs(new - old)) for old, new in pairs] if numbers else []
        out.append(
            {
                "column": column,
                "share": shares[column] / len(changed),
                "n_rows": len(changes),
                "raised": sum(new > old for old, new in pairs) if numbers else None,
                "median_change": median(sizes) if sizes else None,
                "largest_change": max(sizes) if sizes else None,
            }
        )
    return sorted(out, key=lambda entry: (-round(entry["share"], 12), str(entry["column"])))


def _step(change: dict[str, Any], record: dict[str, Any]) -> float:
    """Return how long a change is in units of its column; of a swap, what it costs."""
    old, new = change["from"], change["to"]
    if record["moves"] != "yes":
        return 0.0
    if record["swap"] is not None or not all(isinstance(v, (int, float)) for v in (old, new)):
        return float(record["swap"] or 0.0)
    unit = record["one_up"] if new > old else record["one_down"]
    return abs(new - old) / unit if unit else 0.0


def _examples(right: list[dict[str, Any]], eps: float) -> list[int]:
    """Return the places in X of three rows: of those within eps the nearest, middle and farthest.

    Without any within eps, of all rows for which a witness is known.
    """
    known = [row for row in right if row["upper"] is not None and row["changes"]]
    within = [row for row in known if row["upper"] <= eps] or known
    ordered = sorted(within, key=lambda row: (row["upper"], row["row"]))
    picks = sorted({0, len(ordered) // 2, len(ordered) - 1}) if ordered else []
    return [ordered[k]["row"] for k in picks][:_EXAMPLES]


def _headline(pairs: list[tuple[dict[str, Any], dict[str, Any]]], threat: dict[str, Any]) -> str:
    within = f"Within {threat['eps']:.3g} {threat['units']}"
    if len(pairs) == 1:
        return f"{within}, {_in_words(pairs[0][1])}."

    def order(pair: tuple[dict[str, Any], dict[str, Any]]) -> tuple[int, int]:
        return pair[1]["robust_proved"]["count"], pair[1]["robust_attacked"]["count"]

    best, *others = sorted(pairs, key=order, reverse=True)
    rest = ", ".join(f"{model['name']} {_kept(summary)}" for model, summary in others)
    n = best[1]["n_rows"]
    return f"{within}, {best[0]['name']} keeps {_kept(best[1])} of {n} answers right; {rest}."


def _in_words(summary: dict[str, Any]) -> str:
    low, high = summary["changed_at_least"], summary["changed_at_most"]
    n = summary["accuracy"]["count"]
    if low == high:
        many = "none" if low == 0 else f"exactly {low}"
    elif low == 0:
        many = f"at most {high}"
    else:
        many = f"at least {low} and at most {high}"
    return f"an attacker turns {many} of {n} right answers wrong"


def _kept(summary: dict[str, Any]) -> str:
    low, high = summary["robust_proved"]["count"], summary["robust_attacked"]["count"]
    return str(low) if low == high else f"{low} to {high}"


def _limits(document: dict[str, Any], summaries: list[dict[str, Any]]) -> list[str]:
    """Return what the numbers do not say."""
    data, threat = document["data"], document["threat_model"]
    fixed = sum(column["moves"] == "no" for column in threat["columns"])
    others = f", such as changes of the {fixed} columns that cannot move here," if fixed else ""
    said = [
        f"The numbers are about moves of this threat model. Of others{others} they say nothing.",
        f"{data['n_measured']:,} of {data['n_rows']:,} rows were measured, chosen by label and "
        "seed. Intervals say what chance may add for rows drawn in the same way; data that drifts "
        "is not covered.",
        *_rare(data["classes"]),
        "Distances are in units of the columns. In other units the same model has other numbers.",
        "Changes are possible in the table; whether somebody can make them in the world, the "
        "bounds, rules and prices of the threat model must say.",
        "Nothing is said about poisoned training data, stolen models, privacy or fairness.",
    ]
    for model, summary in zip(document["models"], summaries, strict=True):
        if model["unproved"]:
            said.append(
                f"{model['name']}: nothing is proved ({_first_line(model['unproved'])}). A better "
                "attack may find nearer rows."
            )
        elif summary["undecided_at_eps"]:
            said.append(
                f"{model['name']}: {summary['undecided_at_eps']} rows are undecided at this size: "
                "no row that fools the model was found, and that there is none was not proved."
            )
    return said


def _rare(classes: list[dict[str, Any]]) -> list[str]:
    few = [c for c in classes if c["n_measured"] < min(_FEW_OF_CLASS, c["n_rows"])]
    if not few:
        return []
    shown = ", ".join(f"{c['label']} ({c['n_measured']} of {c['n_rows']})" for c in few[:_LISTED])
    rest = f" and {len(few) - _LISTED} more" if len(few) > _LISTED else ""
    return [
        f"Few rows were measured of class {shown}{rest}: little is known of it. More rows in "
        "all, max_samples, bring more of each."
    ]


def _first_line(text: str) -> str:
    return text.splitlines()[0].rstrip(".")
