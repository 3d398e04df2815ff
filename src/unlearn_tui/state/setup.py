"""The setup form: values as text, the field under the cursor, what is wrong, the spec and the command that it amounts to.

Every operation takes a form and returns a new one. What a form refuses is what the command line refuses, in the same
words (validate.check_spec); faults that only files can show are put in by `refuse`.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import msgspec

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.state import fields
from unlearn_tui.state.fields import BY_NAME, FOLD
from unlearn_tui.validate import check_spec, check_text, flag

_DEFAULTS = RunSpec()
_TYPES = {f.name: f.type for f in msgspec.structs.fields(RunSpec)}
PRECISIONS = ("precision", "ablate")
"""Fields that list precisions."""
TYPED = "…"
"""The last chip of a list of precisions: type the list, options of precisions included."""
TRAINING = (
    *("method", "weights", "lr", "steps", "epochs", "batch", "grad_accum", "max_length"),
    *("gamma", "alpha", "beta", "delta", "task_alpha", "rmu_layer", "rmu_coefficient", "rmu_weights"),
    *("stop_rule", "stop_at", "sure", "sure_unit", "sure_percentile", "lora_rank", "lora_alpha", "resist"),
    *("forget_text", "npo_length", "clip", "weight_decay", "optimizer_state", "checkpointing"),
)
"""What a preset decides: everything that shapes the unlearned weights but model, corpus and seed."""


def as_text(value: object) -> str:
    """A spec value as a person would type it: 7e-6, 250, on, fp16,bnb-int8; "" for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        ways = (re.sub(r"e([+-])0*(\d)", lambda m: f"e{m[1].strip('+')}{m[2]}", way) for way in _ways(value))
        return min((way for way in ways if float(way) == value or value != value), key=len)
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)


def _ways(value: float) -> tuple[str, str]:
    """Plain and scientific notation, both exact."""
    digits = repr(value).lstrip("-").split("e")[0].replace(".", "").strip("0")
    return repr(value), f"{value:.{max(len(digits) - 1, 0)}e}"


def defaults(task: str, method: str = "") -> dict[str, object]:
    """What the command of a task, and a method, takes for every field of the form where nobody says otherwise."""
    spec: dict[str, object] = {f.name: getattr(_DEFAULTS, f.name) for f in fields.FIELDS} | {"task": task}
    if task == "memorise":
        spec |= {n: v for n, v in catalog.MEMORISE_VALUES.items() if n in spec and n != "method"}
    elif method in catalog.METHODS:
        spec |= catalog.METHODS[method].values
    return spec


_START = {name: as_text(value) for name, value in defaults("unlearn").items()}


@dataclass(frozen=True)
class Form:
    """A form being filled in. `at` is the field under the cursor (or FOLD), `option` the one within a toggle list."""

    values: Mapping[str, str] = field(default_factory=lambda: dict(_START))
    at: str = "model"
    option: int = 0
    more: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)
    """What files have against a field; "" for the run as a whole. Gone when the field changes."""
    rejected: Mapping[str, str] = field(default_factory=dict)
    """The same from an engine that was started; only a change takes it away."""
    fitted: str = ""
    """The metrics that were put in because the corpus has nothing for the others; "" where it has."""

    lacking: frozenset[str] = frozenset(catalog.METRICS) - set(catalog.MUSE_METRICS)
    """Metrics that the corpus has nothing for, as far as it has been looked at: they are not offered."""

    def options(self, name: str) -> tuple[str, ...]:
        """What a field has to choose from; metrics that can be scored, and those that are chosen."""
        options = BY_NAME[name].options
        if name != "metric":
            return options
        chosen = _names(self.values[name])
        return tuple(o for o in options if o not in self.lacking or o in chosen or o in catalog.MUSE_METRICS)

    @property
    def task(self) -> str:
        """unlearn, check or memorise."""
        return self.values["task"]

    @cached_property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """Names of the fields as they stand, row by row."""
        return fields.rows_of(self.task, self.more)

    @cached_property
    def _read(self) -> tuple[RunSpec | None, dict[str, str]]:
        return _read(self.values)

    @property
    def spec(self) -> RunSpec | None:
        """What the form asks for; None while a value cannot be used."""
        return self._read[0]

    @cached_property
    def preset(self) -> str:
        """The preset that the values amount to; "" for settings of one's own."""
        return next((id for id, _ in presets(self.task) if preset(self, id).values == self.values), "")

    @cached_property
    def faults(self) -> dict[str, str]:
        """What is wrong, by field; what the values themselves say goes before what the files and the engine said."""
        return {**self.refused, **self.rejected, **self._read[1]}


def put(form: Form, name: str, text: str) -> Form:
    """`text` in a field, tidied if it can be read. A number of steps takes the epochs out, and the reverse;
    another checkpoint takes back that its code is trusted."""
    text = text.strip()
    values = {**form.values, name: text}
    with contextlib.suppress(Refused):
        values[name] = as_text(_value(name, text))
    if name in ("task", "method"):
        before, after = (defaults(v["task"], v["method"]) for v in (form.values, values))
        # what nobody touched is now what the other task or method starts with
        values |= {
            n: as_text(v) for n, v in after.items() if n not in ("task", "method") and values[n] == as_text(before[n])
        }
    for one, other in (("steps", "epochs"), ("epochs", "steps")):
        if name == one and text:
            values[other] = ""
    if name in ("model", "unlearned", "retrain") and text != form.values[name]:
        values |= {"trust_remote_code": "off"}  # said of another checkpoint
    refused, rejected = ({k: v for k, v in f.items() if k and k != name} for f in (form.refused, form.rejected))
    return replace(form, values=values, refused=refused, rejected=rejected)


def fit(form: Form, lacking: Collection[str]) -> Form:
    """The metrics that the corpus has questions for, where nobody chose any; all of them where it has for all again."""
    form = replace(form, lacking=frozenset(lacking))
    usual = defaults(form.task)["metric"]
    names = [str(n) for n in usual] if isinstance(usual, (list, tuple)) else []
    if form.values["metric"] not in (form.fitted, as_text(names)):
        return form
    there = [n for n in names if n not in lacking]
    made = as_text(there) if there and there != names else ""
    metric = made or as_text(names)
    # only a change takes away what an engine said
    form = form if metric == form.values["metric"] else put(form, "metric", metric)
    return replace(form, fitted=made)


def fill(form: Form, values: Mapping[str, object]) -> Form:
    """Several spec values at once; what the form does not know is passed over."""
    known = {k: v for k, v in values.items() if k in BY_NAME}
    for name, value in sorted(known.items(), key=lambda pair: pair[1] is not None):
        form = put(form, name, as_text(value))
    return form


def refuse(form: Form, faults: Mapping[str, str]) -> Form:
    """What files have against the form, by field, in the place of what they had before."""
    return replace(form, refused={name: _bare(text, name) for name, text in faults.items()})


def reject(form: Form, name: str, message: str) -> Form:
    """What an engine had against it, with the cursor on the field to blame ("" for none)."""
    form = replace(form, rejected={name: _bare(message, name)})
    return goto(form, name) if name else form


def goto(form: Form, name: str, option: int = 0) -> Form:
    """The cursor on a field; unfolds it if need be."""
    if name in BY_NAME and form.task in BY_NAME[name].tasks:
        return replace(form, at=name, option=option, more=form.more or BY_NAME[name].more)
    return replace(form, at=FOLD, option=0) if name == FOLD else form


def step(form: Form, by: int) -> Form:
    """The cursor `by` fields on, in reading order; it stops at the ends."""
    order = [name for row in form.rows for name in row]
    return replace(form, at=order[_within(_at(order, form.at) + by, order)], option=0)


def climb(form: Form, by: int) -> Form:
    """The cursor `by` rows down, in the same column as far as there is one."""
    row = next((i for i, names in enumerate(form.rows) if form.at in names), 0)
    column = form.rows[row].index(form.at) if form.at in form.rows[row] else 0
    to = form.rows[_within(row + by, form.rows)]
    return form if to is form.rows[row] else replace(form, at=to[_within(column, to)], option=0)


def turn(form: Form, by: int) -> Form:
    """Left and right: along a row of fields, along a toggle list, or to the next choice."""
    here = BY_NAME.get(form.at)
    if here is None:
        return form
    row = next(names for names in form.rows if form.at in names)
    if len(row) > 1:
        return replace(form, at=row[_within(row.index(form.at) + by, row)])
    if here.kind == "toggles":
        return replace(form, option=_within(form.option + by, chips(form, form.at)))
    return choose(form, by) if here.kind in ("choice", "open") else form


def choose(form: Form, by: int = 1) -> Form:
    """The next choice of the field under the cursor, round and round."""
    options = BY_NAME[form.at].options if form.at in BY_NAME else ()
    if not options:
        return form
    here = _at(options, form.values[form.at], -1 if by > 0 else 0)
    return put(form, form.at, options[(here + by) % len(options)])


def chips(form: Form, name: str) -> tuple[str, ...]:
    """The options of a toggle list as it stands: precisions with options of their own follow those of the catalog."""
    options, chosen = form.options(name), _names(form.values[name])
    if not form.more:  # folded, there is room for what every installation and every corpus has
        rare = catalog.LESS_USUAL if name == "metric" else [o for o in options if catalog.precision(o).extra]
        options = tuple(o for o in options if o not in rare or o in chosen)
    if name not in PRECISIONS:
        return options
    own = [n for n in chosen if n not in options and catalog.find_precision(n)]
    return (*options, *own, TYPED)


def toggle(form: Form) -> Form:
    """Flip what is under the cursor: an option, the fold, or a choice of two."""
    if form.at == FOLD:
        return replace(form, more=not form.more)
    here = BY_NAME[form.at]
    if here.kind == "choice":
        return choose(form)
    if here.kind != "toggles":
        return form
    options = chips(form, form.at)
    option, chosen = options[_within(form.option, options)], _names(form.values[form.at])
    if option == TYPED:
        return form
    names = [n for n in chosen if n != option] if option in chosen else [*chosen, option]
    # what the others are measured against stays in front; the rest in the catalog's order
    full = [n for n in names if catalog.is_full(n)]
    names.sort(key=lambda n: (n not in full[:1], _at(options, n, len(options))))
    made = put(form, form.at, ",".join(names))
    return replace(made, option=_within(form.option, chips(made, form.at)))


def presets(task: str) -> tuple[tuple[str, str], ...]:
    """Id and summary of everything that `preset` knows."""
    papers = [(f"paper-{c}", f"the paper's settings for MUSE-{c.title()} and 7B models") for c in catalog.PAPER_CORPORA]
    return () if task != "unlearn" else (*((p.id, p.summary) for p in catalog.PRESETS.values()), *papers)


def preset(form: Form, id: str) -> Form:
    """One of ours sets everything about training; the paper's only what is known of it, for the method in the form."""
    if id in catalog.PRESETS:
        return fill(form, {**{n: getattr(_DEFAULTS, n) for n in TRAINING}, **catalog.PRESETS[id].values})
    known = catalog.paper_values(id.removeprefix("paper-"), form.values["method"])
    return fill(form, {"grad_accum": 1, **{name: paper.value for name, paper in known.items()}})


def command(form: Form, home: str = "") -> str:
    """The command line that does the same, quoted for a shell; "" while a value cannot be used. `home`: "" for the
    usual one."""
    spec = form.spec
    if spec is None:
        return ""
    parts = ["unlearn-tui", "run" if spec.task == "unlearn" else spec.task]
    usual = defaults(spec.task, spec.method)
    for name, record in BY_NAME.items():
        value = getattr(spec, name)
        if name == "task" or spec.task not in record.tasks or value is None or as_text(value) == as_text(usual[name]):
            continue
        name = "target" if (name, spec.task) == ("model", "check") else name
        if isinstance(value, bool):
            parts.append(flag(name) if value else flag(f"no_{name}"))
        else:
            text = as_text(value)
            parts += [f"{flag(name)}={text}"] if text.startswith("-") else [flag(name), text]
    return shlex.join([*parts, *(["--home", home] if home else [])])


def _read(values: Mapping[str, str]) -> tuple[RunSpec | None, dict[str, str]]:
    task = values["task"]
    table: dict[str, object] = {"task": task}
    if task == "memorise":
        table["method"] = catalog.MEMORISE.id
    faults: dict[str, str] = {}
    for record in fields.fields_of(task, more=True):
        name = record.name
        try:
            table[name] = value = _value(name, values[name])
            if name in catalog.RANGES and value is not None:
                alone = {"steps": None} if name == "epochs" else {}
                check_spec(msgspec.structs.replace(_DEFAULTS, **alone, **{name: value}))
        except Refused as error:
            faults[error.field or name] = _said(str(error), error.field or name)
    if faults:
        return None, faults
    try:
        spec = RunSpec(**table)  # type: ignore[arg-type]
        check_spec(spec)
    except Refused as error:
        return None, {error.field: _said(str(error), error.field)}
    return spec, {}


def _value(name: str, text: str) -> object:
    """The spec's value from a field's text. Raises Refused."""
    kind = str(_TYPES[name])
    check_text(text, name)
    if "list" in kind:
        names = _names(text)
        return [catalog.canonical(n) for n in names] if name in PRECISIONS else names
    if "bool" in kind:
        return text == "on"
    if "str" in kind:
        return text
    if not text and "None" in kind:
        return None
    whole = "float" not in kind
    try:
        return int(text) if whole else float(text)
    except ValueError:
        wanted = "a whole number, such as 10" if whole else "a number, such as 7e-6"
        raise Refused(
            f"{text!r} is not a number: give {wanted}" if text else f"is empty: give {wanted}", name
        ) from None


def _said(message: str, name: str) -> str:
    """A refusal as it stands beside its field: without the flag in front, other flags by their fields' labels."""
    labels = {flag(f.name): f.label for f in fields.FIELDS}
    return re.sub(r"--[a-z-]+", lambda match: labels.get(match[0], match[0]), _bare(message, name))


def _bare(message: str, name: str) -> str:
    """Without its own flag in front: it stands beside the field."""
    return message.removeprefix(f"{flag(name)} ")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _within(index: int, things: tuple[object, ...] | list[str]) -> int:
    return max(0, min(index, len(things) - 1))


def _at(things: tuple[str, ...] | list[str], thing: str, otherwise: int = 0) -> int:
    return things.index(thing) if thing in things else otherwise
