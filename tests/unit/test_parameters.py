"""Options in a precision's name."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlearn_tui import catalog
from unlearn_tui.errors import Refused
from unlearn_tui.protocol.spec import RunSpec
from unlearn_tui.validate import check_installed, check_spec, one_name_each

SAME = {
    "bnb-fp4:block=64": "bnb-fp4",
    "bnb-fp4:double+block=128": "bnb-fp4:block=128+double",
    "bnb-int8:threshold=6": "bnb-int8",
    "bnb-int8:threshold=4.50": "bnb-int8:threshold=4.5",
    "rtn-int4:group=128": "rtn-int4-g128",
    "rtn-int4-g128:group=0": "rtn-int4",
    "rtn-int4-g128:group=64": "rtn-int4:group=64",
    "rtn-int4:group=128+asymmetric": "rtn-int4-g128:asymmetric",
    "rtn-int8:group=032": "rtn-int8:group=32",
}


@pytest.mark.parametrize("written", list(SAME))
def test_one_quantizer_has_one_name(written):
    assert catalog.precision(written).id == SAME[written]
    assert catalog.canonical(written) == SAME[written]
    assert catalog.precision(SAME[written]).options == catalog.precision(written).options


def test_a_label_is_short_and_a_summary_says_what_differs():
    found = catalog.precision("bnb-fp4:block=128+double")
    assert (found.label, found.bits, found.full) == ("INT4 b128 dq", 4, False)
    assert "block=128, double" in found.summary
    assert found.options == {"quant_type": "fp4", "block": 128, "double": True}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bnb-fp4:blok=128", "no option 'blok': it takes block="),
        ("bnb-fp4:block=100", "must be 32|64|128"),
        ("bnb-fp4:block", "block needs a value"),
        ("bnb-fp4:double=1", "is a flag"),
        ("bnb-fp4:", "empty option"),
        ("bnb-fp4:double+double", "twice"),
        ("fp16:block=64", "takes no options"),
        ("rtn-int4:group=1e3", "whole number"),
        ("rtn-int4:group=-1", "at least 0"),
        ("rtn-int4:group=" + "9" * 5000, "at most"),
        ("bnb-int8:threshold=nan", "a number"),
        ("fp4:block=128", "did you mean bnb-fp4"),
    ],
)
def test_what_a_precision_does_not_take_is_refused_in_one_line_naming_what_it_does(name, said):
    with pytest.raises(Refused, match=re.escape(said)) as caught:
        catalog.precision(name)
    assert caught.value.field == "precision"
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
    assert catalog.find_precision(name) is None
    assert not catalog.is_full(name)


@given(st.text(max_size=40))
def test_a_view_of_any_log_asks_without_raising(name):
    catalog.find_precision(f"bnb-fp4:{name}")
    assert catalog.find_precision(name) is None or catalog.precision(name)


def names(record):
    """All names of a record with some value for some of its options."""
    parts = []
    for p in record.parameters:
        some = p.allowed if isinstance(p.allowed, tuple) else [n for n in (0, 7, 128) if p.holds(n)]
        values = [None, True] if p.flag else [None, *some]
        parts.append(st.sampled_from([v if v is None else p.written(v) for v in values]))
    return st.tuples(*parts).map(lambda found: "+".join(part for part in found if part))


@given(st.data())
def test_the_canonical_name_means_the_same_and_is_its_own(data):
    record = data.draw(st.sampled_from([p for p in catalog.PRECISIONS.values() if p.parameters]))
    options = data.draw(names(record))
    found = catalog.precision(f"{record.id}:{options}" if options else record.id)
    assert catalog.precision(found.id) == found


def test_a_precision_whose_library_is_missing_is_refused_with_the_command_that_brings_it(monkeypatch):
    monkeypatch.setattr("unlearn_tui.versions.versions", lambda: {"torchao": "missing", "torch": "2.13"})
    check_installed(["fp16", "bnb-fp4"])
    with pytest.raises(Refused) as caught:
        check_installed(["fp16", "torchao-int4:group=64"])
    assert str(caught.value) == (
        "torchao-int4:group=64 needs torchao, which is not installed: pip install 'unlearn-tui[torchao]'"
    )
    assert caught.value.field == "precision"


def test_a_spec_names_each_quantizer_once_whatever_it_was_called():
    spec = RunSpec(precision=["fp16", "bnb-fp4:block=64", "rtn-int4:group=128"], ablate=["bnb-nf4:block=64"])
    named = one_name_each(spec)
    assert (named.precision, named.ablate) == (["fp16", "bnb-fp4", "rtn-int4-g128"], ["bnb-nf4"])
    twice = one_name_each(RunSpec(precision=["fp16", "bnb-fp4", "bnb-fp4:block=64"]))
    with pytest.raises(Refused, match="twice"):
        check_spec(twice)
