"""Fixtures for tests of the service."""

from __future__ import annotations

import pytest
from tests.unit.service.world import MakeWorld, World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def make_world() -> MakeWorld:
    return World
