"""Fixtures of the engine tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from engine_models import tiny_llama
from transformers import LlamaForCausalLM


@pytest.fixture
def tiny() -> LlamaForCausalLM:
    return tiny_llama()


@pytest.fixture(scope="session")
def pocket() -> Path:
    from unlearn_tui.sources.assets import asset

    return asset("pocket")
