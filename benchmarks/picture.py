"""The card that every picture is drawn on: readable on light and dark pages, whatever the page's own colours."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape

_STYLE = (
    "text{font:12px system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:#24292f}.b{fill:#fff;stroke:#d0d7de}"
    ".g{font-weight:600}.p{fill:#9aa4b1}.k{fill:#2f7ed8}.o{fill:#57606a}.x{stroke:#d8dee4}.v{fill:#fff}"
    ".one{stroke:#57606a;stroke-dasharray:3 3}.t{stroke:#d9822b;stroke-width:2}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.b{fill:#0d1117;stroke:#30363d}.p{fill:#6e7681}"
    ".k{fill:#4c9aff}.o{fill:#9198a1}.x{stroke:#2a3038}.v{fill:#0d1117}.one{stroke:#8b949e}}"
)


def draw_card(title: str, about: Iterable[str], size: tuple[int, int], lines: Iterable[str], style: str = "") -> str:
    """Return a whole picture; title and what it is about are for who does not see it.

    Args:
        title: What is drawn.
        about: The headings of the tables that hold the same figures; each once.
        size: Width and height.
        lines: What is on the card.
        style: What it needs beside the card's own.
    """
    width, height = size
    extent = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {extent} role="img"><title>{escape(title)}</title>'
    card = f'<rect class="b" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="6"/>'
    text = f"<desc>{escape('; '.join(dict.fromkeys(about)))}. The figures are in the tables of the page.</desc>"
    return "\n".join([f"{head}{text}<style>{_STYLE}{style}</style>", card, *lines, "</svg>", ""])
