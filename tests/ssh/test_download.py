"""Finished files come here whole or not at all."""

import dataclasses
import os
import re
import threading
from pathlib import Path

import pytest

from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import Cancelled, LinkError, MachineError, TransferError
from cloudrender_addon.backend.farms.link import RemoteFile
from tests.ssh.link_rig import Rig, far, fetch, lines, push, tree
from tests.ssh.sshd_helper import until
from tests.unit.bundles import make


def test_a_long_fetch_keeps_the_machine_alive(rig: Rig, tmp_path: Path) -> None:
    link = rig.with_agent()
    data = os.urandom(100_000)
    (rig.root / "lease").unlink(missing_ok=True)
    fetch(link, rig.frame("0001.png", data), tmp_path / "0001.png")
    assert int((rig.root / "lease").read_text()) >= 900 and (tmp_path / "0001.png").read_bytes() == data


@pytest.mark.parametrize("name", ["0001.png", "-0012.exr", "0001_L.png", "File_Output_0001.png", "-", "console.png"])
def test_frame_arrives(rig: Rig, tmp_path: Path, name: str) -> None:
    content = os.urandom(2_500_000)
    link = rig.with_agent()
    out = tmp_path / "Ausgabe ü"
    out.mkdir()
    (out / name).write_bytes(b"of an earlier job")
    fetch(link, rig.frame(name, content), out / name)
    assert tree(out) == {name: content}


def test_empty_file_arrives(rig: Rig, tmp_path: Path) -> None:
    fetch(rig.with_agent(), rig.frame("0001.txt", b""), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b""


def test_fetch_beside_events(rig: Rig, tmp_path: Path) -> None:
    link = rig.with_agent(follow=lines(*[{"event": "frame", "n": n} for n in range(10)]), end=b"hang")
    events = link.events(cancel=CancelToken())
    for n in range(10):
        assert next(events) == {"event": "frame", "n": n}
        fetch(link, rig.frame(f"{n:04}.png", os.urandom(50_000)), tmp_path / f"{n}")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        ".hidden",
        "../plan.json",
        "a/b",
        "/etc/passwd",
        "a\\b",
        "C:x",
        "a b",
        "a;b",
        "$HOME",
        "a\nb",
        "0001.png\n",
        "0001.png.",
        "日本語.png",
        "٠٠٠١.png",
        "x" * 201,
        "con",
        "NUL.png",
        "Com1.exr",
        "lpt9.a.b",
        "0001\0.png",
    ],
)
def test_unacceptable_names_touch_nothing(rig: Rig, tmp_path: Path, name: str) -> None:
    link = rig.with_agent()
    (tmp_path / "out").mkdir()
    with pytest.raises(MachineError, match="unacceptable"):
        fetch(link, RemoteFile(name=name, size=1, sha256="0" * 64), tmp_path / "out" / "x")
    assert tree(tmp_path / "out") == {}


@pytest.mark.parametrize(
    "change", [{"size": 999}, {"size": 1001}, {"sha256": "0" * 64}, {"size": -1}], ids=lambda change: str(change)[:12]
)
def test_damaged_file_does_not_replace_a_good_one(rig: Rig, tmp_path: Path, change: dict) -> None:
    link = rig.with_agent()
    file = dataclasses.replace(rig.frame("0001.png", bytes(1000)), **change)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/0001.png").write_bytes(b"good")
    with pytest.raises(TransferError) as caught:
        fetch(link, file, tmp_path / "out/0001.png")
    assert caught.value.retryable
    assert tree(tmp_path / "out") == {"0001.png": b"good"}
    fetch(link, rig.frame("0001.png", b"whole"), tmp_path / "out/0001.png")
    assert tree(tmp_path / "out") == {"0001.png": b"whole"}


def test_endless_file_does_not_fill_the_disk(rig: Rig, tmp_path: Path) -> None:
    link = rig.with_agent()
    (rig.root / "frames/0001.png").symlink_to("/dev/zero")
    with pytest.raises(TransferError):
        fetch(link, RemoteFile(name="0001.png", size=1_000_000, sha256="0" * 64), tmp_path / "x")
    assert not (tmp_path / "x.part").exists()


def test_file_that_is_not_there(rig: Rig, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=re.escape("0001.png")) as caught:
        fetch(rig.with_agent(), RemoteFile(name="0001.png", size=1, sha256="0" * 64), tmp_path / "x")
    assert "No such file" in caught.value.details[0]


def test_disk_of_this_computer(rig: Rig, tmp_path: Path) -> None:
    link = rig.with_agent()
    file = rig.frame("0001.png", b"x")
    with pytest.raises(FileNotFoundError):
        fetch(link, file, tmp_path / "none" / "x")
    fetch(link, file, tmp_path / "x")


@pytest.mark.parametrize("distant", [False, True])
def test_cut_connection_leaves_no_half_file(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distant: bool
) -> None:
    far(monkeypatch, distant)
    link = rig.with_agent()
    file = rig.frame("0001.png", bytes(200_000_000))

    def cut() -> None:
        until((tmp_path / "x.part").exists, what="the fetch to begin")
        rig.server.kill_sessions()

    thread = threading.Thread(target=cut)
    thread.start()
    with pytest.raises(LinkError):
        fetch(link, file, tmp_path / "x")
    thread.join()
    assert not list(tmp_path.glob("x*"))


@pytest.mark.parametrize("distant", [False, True])
def test_large_files_arrive(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distant: bool) -> None:
    far(monkeypatch, distant)
    link = rig.with_agent()
    for n, size in enumerate((8 << 20, (20 << 20) + 12_345)):
        content = os.urandom(size)
        fetch(link, rig.frame(f"{n:04}.exr", content), tmp_path / "x")
        assert (tmp_path / "x").read_bytes() == content
    accepted = rig.server.log.read_text().count("Accepted publickey")
    assert accepted == (4 if distant else 1), "they stay for the next one"


def test_a_large_file_from_afar_is_looked_at_too(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far(monkeypatch)
    link = rig.with_agent()
    file = rig.frame("0001.exr", os.urandom(9 << 20))
    for change in ({"sha256": "0" * 64}, {"size": file.size + 1}):
        with pytest.raises(TransferError):
            fetch(link, dataclasses.replace(file, **change), tmp_path / "x")
    with pytest.raises(MachineError, match="none"):
        fetch(link, dataclasses.replace(file, name="none"), tmp_path / "x")
    assert not list(tmp_path.glob("x*"))
    fetch(link, file, tmp_path / "x")


def test_one_connection_does_it_where_no_other_is_to_be_had(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far(monkeypatch)
    link = rig.with_agent()

    def refuse(**_: object) -> None:
        raise LinkError("too many connections")

    monkeypatch.setattr(link._connection, "_again", refuse)
    content = os.urandom(40 << 20)
    fetch(link, rig.frame("0001.exr", content), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == content
    rig.forget_project()
    push(link, make(tmp_path / "project", {"large": content}))
    assert tree(rig.root / "project") == {"large": content}


def test_cancelled_on_several_connections(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far(monkeypatch)
    link = rig.with_agent()
    cancel = CancelToken()
    file = rig.frame("0001.exr", bytes(300_000_000))
    before = threading.active_count()

    def cancel_on_the_way() -> None:
        until(lambda: any(path.stat().st_size > 1_000_000 for path in tmp_path.glob("x*")), what="its beginning")
        cancel.cancel()

    canceller = threading.Thread(target=cancel_on_the_way)
    canceller.start()
    with pytest.raises(Cancelled):
        link.fetch(file, tmp_path / "x", cancel=cancel)
    canceller.join()
    assert not list(tmp_path.glob("x*"))
    link.close()
    until(lambda: threading.active_count() < before, what="no thread to be left behind")


def test_what_was_announced_together_comes_in_one_stream(rig: Rig, tmp_path: Path) -> None:
    link = rig.with_agent()
    files = [rig.frame(f"{n:04}.png", os.urandom(n * 1000)) for n in range(60)]
    link.expect(files)
    passed_over = {3, 4, 30}
    for n, file in enumerate(files):
        if n not in passed_over:
            fetch(link, file, tmp_path / file.name)
            assert (tmp_path / file.name).read_bytes() == (rig.root / "frames" / file.name).read_bytes()
        if n == 10:  # again, as one that arrived damaged
            fetch(link, file, tmp_path / file.name)
    lost = [rig.frame(f"{n}.png", b"x") for n in range(5)]
    (rig.root / "frames" / "2.png").unlink()
    link.expect(lost)
    for n, file in enumerate(lost):
        if n == 2:
            with pytest.raises(MachineError):
                fetch(link, file, tmp_path / file.name)
        else:
            fetch(link, file, tmp_path / file.name)
