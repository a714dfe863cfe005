"""What a check of a report found: a table of what held, and the place of what did not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

_SHOWN = 10


@dataclass(frozen=True)
class Check:
    """One kind of claim of a report, and whether all claims of this kind held.

    Parameters
    ----------
    what : str
        What was compared or asked again.
    model : str
        The model that it is about; empty if about none.
    n : int
        How many claims were looked at.
    failed : tuple of tuple (place, why)
        The claims that did not hold: where they stand in the JSON, such as
        ``models[0].rows[3].upper``, and what is the case instead.
    """

    what: str
    model: str
    n: int
    failed: tuple[tuple[str, str], ...] = ()

    @property
    def held(self) -> bool:
        """Whether every claim held."""
        return not self.failed


def check_of(what: str, model: str, n: int, failed: Iterable[tuple[str, str]]) -> Check:
    """Return the check of `n` claims, of which these failed."""
    return Check(what, model, n, tuple(failed))


@dataclass(frozen=True, repr=False)
class Verification:
    """What :func:`verify_report` found.

    Parameters
    ----------
    checks : tuple of Check
        One line of the table each.
    proofs : bool
        Whether lower bounds were proved again.
    on_trust : tuple of str
        What stands in the report and cannot be computed from models and data.
    """

    checks: tuple[Check, ...]
    proofs: bool
    on_trust: tuple[str, ...]

    @property
    def held(self) -> bool:
        """Whether everything that was checked held."""
        return all(check.held for check in self.checks)

    @property
    def failures(self) -> list[tuple[str, str]]:
        """Places in the JSON that did not hold, and what is the case instead."""
        return [failure for check in self.checks for failure in check.failed]

    def to_dict(self) -> dict[str, Any]:
        """Return the table as plain data.

        Returns
        -------
        dict
            `held`, `proofs`, `checks` with `what`, `model`, `n`, `held` and `failed`, and
            `on_trust`.
        """
        return {
            "held": self.held,
            "proofs": self.proofs,
            "checks": [
                {
                    "what": check.what,
                    "model": check.model,
                    "n": check.n,
                    "held": check.held,
                    "failed": [{"place": place, "why": why} for place, why in check.failed],
                }
                for check in self.checks
            ],
            "on_trust": list(self.on_trust),
        }

    def __repr__(self) -> str:
        n = sum(check.n for check in self.checks)
        return f"Verification(held={self.held}, n_claims={n}, n_failed={len(self.failures)})"

    def __str__(self) -> str:
        head = ("what", "model", "claims", "held")
        lines = [head] + [
            (check.what, check.model, str(check.n), "yes" if check.held else "NO")
            for check in self.checks
        ]
        width = [max(len(line[k]) for line in lines) for k in range(len(head))]
        text = ["  ".join(c.ljust(w) for c, w in zip(line, width, strict=True)) for line in lines]
        text.insert(1, "  ".join("-" * w for w in width))
        failures = self.failures
        text += ["", *(f"{place}: {why}" for place, why in failures[:_SHOWN])]
        if len(failures) > _SHOWN:
            text.append(f"and {len(failures) - _SHOWN} more")
        text.append("Everything held." if self.held else f"{len(failures)} claims did not hold.")
        if not self.proofs:
            text.append("Lower bounds were not proved again (proofs=False).")
        text += ["Taken on trust:", *(f"  {what}" for what in self.on_trust)]
        return "\n".join(line.rstrip() for line in text)

    def _repr_html_(self) -> str:
        body = "".join(
            f"<tr><td>{escape(check.what)}</td><td>{escape(check.model)}</td><td>{check.n}</td>"
            f"<td>{'yes' if check.held else '<strong>no</strong>'}</td></tr>"
            for check in self.checks
        )
        failed = "".join(
            f"<li><code>{escape(place)}</code>: {escape(why)}</li>"
            for place, why in self.failures[:_SHOWN]
        )
        verdict = "Everything held." if self.held else f"{len(self.failures)} claims did not hold."
        return (
            f"<div><p>{verdict}</p><table><thead><tr><th>what</th><th>model</th><th>claims</th>"
            f"<th>held</th></tr></thead><tbody>{body}</tbody></table><ul>{failed}</ul></div>"
        )
