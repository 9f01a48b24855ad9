# SPDX-License-Identifier: GPL-3.0-or-later
"""A small AWS for the unit tests that want one (see aws_stage.py), and the EC2 farm on it (see ec2_rig.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloudrender_addon.backend.farms import ec2_reach
from cloudrender_addon.backend.farms.ec2 import Ec2Farm
from tests.aws.aws_stage import Front, Stage, open_stage, serve
from tests.aws.ec2_rig import Door, farm_on


@pytest.fixture(scope="module")
def aws_server() -> Iterator[Front]:
    with serve() as front:
        yield front


@pytest.fixture
def aws(aws_server: Front, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Give the test an empty AWS account, at which the environment points."""
    return open_stage(aws_server, monkeypatch=monkeypatch, home=tmp_path_factory.mktemp("aws"))


@pytest.fixture
def farm(aws: Stage, tmp_path: Path) -> Ec2Farm:
    return farm_on(aws, tmp_path)


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Door]:
    def hang(*answers: object) -> Door:
        door = Door(*answers)
        monkeypatch.setattr(ec2_reach, "open_link", door)
        return door

    return hang
