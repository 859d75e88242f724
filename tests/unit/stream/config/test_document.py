from __future__ import annotations

import re
from pathlib import Path

import yaml

from stream.config import from_mapping
from stream.config.document import EXAMPLE, document
from stream.config.models import WatchConfig

WRITTEN = Path(__file__).parents[4] / "docs" / "configuration.md"


def test_the_written_document_is_up_to_date() -> None:
    assert WRITTEN.read_text(encoding="utf-8") == document(), "run python -m stream.config.document"


def test_its_example_loads() -> None:
    config = from_mapping(yaml.safe_load(EXAMPLE), environ={"FRONT_PASSWORD": "a", "YARD_PASSWORD": "b"})
    assert set(config.cameras) == {"front", "yard"}
    assert config.cameras["yard"].alerts.cooldown_s == 30.0


def test_every_link_leads_to_a_heading() -> None:
    text = document()
    headings = {
        re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    }
    links = re.findall(r"\]\(#([^)]*)\)", text)
    assert len(links) > 10
    assert set(links) <= headings


def test_tables_have_four_columns_and_every_top_level_key() -> None:
    rows = [line for line in document().splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}
    for field in WatchConfig.model_fields.values():
        assert any(row.startswith(f"| `{field.alias}` |") for row in rows)
