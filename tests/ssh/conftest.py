"""The machines that tests here speak to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudrender_addon.backend.ssh.connection import SshConnection
from tests.ssh.link_rig import Rig
from tests.ssh.sshd_helper import Sshd, sshd


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with sshd(tmp_path / "sshd") as server:
        made = Rig(server)
        yield made
        made.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Sshd]:
    """One that may be frozen or killed."""
    with sshd(tmp_path / "sshd") as running:
        yield running


@pytest.fixture
def connection(server: Sshd) -> Iterator[SshConnection]:
    opened = server.open()
    yield opened
    opened.close()
