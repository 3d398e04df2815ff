"""A method's own numbers stand in the spec where nobody gave others."""

from __future__ import annotations

from pathlib import Path

import pytest

from unlearn_tui import catalog
from unlearn_tui.commands.preflight import spec_of
from unlearn_tui.protocol.spec import RunSpec, to_toml


@pytest.mark.parametrize("method", list(catalog.METHODS))
def test_every_methods_numbers_are_in_the_spec_and_flags_go_before_them(method: str) -> None:
    values = catalog.METHODS[method].values
    spec = spec_of({"method": method})
    assert all(getattr(spec, name) == value for name, value in values.items())
    assert spec_of({"method": method, "beta": 0.3}).beta == 0.3


def test_a_file_that_names_a_number_goes_before_the_method(tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    file.write_text('method = "simnpo_gdr"\nbeta = 2.0\n')
    spec = spec_of({}, file)
    assert (spec.beta, spec.gamma) == (2.0, 0.125)
    file.write_text(to_toml(RunSpec(method="simnpo_gdr", gamma=1.0)))
    assert spec_of({}, file).gamma == 1.0
