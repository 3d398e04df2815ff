"""Every key of the registry in a random order on every screen, while the terminal changes its size: nothing breaks."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from driver import opened, screen
from story import write_run

from unlearn_tui.runs import launch
from unlearn_tui.tui.keys import KEYS

# what leaves the app or the process
LEAVING = {"q", "D", "ctrl+z"}
OTHERS = ("é", "你", "tab", "backspace", "delete", "ctrl+a", "1", "2", "4")
SIZES = ((1, 1), (2, 30), (39, 11), (40, 12), (80, 24), (81, 25), (160, 48), (300, 90))
ROUNDS = 60


@pytest.mark.parametrize("seed", range(2))
async def test_any_keys_in_any_order_at_any_size(home: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no engine in this test")

    monkeypatch.setattr(launch, "launch", refuse)
    for number in range(3):
        write_run(home, f"run-{number}")
    chance = random.Random(seed)
    keys = [*sorted({key.key for key in KEYS} - LEAVING), *OTHERS]
    pressed: list[str] = []
    async with opened(home) as (app, pilot):
        for _ in range(ROUNDS):
            some = chance.choices(keys, k=4)
            pressed += some
            try:
                await pilot.press(*some)
                if chance.random() < 0.2:
                    await pilot.resize_terminal(*chance.choice(SIZES))
                if chance.random() < 0.3:
                    columns, rows = app.size
                    await pilot.click(offset=(chance.randrange(columns), chance.randrange(rows)))
            except Exception as error:
                raise AssertionError(f"after {' '.join(pressed[-40:])} at {app.size}") from error
        await pilot.resize_terminal(80, 24)
        await pilot.press("escape", "escape", "escape", "escape", "0")
        assert "unlearn" in screen(app)[0], (pressed[-40:], screen(app))
