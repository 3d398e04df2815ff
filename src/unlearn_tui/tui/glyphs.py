"""Signs for terminals that have only ASCII: one cell for one cell, so no column moves."""

from __future__ import annotations

ASCII = str.maketrans(
    {
        **dict.fromkeys(map(chr, range(0x2400, 0x2422)), "?"),  # report.text.safe's pictures of control characters
        **dict.fromkeys("█▉▊▋▌▐▓▇▆▅■", "#"),
        **dict.fromkeys("▄▃▒", "="),
        **dict.fromkeys("▂▁░", "."),
        **dict.fromkeys("─━╌┄", "-"),
        **dict.fromkeys("│┃┆▏▕┤├", "|"),
        **dict.fromkeys("┌┐└┘┬┴┼╭╮╰╯", "+"),
        **dict.fromkeys("▲↑", "^"),
        **dict.fromkeys("▼↓", "v"),
        **dict.fromkeys("▸▶→›", ">"),
        **dict.fromkeys("◂◀←‹", "<"),
        **{"●": "*", "◐": "%", "○": "o", "✗": "x", "✓": "+", "⏎": "~", "…": "~", "·": ".", "–": "-", "—": "-"},
        **{
            "×": "x",
            "±": "~",
            "≥": ">",
            "≤": "<",
            "≈": "~",
            "⟦": "[",
            "⟧": "]",
            "Δ": "d",
            "‖": "|",
            "†": "+",
            "α": "a",
            "β": "b",
        },
    }
)
"""For every sign that the views draw. Braille is not here: charts ask for ASCII themselves."""


def to_ascii(text: str) -> str:
    """`text` with the program's own signs in ASCII; other scripts stay as they are."""
    return text.translate(ASCII)
