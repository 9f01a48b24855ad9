"""Key pairs on disk."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from cloudrender_addon.backend.errors import RecordError
from cloudrender_addon.backend.ssh.keys import create_key, load_key


def test_key_is_private_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    real_open = os.open

    def spy(path, flags, mode=0o777, **kwargs):
        descriptor = real_open(path, flags, mode, **kwargs)
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        return descriptor

    monkeypatch.setattr(os, "open", spy)
    previous = os.umask(0)
    try:
        key = create_key(tmp_path / "ä key", comment="job 1")
    finally:
        os.umask(previous)
    assert modes == [0o600]
    assert stat.S_IMODE(key.path.stat().st_mode) == 0o600


def test_openssh_reads_what_we_wrote(tmp_path: Path) -> None:
    key = create_key(tmp_path / "key", comment="cloudrender job-1")
    derived = subprocess.run(["ssh-keygen", "-y", "-f", key.path], capture_output=True, text=True, check=True)
    assert derived.stdout.split()[:2] == key.public.split()
    assert len(key.public.split()) == 2
    assert (tmp_path / "key.pub").read_text() == f"{key.public} cloudrender job-1\n"
    assert key.private_text().startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")


def test_present_key_is_kept(tmp_path: Path) -> None:
    first = create_key(tmp_path / "deep" / "key", comment="one")
    text = first.private_text()
    assert create_key(first.path, comment="two") == first == load_key(first.path)
    assert first.private_text() == text


@pytest.mark.parametrize("damage", ["missing", "cut", "empty", "rsa", "binary"])
def test_damaged_key_is_a_record_error(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "key"
    if damage == "rsa":
        subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", path], check=True)
    elif damage != "missing":
        whole = create_key(path, comment="").path.read_bytes()
        path.write_bytes({"cut": whole[:150], "empty": b"", "binary": os.urandom(300)}[damage])
    with pytest.raises(RecordError) as caught:
        load_key(path)
    assert str(path) in caught.value.message
    assert caught.value.hint
    if damage != "missing":
        with pytest.raises(RecordError):
            create_key(path, comment="")


def test_unwritable_place_is_a_record_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="cannot be written"):
        create_key(tmp_path / "file" / "key", comment="")
