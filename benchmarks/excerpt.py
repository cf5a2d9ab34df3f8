"""Copy tables of RESULTS.md into the pages that quote them: between `<!-- results: HEADING -->` and its end."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "README.zh-CN.md")
_QUOTE = re.compile(r"(<!-- results: (?P<heading>.+?) -->\n).*?(<!-- end of results -->)", re.DOTALL)


def find_table(results: str, heading: str) -> str:
    """Return the table of the section whose heading begins so.

    Raises:
        LookupError: There is no such section, or no table in it.
    """
    for section in re.split(r"^## ", results, flags=re.MULTILINE)[1:]:
        if section.startswith(heading):
            rows = [line for line in section.splitlines() if line.startswith("|")]
            if rows:
                title = section.partition("\n")[0]
                return "\n".join([rows[0].replace("| |", f"| {title} |", 1), *rows[1:]]) + "\n"
    raise LookupError(f"RESULTS.md has no table under {heading!r}")


def quote(page: str, results: str) -> str:
    """Return a page's text with its quotations renewed."""
    return _QUOTE.sub(lambda found: f"{found[1]}\n{find_table(results, found['heading'])}\n{found[3]}", page)


def quote_all(results: str) -> None:
    """Renew the quotations of all pages."""
    for name in PAGES:
        path = ROOT / name
        path.write_text(quote(path.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    quote_all((ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8"))
