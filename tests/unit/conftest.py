"""What many of these tests begin with."""

from pathlib import Path

import pytest

from cloudrender_addon.backend.job.folder import JobFolder
from tests.unit.kept_machines import Place
from tests.unit.one_job import make_job


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    """Return the folder of a new job."""
    return make_job(tmp_path)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)
