"""The documentation as tests read it: texts, tables and code blocks."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def features_guide() -> str:
    return (ROOT / "docs" / "features.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a language; "" is those without one."""
    return [code for name, code in _BLOCK.findall(text) if name == language]


def table(text: str, first_column: str) -> list[list[str]]:
    """Return the cells of the one table whose first column is headed like this, without backticks and headings."""
    (found,) = re.findall(rf"^\| {re.escape(first_column)} \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in found.splitlines()]


def in_backticks(text: str) -> list[str]:
    """Return what stands in backticks outside of code blocks."""
    return re.findall(r"`([^`\n]+)`", _BLOCK.sub("", text))
