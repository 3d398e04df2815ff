"""How long the runs of a sweep will take, going by the runs of this home."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.state.plan import Facts, Record

FACTS = ("model", "unlearned", "retrain", "corpus", "template", "device", "offline", "task")
"""What facts about files and machine depend on."""


def seconds(specs: Sequence[RunSpec], home: Path) -> list[float | None]:
    """Of each of `specs`, run one after the other: the target's scores are made once. None where nothing tells."""
    from unlearn_tui.commands.survey import survey
    from unlearn_tui.state.estimate import plan
    from unlearn_tui.state.fields import BY_NAME
    from unlearn_tui.state.setup import Form, fill

    known: dict[tuple[object, ...], tuple[Facts, Sequence[Record]]] = {}
    made: list[float | None] = []
    for spec in specs:
        about = tuple(getattr(spec, name) for name in FACTS)
        if about not in known:
            found = survey(fill(Form(), {name: getattr(spec, name) for name in BY_NAME}), home)
            known[about] = found.facts, found.records
        facts, records = known[about]
        made.append(plan(spec, facts, records).seconds)
        if spec.cache:
            after = {(m, p, q) for m in ("target", "retrain") for p in spec.precision for q in spec.metric}
            known[about] = replace(facts, reused=facts.reused | after), records
    return made
