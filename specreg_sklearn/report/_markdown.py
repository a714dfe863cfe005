"""A report as Markdown: a section of a model card."""

from __future__ import annotations

from typing import Any

from specreg_sklearn.report.document import percent


def as_markdown(document: dict[str, Any]) -> str:
    """Return a section of a model card, from a heading of the second level on."""
    threat, data = document["threat_model"], document["data"]
    lines = ["## Robustness", "", f"**{_plain(document['headline'])}**", ""]
    lines += _table(
        ("model", "accuracy", "right under attack, at least", "at most", "median distance"),
        [
            (
                model["name"],
                _share(model["summary"]["accuracy_all"]),
                _share(model["summary"]["robust_proved"]),
                _share(model["summary"]["robust_attacked"]),
                _ends(model["summary"]["median_distance"]),
            )
            for model in document["models"]
        ],
    )
    lines += [
        "",
        f"Measured on {data['n_measured']} of {data['n_rows']} rows, within eps = "
        f"{threat['eps']:.4g} ({threat['norm_name']}, {threat['units']}). The lower end is proved, "
        "the upper end is what the attack left. In brackets: 95 % intervals.",
        "",
        "### Threat model",
        "",
        *(f"- {_plain(line)}" for line in threat["sentences"]),
        "",
        "### Columns the attacker uses most",
        "",
    ]
    for model in document["models"]:
        used = model["summary"]["columns"][:5]
        shown = ", ".join(f"{_plain(str(e['column']))} ({percent(e['share'])} %)" for e in used)
        lines.append(f"- {_plain(model['name'])}: {shown or 'no row within eps fools it'}")
    lines += ["", "### What the numbers do not say", ""]
    lines += [f"- {_plain(line)}" for line in document["limits"]]
    lines += [
        "",
        "### How to check",
        "",
        f"Report of {document['created'][:10]}, SHA-256 `{document['sha256']}`; data "
        f"`{data['X_sha256']}`. With the JSON of the report, the model and the data: "
        "`python -m specreg_sklearn verify REPORT.json MODEL DATA --target COLUMN`.",
        "",
    ]
    return "\n".join(lines)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(map(_plain, row)) + " |" for row in rows]


def _share(share: dict[str, Any]) -> str:
    low, high = map(percent, share["interval"] or (0, 1))
    return f"{percent(share['share'] or 0)} % ({low}–{high})"


def _ends(ends: list[float | None]) -> str:
    shown = ["none" if end is None else f"{end:.3g}" for end in ends]
    return shown[0] if shown[0] == shown[1] else " to ".join(shown)


def _plain(text: str) -> str:
    """Return text in which nothing is markup."""
    for mark in "\\|*_`<>[]":
        text = text.replace(mark, f"\\{mark}")
    return text.replace("\n", " ")
