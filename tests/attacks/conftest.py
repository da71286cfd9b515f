"""Attackers on either side of a live data plane."""

from collections.abc import AsyncIterator

import pytest

from tests.attacks.recorder import Recorder
from tests.server.conftest import pytest_asyncio_loop_factories, start, wire

__all__ = ["pytest_asyncio_loop_factories", "start", "wire"]


@pytest.fixture
async def recorder() -> AsyncIterator[Recorder]:
    """An upstream that keeps what reaches it."""
    recorder = Recorder()
    await recorder.start()
    yield recorder
    recorder.close()
