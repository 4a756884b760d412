"""What the documents point at is there."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

# [text](target), ![text](target "title") and [name]: target
LINK = re.compile(r"\]\(<?([^)\s>]+)|^\[[^\]]+\]:\s*<?([^\s>]+)", re.MULTILINE)
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def links_of(text: str) -> list[str]:
    """The targets of a Markdown text's links that are relative, without what comes after their path."""
    found = [inline or named for inline, named in LINK.findall(CODE.sub("", text))]
    parts = [urlsplit(target) for target in found]
    return [unquote(part.path) for part in parts if part.path and not part.scheme and not part.netloc]


@pytest.mark.parametrize(
    ("text", "links"),
    [
        pytest.param("see [the plan](docs/plan.md#ports) and [it](#here)", ["docs/plan.md"], id="a place in a file"),
        pytest.param('![a picture](docs/a%20b.png "Title")', ["docs/a b.png"], id="a picture"),
        pytest.param("[one]: docs/one.md\n[two]: https://example.org/two.md", ["docs/one.md"], id="named"),
        pytest.param("[web](https://example.org) [mail](mailto:a@example.org)", [], id="elsewhere"),
        pytest.param("`[x](y)`\n```\n[x](y)\n```\n", [], id="code"),
    ],
)
def test_relative_links_are_found(text: str, links: list[str]) -> None:
    assert links_of(text) == links


def test_every_relative_link_of_a_document_leads_somewhere(root: Path, tracked: list[Path]) -> None:
    broken = [
        f"{path}: {link}"
        for path in tracked
        if path.suffix == ".md"
        for link in links_of((root / path).read_text(encoding="utf-8"))
        if not (root / path.parent / link).exists()
    ]
    assert not broken, "links that lead nowhere:\n" + "\n".join(broken)
