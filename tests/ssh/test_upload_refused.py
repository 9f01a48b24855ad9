"""A project that is not sent, or not taken: which side is to blame, and what is said of it."""

import dataclasses
import os
from pathlib import Path

import pytest

from cloudrender_addon.backend.assets.hash_cache import HashCache
from cloudrender_addon.backend.assets.manifest import Manifest
from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import LinkError, MachineError, ProjectError, TransferError
from cloudrender_addon.backend.job.packing import Packing
from tests.ssh.link_rig import Rig, packing, push, tree
from tests.unit.bundles import make


@pytest.mark.parametrize("size", [1000, 20 << 20])
def test_what_arrives_damaged_however_often_it_is_sent(rig: Rig, tmp_path: Path, size: int) -> None:
    rig.booted()
    bundle = make(tmp_path / "project", {"a": os.urandom(size)})
    manifest = packing(bundle).manifest(lambda: None)
    lie = Manifest(files=(dataclasses.replace(manifest.files[0], sha256="0" * 64),))
    rechecked: list[str] = []
    with pytest.raises(TransferError, match="a arrives damaged"):
        rig.link().push(
            lambda _: lie,
            on_sent=lambda *_: None,
            recheck=lambda file: rechecked.append(file.name),
            cancel=CancelToken(),
        )
    assert rechecked == ["a", "a", "a"]
    assert not (rig.root / "project").exists()


def test_a_file_that_changed_without_showing_it(rig: Rig, tmp_path: Path) -> None:
    bundle = make(tmp_path / "project", {"a": b"old"})
    os.utime(tmp_path / "project" / "a", (1, 1))
    packed = Packing(lambda: bundle, cache=HashCache(tmp_path / "hashes"))
    packed.manifest(lambda: None)
    (tmp_path / "project" / "a").write_bytes(b"new")
    os.utime(tmp_path / "project" / "a", (1, 1))
    rig.booted()
    for _ in range(2):
        packed.read()
        try:
            rig.link().push(packed.manifest, on_sent=lambda *_: None, recheck=packed.recheck, cancel=CancelToken())
        except ProjectError as error:
            assert "a changed" in error.message
    assert tree(rig.root / "project") == {"a": b"new"}


@pytest.mark.parametrize("change", ["shrinks", "grows", "is rewritten", "vanishes"])
def test_a_file_that_changes_is_no_project(rig: Rig, tmp_path: Path, change: str) -> None:
    bundle = make(tmp_path / "project", {"a": bytes(261_632), "b": os.urandom(12_000_000)})
    victim = tmp_path / "project" / "b"
    packed = packing(bundle)
    packed.manifest(lambda: None)
    if change == "vanishes":
        victim.unlink()
    elif change == "is rewritten":
        os.utime(victim, (1, 1))
    else:
        os.truncate(victim, 11_000_000 if change == "shrinks" else 13_000_000)
    with pytest.raises(ProjectError, match=r"b c(hanged|annot be read)") as caught:
        rig.booted().link().push(packed.manifest, on_sent=lambda *_: None, recheck=packed.recheck, cancel=CancelToken())
    assert caught.value.hint
    assert not (rig.root / "project").exists()


def test_full_disk_is_known_before_anything_is_sent(rig: Rig, tmp_path: Path) -> None:
    file = packing(make(tmp_path / "project", {"x": b"x"})).manifest(lambda: None).files[0]
    huge = Manifest(files=(dataclasses.replace(file, size=1 << 50),))
    sent: list[int] = []
    with pytest.raises(MachineError, match="disk is too small") as caught:
        rig.booted().link().push(
            lambda _: huge, on_sent=lambda *_: sent.append(1), recheck=lambda _: None, cancel=CancelToken()
        )
    assert not caught.value.retryable
    assert "1125.9 TB needed" in caught.value.message and not sent


def test_what_cannot_be_put_in_place_says_why(rig: Rig, tmp_path: Path) -> None:
    bundle = make(tmp_path / "project", {"a": b"x"})
    twice = dataclasses.replace(bundle, files=(bundle.files[0], dataclasses.replace(bundle.files[0], name="a/b")))
    with pytest.raises(MachineError, match="Sending the project failed") as caught:
        push(rig.booted().link(), twice)
    assert any(line.startswith("agent:") for line in caught.value.details)
    assert not (rig.root / "project").exists()


@pytest.mark.parametrize("name", ["../agent/agent.py", "/etc/passwd", "a//b", "a/./b", "", "a/..", "."])
def test_no_name_leads_out_of_the_project(rig: Rig, tmp_path: Path, name: str) -> None:
    bundle = make(tmp_path / "project", {"a": b"x"})
    astray = dataclasses.replace(bundle, files=(dataclasses.replace(bundle.files[0], name=name),))
    with pytest.raises(MachineError, match="Sending the project failed") as caught:
        push(rig.booted().link(), astray)
    assert "leads out of the project" in caught.value.details[-1]


@pytest.mark.parametrize(
    "answer",
    [
        b"Welcome to Ubuntu",
        b"[]",
        b"{}",
        b'{"lacking": 5, "begun": {}}',
        b'{"lacking": [[7, 1]], "begun": {}}',
        b'{"lacking": [[0, 1]], "begun": {"0": [[99, 1]]}}',
        b'{"lacking": [[0, 1]], "begun": []}',
        b'{"lacking": [[0, 1]], "begun": {}, "damaged": [5]}',
        b'{"lacking": [[0, 100000000000]], "begun": {}}',
        b'{"lacking": [[0, 1]], "begun": {"0": [[0, 100000000000]]}}',
        b'{"lacking": [[0, 1.0]], "begun": {}}',
        b'{"lacking": [[-1, 1]], "begun": {}}',
        b'{"lacking": [[0, 1], [0, 1]], "begun": {}}',
    ],
)
def test_what_makes_no_sense_is_refused(rig: Rig, tmp_path: Path, answer: bytes) -> None:
    rig.booted()
    says = b'import time; print({"state": "lacking"}.__repr__().replace(chr(39), chr(34)), flush=True); print('
    rig.fake = says + repr(answer.decode()).encode() + b", flush=True); time.sleep(60)"
    with pytest.raises(MachineError) as caught:
        push(rig.link(), make(tmp_path / "project", {"a": b"x"}))
    assert not isinstance(caught.value, LinkError)
