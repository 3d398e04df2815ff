"""Numbers and names of the Weights screen in a fixed number of cells."""

from __future__ import annotations

from rich.cells import cell_len

from unlearn_tui.report.text import cut, safe

SHADES = "▁▂▃▄▅▆▇█"


def value(measure: str, amount: float | None) -> str:
    """A measure in at most five cells: 0.17, -0.03, 97.83 (per cent; 100.0 and 0.00 are all and nothing)."""
    if amount is None or amount != amount:
        return "–"
    if measure in ("same_value", "changed"):
        if 0 < amount < 0.00005:
            return "<.01"
        return (f"{100 * min(amount, 0.9999):.2f}" if amount < 1 else "100.0") if 0 <= amount <= 1 else "?"
    return f"{amount:.2f}" if -10 < amount < 99.995 else (">99" if amount > 0 else "<-9")


def percent(share: float) -> str:
    """12.5 %, with the digits that small shares need."""
    amount = 100 * share
    if 99.95 <= amount < 100:
        return "> 99.9 %"
    return f"{amount:.1f} %" if amount >= 0.1 or amount == 0 else f"{amount:.1g} %"


def share(amount: float | None) -> str:
    """At most four cells: 100%, >99%, 0.5%, <.1%, 0."""
    if amount is None or amount != amount:
        return "·"
    amount *= 100
    if amount == 0 or 99.5 <= amount < 100:
        return ">99%" if amount else "0"
    return f"{amount:.0f}%" if amount >= 0.95 else (f"{amount:.1f}%" if amount >= 0.095 else "<.1%")


def count(n: int) -> str:
    """At most four cells: 950, 25k, 3.0M, 1.2G."""
    amount = float(n)
    for unit in ("", "k", "M", "G", "T"):
        if amount < 999.5:
            return f"{amount:.1f}{unit}" if unit not in ("", "k") and amount < 9.95 else f"{amount:.0f}{unit}"
        amount /= 1000
    return ">1P"


def small(size: float) -> str:
    """A size of weights to two digits, at most six cells: 0.0053, 2.9e-4."""
    if size >= 0.001 or not size > 0:
        return f"{size:.2g}"
    mantissa, exponent = f"{size:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def shade(height: float) -> str:
    """One of eight heights for 0 to 1."""
    return SHADES[min(max(int(height * 8), 0), 7)] if height == height and abs(height) < 1e6 else " "


def short(name: str, cells: int) -> str:
    """A module's name in `cells` cells: experts.up, e.up, or its last part with the middle left out."""
    name = safe(name)
    *path, last = name.split(".")
    for candidate in (name, ".".join([*(part[:1] for part in path), last]), last):
        if cell_len(candidate) <= cells:
            return candidate
    if not last.isascii():
        return cut(last, cells)
    keep = max(cells - 1, 2)
    return f"{last[: keep - keep // 2]}…{last[-(keep // 2) :]}"[: max(cells, 0)]
