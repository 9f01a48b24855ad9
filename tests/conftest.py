# SPDX-License-Identifier: GPL-3.0-or-later
"""What all tests may use: a stand-in cloud of their own, real Blenders."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.localcloud.cloud import Cloud
from tests.localcloud.mirror import installed_blenders

# A loaded computer is slow now and then: that is no finding of a property test.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background by a script: what tests start would inherit that and not hear Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def nobody_pulls_the_plug() -> Iterator[None]:
    """Let nothing wait for the disk: on a loaded computer that is most of the time that small tests take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Give the test a fresh account, at which this process's environment points too.

    The test fails if it leaves anything in the account, unless it sets `cloud.expect_leftovers`.
    """
    for name in [name for name in os.environ if name.startswith(("AWS_", "CLOUDRENDER_"))]:
        monkeypatch.delenv(name)
    with Cloud() as fresh:
        for name, value in fresh.env().items():
            monkeypatch.setenv(name, value)
        yield fresh
        left = fresh.leftovers()
        if left and not fresh.expect_leftovers:
            pytest.fail("left in the account:\n" + "\n".join(left), pytrace=False)


@pytest.fixture(scope="session")
def blender_python(version: str) -> Path:
    """The Python in which this version of Blender can be imported. One that is missing fails the test."""
    environment = installed_blenders().get(version)
    if environment is None:
        pytest.fail(f"Blender {version} is not here: make blenders", pytrace=False)
    return environment / "bin" / "python"
