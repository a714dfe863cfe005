"""The README of a release: its links lead to the repository, at the tag of the version.

On the page of a package index there is nothing that a relative link could lead to.
"""

from __future__ import annotations

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#)([^)\s]+)\)")
# Tags for pictures that have a version for dark pages; src comes last in none of ours.
_SOURCE = re.compile(r'(src|srcset)="(?!https?://)([^"]+)"')


class AbsoluteLinks(MetadataHookInterface):
    """Set the readme of the package, with the address of the repository that the setting names."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict) -> None:
        """Write the readme into the metadata of the build."""
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        version = (Path(self.root) / "specreg_sklearn" / "_version.py").read_text("utf-8")
        found = re.search(r'__version__ = "([^"]+)"', version)
        text = with_absolute_links(readme, metadata["urls"]["Source"], f"v{found[1]}")
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def with_absolute_links(readme: str, repository: str, tag: str) -> str:
    """Return a README whose relative links and pictures lead to a tag of the repository."""

    def page(path: str) -> str:
        return f"{repository}/blob/{tag}/{path}"

    def picture(path: str) -> str:
        return f"{repository}/raw/{tag}/{path}"

    def link(match: re.Match) -> str:
        target = picture(match[3]) if match[1] else page(match[3])
        return f"{match[1]}[{match[2]}]({target})"

    readme = _SOURCE.sub(lambda match: f'{match[1]}="{picture(match[2])}"', readme)
    return _LINK.sub(link, readme)
