# SPDX-License-Identifier: GPL-3.0-or-later
"""When a frame counts as saved: complete and verified on this computer's disk, and still as it was then."""

from __future__ import annotations

import argparse
import errno
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import MachineError, MachineGoneError, RecordError, RenderError, TransferError
from cloudrender_addon.backend.farms.base import MachineRequest
from cloudrender_addon.backend.farms.link import RemoteFile, RenderPlan
from cloudrender_addon.backend.job import collect
from cloudrender_addon.backend.job import events as ev
from cloudrender_addon.backend.job.collect import Collector
from cloudrender_addon.backend.job.folder import JobFolder
from cloudrender_addon.backend.job.follow import Follower
from cloudrender_addon.backend.job.record import SavedFrame
from cloudrender_addon.backend.job.status import Status
from cloudrender_addon.backend.job.summary import summarize
from cloudrender_addon.backend.jobs import reopen
from cloudrender_addon.cli import jobs
from cloudrender_addon.cli.display import LineDisplay
from tests.unit.fakes import FakeFarm, FakeLink, content, frame_event, render_all
from tests.unit.one_job import run

BROKEN = content(2)[:-3]


def sending(monkeypatch: pytest.MonkeyPatch, fetch: Callable[[RemoteFile, int], bytes]) -> list[str]:
    """Let the farm in memory send what `fetch(file, attempt)` returns; return the names that were fetched."""
    fetched: list[str] = []

    def send(link: FakeLink, file: RemoteFile, destination: Path, *, cancel: object) -> None:
        fetched.append(file.name)
        destination.write_bytes(fetch(file, fetched.count(file.name)))

    monkeypatch.setattr(FakeLink, "fetch", send)
    return fetched


def right(file: RemoteFile) -> bytes:
    return content(int("".join(c for c in file.name if c.isdigit())))


def test_what_arrives_as_no_image_is_fetched_again(folder: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = sending(monkeypatch, lambda file, n: BROKEN if (file.name, n) == ("0002.png", 1) else right(file))
    ended, _ = run(folder, FakeFarm([render_all]))
    assert ended.status is Status.SUCCEEDED and fetched.count("0002.png") == 2
    out = folder.load().spec.output
    assert (out / "0002.png").read_bytes() == content(2)
    assert sorted(path.name for path in out.iterdir()) == ["0001.png", "0002.png", "0003.png"]


def test_a_frame_that_is_none_on_the_machine_is_set_aside_and_the_others_come(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = sending(monkeypatch, lambda file, n: BROKEN if file.name == "0002.png" else right(file))
    out = folder.load().spec.output
    out.mkdir()
    (out / "0002.png").write_bytes(b"of an earlier render")
    ended, events = run(folder, FakeFarm([render_all]))
    assert ended.frames == (1, 3) and fetched.count("0002.png") == 3
    assert isinstance(ended.error, RenderError)
    assert ended.error.details == ("Frame 2: 0002.png is no complete image: it is cut short",)
    assert [event.frame for event in events if isinstance(event, ev.FrameFailed)] == [2]
    assert list(folder.load().failed_frames) == [2]
    assert (out / "0002.png").read_bytes() == b"of an earlier render", "it was replaced by less"
    assert not list(out.glob("*.cloudrender*"))


def test_no_file_of_a_frame_gets_its_name_before_all_are_here(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(file: RemoteFile, attempt: int) -> bytes:
        if file.name == "0002_R.png":
            raise TransferError("it arrived damaged")
        return content(2)

    def both_eyes(plan: Any) -> Any:
        data = content(2)
        files = [
            {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name in ("0002_L.png", "0002_R.png")
        ]
        yield {"event": "frame", "frame": 2, "seconds": 1.0, "files": files}

    sending(monkeypatch, fetch)
    ended, _ = run(folder, FakeFarm([both_eyes]))
    assert ended.status is Status.FAILED and not list(folder.load().spec.output.iterdir())


def test_fetch_brings_the_frames_that_are_well_beside_one_that_arrives_damaged(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Damaging(FakeFarm):
        def damages(self, machine: str, name: str) -> bool:
            return name == "0002.png"

    farm = Damaging([])
    request = MachineRequest(
        job_id=folder.job_id,
        token="t",
        instance_types=("g5.xlarge",),
        disk_bytes=1,
        lifetime_seconds=1,
        lease_seconds=1,
    )
    machine = farm.launch(farm.plan(request))
    farm.logs["i-0"] = ([frame_event(n) for n in (1, 2, 3)], iter(()))
    folder.save(replace(folder.load(), machine=machine, status=Status.RENDERING))
    monkeypatch.setattr(jobs, "farm_of", lambda *_: farm)
    said = io.StringIO()
    settings = folder.load().spec.settings
    assert jobs.fetch(argparse.Namespace(job=folder.job_id), settings, LineDisplay(said)) == 0
    assert "0002.png arrived damaged" in said.getvalue() and "2 of 3 frames" in said.getvalue()
    assert sorted(folder.noted_frames()) == [1, 3]


def test_only_what_is_missing_is_told_to_come(folder: JobFolder) -> None:
    """After a reconnect all that was ever announced is announced again."""
    collector = Collector(folder, frames=(1, 2, 3), output=folder.load().spec.output)
    farm = FakeFarm([render_all])
    link = FakeLink(farm, "i-0")
    assert collector.collect(link, frame_event(1), cancel=CancelToken())
    nonsense = {"event": "frame", "frame": 2, "files": "none"}
    events = [{"event": "started"}, frame_event(1), nonsense, frame_event(2), frame_event(7), frame_event(3)]
    collector.expect(link, events)
    assert farm.expected == ["0002.png", "0003.png"]


def test_frames_are_on_the_disk_before_their_machine_is_ended(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr(collect, "_to_disk", lambda path: order.append(path.name))
    finish = FakeLink.finish
    monkeypatch.setattr(FakeLink, "finish", lambda link: (order.append("finish"), finish(link)))
    run(folder, FakeFarm([render_all]))
    assert sorted(order[:3]) == ["0001.png", "0002.png", "0003.png"] and order[3:] == ["finish"]


def test_frames_of_a_machine_that_is_lost_are_on_the_disk_too(
    folder: JobFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[str] = []
    monkeypatch.setattr(collect, "_to_disk", lambda path: settled.append(path.name))

    collector = Collector(folder, frames=(1, 2), output=folder.path / "elsewhere")
    farm = FakeFarm([render_all], running={"i-0": None})
    link = FakeLink(farm, "i-0")
    farm.logs["i-0"] = ([], iter([frame_event(1), MachineGoneError("cut off")]))
    with pytest.raises(MachineGoneError):
        Follower(collector=collector, report=lambda _: None, set_aside=lambda *_: None).follow(
            link, booted_at=None, check=lambda: None, cancel=CancelToken()
        )
    assert settled == ["0001.png"]


def test_a_disk_that_loses_what_was_written_is_told(folder: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "_to_disk", lambda _: OSError(errno.EIO, "Input/output error"))
    ended, _ = run(folder, FakeFarm([render_all]))
    assert ended.status is Status.FAILED and ended.error and "Input/output error" in ended.error.message


def test_a_power_cut_takes_no_frame_unnoticed(folder: JobFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    record = folder.load()
    out = record.spec.output
    for frames, is_killed in (((1,), False), ((2, 3), True)):
        farm = FakeFarm([render_all], running={"i-0": None})
        farm.logs["i-0"] = ([], iter([*map(frame_event, frames), MachineGoneError("cut off")]))
        with monkeypatch.context() as patch:
            if is_killed:
                patch.setattr(Collector, "settle", lambda _: None)
            with pytest.raises(MachineGoneError):
                Follower(
                    collector=Collector(folder, frames=record.spec.frames, output=out),
                    report=lambda _: None,
                    set_aside=lambda *_: None,
                ).follow(FakeLink(farm, "i-0"), booted_at=None, check=lambda: None, cancel=CancelToken())
    assert folder.unsettled() == {2, 3}
    for frame in (1, 2):  # the first one is the user's own doing
        (out / f"{frame:04d}.png").write_bytes(bytes(len(content(frame))))
    settled: list[str] = []
    monkeypatch.setattr(collect, "_to_disk", lambda path: settled.append(path.name))
    collector = Collector(folder, frames=record.spec.frames, output=out)
    assert sorted(collector.saved) == [1, 3] and collector.wants(2)
    collector.settle()
    assert settled == ["0003.png"] and not folder.unsettled()


def test_size_and_hash_are_kept(folder: JobFolder) -> None:
    run(folder, FakeFarm([render_all]))
    saved = folder.saved_frames(folder.load().spec.output)
    assert saved[1].sizes == (len(content(1)),) and saved[1].sha256 == (hashlib.sha256(content(1)).hexdigest(),)


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-1])])
def test_a_file_that_is_missing_or_cut_short_since_is_rendered_again(
    folder: JobFolder, damage: Callable[[Path], object]
) -> None:
    run(folder, FakeFarm([render_all]))
    record = folder.load()
    damage(record.spec.output / "0002.png")
    assert sorted(folder.saved_frames(record.spec.output)) == [1, 3]
    # Both faces go on with a job by this: `attach`, and Resume Missing Frames in Blender.
    assert not summarize(folder).complete and reopen(folder)
    farm = FakeFarm([render_all])
    ended, _ = run(folder, farm)
    assert ended.status is Status.SUCCEEDED and farm.fetched == ["0002.png"]


def test_a_file_is_not_a_folder_of_that_name(folder: JobFolder, tmp_path: Path) -> None:
    (tmp_path / "0001.png").mkdir()
    folder.add_saved(SavedFrame(frame=1, seconds=1, files=("0001.png",)))
    assert folder.saved_frames(tmp_path) == {}


def test_a_note_that_was_cut_short_does_not_spoil_the_next(folder: JobFolder) -> None:
    first, second = (SavedFrame(frame=n, seconds=1, files=(f"{n:04d}.png",)) for n in (1, 2))
    folder.add_saved(first)
    with (folder.path / "frames.jsonl").open("a") as file:
        file.write('{"frame": 7, "secon')
    folder.add_saved(second)
    assert folder.brought() == (first, second)


def test_a_frame_that_cannot_be_noted_is_told_as_that(folder: JobFolder) -> None:
    (folder.path / "frames.jsonl").mkdir()
    with pytest.raises(RecordError, match="cannot be written"):
        folder.add_saved(SavedFrame(frame=1, seconds=1, files=("0001.png",)))


def test_a_frame_noted_by_an_older_version_has_no_sizes(folder: JobFolder, tmp_path: Path) -> None:
    (folder.path / "frames.jsonl").write_text(json.dumps({"frame": 1, "seconds": 2.5, "files": ["0001.png"]}) + "\n")
    (tmp_path / "0001.png").write_bytes(b"anything")
    assert folder.saved_frames(tmp_path) == {1: SavedFrame(frame=1, seconds=2.5, files=("0001.png",))}


def test_what_stands_outside_the_output_folder_is_left_alone(folder: JobFolder) -> None:
    out = folder.load().spec.output
    out.mkdir()
    other = out.parent / "0001.png.cloudrender"
    other.write_bytes(b"not of this job")

    def script(plan: RenderPlan) -> Iterator[Any]:
        yield frame_event(1, name="../0001.png")

    ended, _ = run(folder, FakeFarm([script]))
    assert isinstance(ended.error, MachineError) and "'../0001.png' as frame 1" in ended.error.message
    assert other.read_bytes() == b"not of this job"


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0])
def test_time_that_makes_no_sense_is_not_noted(folder: JobFolder, seconds: float) -> None:
    ended, _ = run(folder, FakeFarm([lambda plan: iter([{**frame_event(1), "seconds": seconds}])]))
    assert isinstance(ended.error, MachineError) and folder.brought() == ()


@pytest.mark.parametrize("size", [-1, 10**18])
def test_size_that_makes_no_sense_is_not_fetched(folder: JobFolder, size: int) -> None:
    offered = frame_event(1)
    offered["files"][0]["size"] = size
    farm = FakeFarm([lambda plan: iter([offered])])
    ended, _ = run(folder, farm)
    assert isinstance(ended.error, MachineError) and farm.fetched == []


@pytest.mark.parametrize("frame", [1, 77])
def test_frame_that_is_here_or_was_never_asked_for_cannot_be_given_up(folder: JobFolder, frame: int) -> None:
    def script(plan: RenderPlan) -> Iterator[Any]:
        yield frame_event(1)
        yield {"event": "frame_failed", "frame": frame, "reason": "says a machine that is not trusted"}
        yield from map(frame_event, (2, 3))
        yield {"event": "finished"}

    ended, events = run(folder, FakeFarm([script]))
    assert ended.status is Status.SUCCEEDED and folder.load().failed_frames == {}
    assert not [event for event in events if isinstance(event, ev.FrameFailed)]
