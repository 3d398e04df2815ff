"""Where epochs end, against counting items one by one."""

from __future__ import annotations

import pytest

from unlearn_tui.engine.epochs import ending


@pytest.mark.parametrize(("items", "size"), [(46, 10), (8, 4), (7, 3), (10, 10), (12, 1)])
def test_an_epoch_ends_with_the_step_that_reads_its_last_item(items, size):
    read, found = 0, {}
    for step in range(1, 60):
        before, read = read // items, read + size
        if read // items > before:
            found[step] = read // items
    assert {s: e for s in range(1, 60) if (e := ending(s, items, size)) is not None} == found


def test_a_step_that_reads_several_epochs_ends_the_last_of_them():
    assert [ending(step, 4, 10) for step in (1, 2, 3)] == [2, 5, 7]
