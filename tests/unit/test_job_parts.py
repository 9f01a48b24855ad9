"""Frames, records, progress, cancellation: the small parts of a job."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import Cancelled, RecordError
from cloudrender_addon.backend.farms.base import MachineRequest
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job.collect import Collector
from cloudrender_addon.backend.job.cost import machine_cost
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.frames import belongs_to_frame, format_frames, frame_stem
from cloudrender_addon.backend.job.progress import Progress
from cloudrender_addon.backend.job.record import JobRecord, SavedFrame
from cloudrender_addon.backend.job.spec import JobSpec, new_job_id
from cloudrender_addon.backend.job.status import Status
from cloudrender_addon.backend.job.store import JobStore
from cloudrender_addon.backend.settings import Settings
from tests.unit.fakes import FakeFarm

REQUEST = MachineRequest(
    job_id="j", token="t", instance_types=("g4dn.xlarge",), disk_bytes=1, lifetime_seconds=7200, lease_seconds=60
)
MACHINE = replace(FakeFarm([]).plan(REQUEST), instance_id="i-1", launched_at=1000.0)


def make(tmp_path: Path) -> tuple[JobStore, JobFolder]:
    spec = JobSpec(
        job_id=new_job_id(), project=tmp_path / "Projekt ü", blend="a b.blend", frames=(1, -2), output=tmp_path / "out",
        blender="4.2", autoexec=False, settings=Settings(home=tmp_path),
    )  # fmt: skip
    store = JobStore(tmp_path)
    return store, store.create(JobRecord(spec=spec, started=1.0))


def test_frames_are_written_compactly() -> None:
    assert format_frames([3, 1, 2, 7, -1]) == "-1, 1-3, 7"
    assert format_frames([]) == ""


@pytest.mark.parametrize(("frame", "stem"), [(1, "0001"), (12345, "12345"), (-1, "-0001"), (0, "0000")])
def test_a_frame_is_named_as_blender_does(frame: int, stem: str) -> None:
    assert frame_stem(frame) == stem


@given(st.integers(-1_048_574, 1_048_574))
def test_every_name_blender_gives_belongs_to_its_frame(frame: int) -> None:
    for name in ("{}.png", "{}_L.exr", "Output_{}.png", "Pass1{}.png"):
        assert belongs_to_frame(name.format(frame_stem(frame)), frame)


def test_a_node_may_write_its_number_shorter() -> None:
    assert belongs_to_frame("beauty_007.png", 7) and not belongs_to_frame("beauty_007.png", 70)


@pytest.mark.parametrize("name", ["", "0002.png", "notes.txt", "0011.png", "21.png"])
def test_other_names_do_not(name: str) -> None:
    assert not belongs_to_frame(name, 1)


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    _, folder = make(tmp_path)
    record = replace(folder.load(), machine=MACHINE, failed_frames={3: "crash"}, status=Status.RENDERING)
    folder.save(record)
    assert folder.load() == record


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 99}', '{"version": 1, "spec": 1, "machine": null}'])
def test_a_damaged_record_is_an_error_with_a_way_out(tmp_path: Path, text: str) -> None:
    _, folder = make(tmp_path)
    (folder.path / "record.json").write_text(text)
    with pytest.raises(RecordError) as caught:
        folder.load()
    assert "clean-up" in caught.value.hint


def test_a_frame_counts_as_saved_only_with_its_files(tmp_path: Path) -> None:
    _, folder = make(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    for frame in (1, 2, 3):
        (out / f"{frame:04d}.png").touch()
        folder.add_saved(SavedFrame(frame=frame, seconds=1, files=(f"{frame:04d}.png",)))
    (out / "0002.png").unlink()
    with (folder.path / "frames.jsonl").open("a") as file:
        file.write(json.dumps({"frame": 4})[:-3])  # a line cut short by a crash
    assert sorted(folder.saved_frames(out)) == [1, 3]


def test_what_a_killed_client_had_fetched_half_is_deleted_by_the_next(tmp_path: Path) -> None:
    _, folder = make(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    others = ("0001.png", "setup-1.zip.part", "0009.png.cloudrender")
    for name in (*others, "0001.png.cloudrender", "0002.png.cloudrender.part"):
        (out / name).touch()
    Collector(folder, frames=(1, 2), output=out)
    assert sorted(path.name for path in out.iterdir()) == sorted(others)


def test_one_client_at_a_time(tmp_path: Path) -> None:
    _, folder = make(tmp_path)
    with folder.lock():
        assert folder.locked()
        with pytest.raises(RecordError, match="another cloudrender"), JobFolder(folder.path).lock():
            pass
    assert not folder.locked()


def test_jobs_are_found_by_the_beginning_of_their_name(tmp_path: Path) -> None:
    store, folder = make(tmp_path)
    assert store.find(folder.job_id).path == store.find(folder.job_id[:-2]).path == folder.path
    with pytest.raises(RecordError, match="no job"):
        store.find("nothing")
    twin = replace(folder.load().spec, job_id=folder.job_id + "x")
    store.create(JobRecord(spec=twin, started=1.0))
    assert store.find(folder.job_id).path == folder.path
    with pytest.raises(RecordError, match="may be any"):
        store.find(folder.job_id[:8])


def test_the_folder_is_private(tmp_path: Path) -> None:
    _, folder = make(tmp_path)
    assert folder.path.stat().st_mode & 0o077 == 0 and folder.keys.stat().st_mode & 0o077 == 0


def test_a_minute_is_the_least_that_is_billed() -> None:
    assert machine_cost(MACHINE, until=1001.0) == pytest.approx(0.36 / 60)
    assert machine_cost(MACHINE, until=4600.0) == pytest.approx(0.36)
    assert machine_cost(replace(MACHINE, launched_at=None), until=4600.0) == 0
    assert machine_cost(MACHINE, until=1e9) == pytest.approx(0.72)  # it ended itself after its two hours


def test_progress_folds_events() -> None:
    progress = Progress(total=4, started=990.0, done=1)
    for event in (
        ev.MachineLaunched(at=1000, machine=MACHINE),
        ev.StatusChanged(at=1010, status=Status.UPLOADING),
        ev.BytesSent(at=1011, sent=5, total=10),
        ev.StatusChanged(at=1012, status=Status.RENDERING),
    ):
        progress = progress.after(event)
    assert progress.seconds_left(1020) is None
    progress = progress.after(ev.FrameSaved(at=1022, frame=2, paths=(), seconds=9))
    assert (progress.done, progress.sent, progress.to_send) == (2, 5, 10)
    assert progress.seconds_left(1022) == pytest.approx(20)  # ten seconds a frame on this machine, two to go
    assert progress.cost_usd(4600) == pytest.approx(0.36)
    progress = progress.after(ev.MachineReleased(at=4600, machine=MACHINE))
    assert progress.machine is None and progress.cost_usd(9999) == pytest.approx(0.36)


def test_every_wait_hears_a_cancellation() -> None:
    token = CancelToken()
    threading.Timer(0.05, token.cancel).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        token.sleep(30)
    assert time.monotonic() - began < 5
    with pytest.raises(Cancelled):
        token.check()


def test_a_wait_also_hears_a_request_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudrender_addon.backend.cancel._PROBE_SECONDS", 0.05)
    _, folder = make(tmp_path)
    token = CancelToken()
    token.listen(folder.wish)
    token.check()
    threading.Timer(0.05, folder.request_cancel).start()
    with pytest.raises(Cancelled):
        token.sleep(30)
