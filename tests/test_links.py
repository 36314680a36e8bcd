"""Every relative link of the pages that people read leads to a file that is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def links(text: str) -> list[str]:
    """Return the relative targets of a page's links and pictures, without their anchors; code is not read."""
    targets = [target.partition("#")[0] for target in _LINK.findall(_CODE.sub("", text))]
    return [target for target in targets if target and not re.match(r"[a-z]+:", target)]


def test_links_are_found_in_text_and_not_in_code():
    text = 'A [page](docs/a.md), ![one](p.png "title"), [b](x.md#part), [c](#here), [d](https://x.org), `[e](no.md)`'
    assert links(text) == ["docs/a.md", "p.png", "x.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file(page):
    missing = [target for target in links(page.read_text(encoding="utf-8")) if not (page.parent / target).exists()]
    assert not missing, f"{page.relative_to(ROOT)} links to files that are not there: {missing}"


def test_paths_that_contributing_names_are_there():
    """Files named in code, such as `engines/base.py`, lie in the package or at the root."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w*/.-]+/[\w*.-]+\.(?:py|md|toml))`", text)
    assert len(named) >= 3
    missing = [n for n in named if not any(any(base.glob(n)) for base in (ROOT, ROOT / "src" / "cityfolk"))]
    assert not missing, missing
