"""Copy tables of the page into those that quote them: between `<!-- results: HEADING -->` and its end.

`python -m benchmarks.excerpt` renews page, pictures and quotations from results.json.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import dump_results, load_results, render_markdown

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "README.zh-CN.md")
#: The section that is quoted as one line: its table is long.
MACHINE = "Machine"
_QUOTE = re.compile(r"(<!-- results: (?P<heading>.+?) -->\n).*?(<!-- end of results -->)", re.DOTALL)


def find_table(results: str, heading: str) -> str:
    """Return the table of the section whose heading begins so.

    Raises:
        LookupError: There is no such section, or no table in it.
    """
    for section in re.split(r"^## ", results, flags=re.MULTILINE)[1:]:
        if section.startswith(heading):
            rows = [line for line in section.splitlines() if line.startswith("|")]
            if rows and heading == MACHINE:
                return join_facts(rows[2:]) + "\n"
            if rows:
                title = section.partition("\n")[0]
                return "\n".join([rows[0].replace("| |", f"| {title} |", 1), *rows[1:]]) + "\n"
    raise LookupError(f"the benchmark page has no table under {heading!r}")


def join_facts(rows: Sequence[str]) -> str:
    """Write the rows of the machine's table in a line: name and value, but for the first, which is the processor."""
    facts = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return f"`make bench`: {', '.join([facts[0][1], *(f'{name} {value}' for name, value in facts[1:])])}"


def quote(page: str, results: str) -> str:
    """Return a page's text with its quotations renewed."""
    return _QUOTE.sub(lambda found: f"{found[1]}\n{find_table(results, found['heading'])}\n{found[3]}", page)


def quote_all(results: str) -> None:
    """Renew the quotations of all pages."""
    for name in PAGES:
        path = ROOT / name
        path.write_text(quote(path.read_text(encoding="utf-8"), results), encoding="utf-8")


def renew() -> None:
    """Write again what follows from the figures that are published."""
    results = load_results()
    dump_results(results)
    quote_all(render_markdown(results))


if __name__ == "__main__":
    renew()
