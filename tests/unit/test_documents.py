# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documents name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = ("cloudrender_addon", "scripts", "tests")

# On the rented machine, in the user's data folder, or of other programs.
ELSEWHERE = {"plan.json", "traced.json", "events.jsonl", "frames.jsonl", "timing.jsonl", "hashes.sqlite"}


def sources() -> list[str]:
    found = (path for name in SOURCES for path in (ROOT / name).rglob("*") if "__pycache__" not in path.parts)
    return [f"/{path.relative_to(ROOT)}" for path in found]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_is_named_is_there(document: Path) -> None:
    there = sources()
    named = set(re.findall(r"`([\w./-]+\.(?:py|sh|json|jsonl|sqlite))`", document.read_text(encoding="utf-8")))
    named |= {
        name.rstrip("/")
        for name in re.findall(r"`((?:cloudrender_addon|scripts|tests)/[\w./-]+)`", document.read_text())
    }
    assert [name for name in sorted(named - ELSEWHERE) if not any(path.endswith(f"/{name}") for path in there)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", document.read_text(encoding="utf-8")):
        name, _, heading = target.partition("#")
        page = document.parent / name if name else document
        assert page.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target
