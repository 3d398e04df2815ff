"""Hostile texts in a home, in corpora, checkpoints and names: none of it leaves any command raw, on a terminal or in a pipe.

`benchmarks/hostile.py` counts the same. The app's screens are in test_app_hostile.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile_commands import (
    COLOURS,
    commands,
    faults,
    in_csv,
    in_markdown,
    parts_of,
    parts_of_a_sound_page,
    run,
    through,
    write_all,
)

from unlearn_tui.report.paper_tables import markdown
from unlearn_tui.state.paper_tables import PaperTable


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_of_a_hostile_home_leaves_a_command_raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    there, page = write_all(tmp_path / "all"), parts_of_a_sound_page(tmp_path / "sound")
    found: dict[str, list[str]] = {}
    tried, size, codes = 0, 0, set()
    for args in commands(there):
        said = run(there, args)
        tried, size = tried + 1, size + len(said.terminal + said.out + said.err)
        codes.add(said.code)
        if wrong := faults(there, args, said, page):
            found[repr([arg[:40] for arg in args])] = wrong
    print(f"hostile texts: {there.texts:,}; commands: {tried}; bytes: {size:,}; raw: {sum(map(len, found.values()))}")
    assert not found
    assert there.texts > 1000
    assert {0, 2} <= codes, "some open, some refuse"


def test_the_search_finds_what_comes_through() -> None:
    assert through(b"\x1b[31mred\x1b[0m \xc3\xa9\n", (COLOURS,)) == []
    for raw in (b"\x1b[66;6H", b"\x1b]0;x\x07", b"\xc2\x9b", b"\x7f", b"\xe2\x80\xae", b"\xff", b"\x1b[31m"):
        assert len(through(b"a " + raw)) >= 1, raw
    assert in_csv('a,"=1+1",-2.5\r\n') == ["a formula: '=1+1'"]
    for line in ("[l](http://x)", "<script>", "| a | b |\n| a | b | c |", "a\n```\nx"):
        assert in_markdown(line), line
    assert in_markdown("| a\\|b | \\[l\\](http\\://x) &lt;b&gt; |\n| c | d<br>e |\n") == []
    assert in_markdown("Again:\n\n    run 'http://x' <b>\n") == []
    assert in_markdown("- again\n\n    run <b>\n")
    assert ("script", "") in parts_of("<p><script>x</script>")


def test_a_table_of_a_hostile_corpus_stays_a_table() -> None:
    evil = "a|b `c` [l](http://pwn.example) <img src=x>\n# h"
    table = PaperTable(
        number=1, corpus=evil, columns=("knowmem_forget",), lines=(), paper=False, notes=(f"other settings: {evil}",)
    )
    assert in_markdown(markdown(table)) == []
