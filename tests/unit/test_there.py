# SPDX-License-Identifier: GPL-3.0-or-later
"""Which frames `--resume` need not render: those that are in the output folder, complete."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.record import JobRecord, SavedFrame
from cloudrender_addon.backend.job.spec import JobSpec
from cloudrender_addon.backend.job.store import JobStore
from cloudrender_addon.backend.job.there import frames_there
from cloudrender_addon.backend.settings import Settings
from tests.unit.small_png import png


class Rooms:
    """An output folder, and jobs that saved frames there."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.out = home / "out"
        self.out.mkdir()
        self.jobs = 0

    def job(self, blend: str = "robot.blend", *, output: str = "out") -> JobFolder:
        self.jobs += 1
        spec = JobSpec(
            job_id=str(self.jobs), project=self.home, blend=blend, frames=(1, 2, 3, 4), output=self.home / output,
            blender="4.2", autoexec=False, settings=Settings(home=self.home),
        )  # fmt: skip
        return JobStore(self.home).create(JobRecord(spec=spec, started=1.0))

    def save(self, job: JobFolder, frame: int, *names: str) -> None:
        """Let a job save a frame, of one PNG unless named otherwise."""
        names = names or (f"{frame:04d}.png",)
        contents = [png(frame, extra=f"{job.job_id} {name}".encode()) for name in names]
        for name, content in zip(names, contents, strict=True):
            (self.out / name).write_bytes(content)
        job.add_saved(
            SavedFrame(
                frame=frame,
                seconds=1.0,
                files=names,
                sizes=tuple(map(len, contents)),
                sha256=tuple(hashlib.sha256(content).hexdigest() for content in contents),
            )
        )

    def there(self, extension: str = ".png") -> tuple[int, ...]:
        return frames_there(
            JobStore(self.home), blend=self.home / "robot.blend", output=self.out, frames=(4, 3, 2, 1, -5),
            extensions=(extension,),
        )  # fmt: skip


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    return Rooms(tmp_path)


def test_nothing_is_there_at_first(rooms: Rooms) -> None:
    assert rooms.there() == ()
    rooms.out.rmdir()
    assert rooms.there() == ()


def test_what_earlier_jobs_saved_there_is(rooms: Rooms) -> None:
    rooms.save(rooms.job(), 1)
    rooms.save(rooms.job(), 3)
    assert rooms.there() == (3, 1)


def test_an_image_without_record_counts_if_it_is_named_like_a_frame_and_complete(rooms: Rooms) -> None:
    (rooms.out / "0001.png").write_bytes(png(1))
    (rooms.out / "-0005.png").write_bytes(png(5))
    (rooms.out / "0002.png").write_bytes(png(2)[:-1])
    (rooms.out / "003.png").write_bytes(png(3))
    (rooms.out / "0004.jpg").write_bytes(png(4))
    assert rooms.there() == (1, -5)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(bytes(path.stat().st_size)),
    ],
    ids=["deleted", "cut short", "overwritten"],
)
@pytest.mark.parametrize("name", ["0001.png", "mask_0001.png"])
def test_a_frame_is_not_there_without_all_of_its_files(
    rooms: Rooms, damage: Callable[[Path], object], name: str
) -> None:
    rooms.save(rooms.job(), 1, "0001.png", "mask_0001.png")
    assert rooms.there() == (1,)
    damage(rooms.out / name)
    assert rooms.there() == ()


def test_two_views_are_a_frame(rooms: Rooms) -> None:
    rooms.save(rooms.job(), 1, "0001_L.png", "0001_R.png")
    assert rooms.there() == (1,)
    (rooms.out / "0001_R.png").unlink()
    assert rooms.there() == ()


def test_frames_of_another_file_are_not_ours(rooms: Rooms) -> None:
    ours, other = rooms.job(), rooms.job("other.blend")
    rooms.save(ours, 1)
    rooms.save(ours, 2)
    rooms.save(other, 2)
    assert rooms.there() == (1,)
    (rooms.out / "0002.png").write_bytes(png(2))  # by hand, since
    assert rooms.there() == (2, 1)


def test_a_format_that_was_changed_since_is_rendered_again(rooms: Rooms) -> None:
    rooms.save(rooms.job(), 1)
    assert rooms.there(".exr") == ()


def test_what_was_saved_elsewhere_or_by_a_damaged_record_is_unknown(rooms: Rooms) -> None:
    rooms.save(rooms.job(output="elsewhere"), 1, "0001_L.png")
    damaged = rooms.job()
    rooms.save(damaged, 2, "0002_L.png")
    (damaged.path / "record.json").write_text("{")
    assert rooms.there() == ()


def test_an_older_record_without_hashes_counts_if_its_images_are_complete(rooms: Rooms) -> None:
    job = rooms.job()
    lines = [{"frame": frame, "seconds": 1.0, "files": [f"{frame:04d}_L.png"]} for frame in (1, 2)]
    (job.path / "frames.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (rooms.out / "0001_L.png").write_bytes(png(1))
    (rooms.out / "0002_L.png").write_bytes(png(2)[:30])
    assert rooms.there() == (1,)
