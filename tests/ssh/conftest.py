"""The machine that most tests here speak to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ssh.link_rig import Rig
from tests.ssh.sshd_helper import sshd


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with sshd(tmp_path / "sshd") as server:
        made = Rig(server)
        yield made
        made.close()
