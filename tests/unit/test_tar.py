"""The tar stream of a project."""

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloudrender_addon.backend.assets.bundle import Bundle, BundleFile
from cloudrender_addon.backend.assets.project import scan_project
from cloudrender_addon.backend.assets.tar import tar_of, write_tar
from cloudrender_addon.backend.errors import Cancelled, ProjectError

HARD_NAMES = (
    "with space.png",
    "ümlaut.png",
    "日本語/テクスチャ.png",
    "line\nend",
    "-leading dash",
    "quo'te \"$(x)`.png",
    "back\\slash",
    "/".join(["long" * 12] * 6) + "/" + "ü" * 60,
    "n" * 101,
    "e\u0301 decomposed",
)


def make(root: Path, files: dict[str, bytes]) -> Bundle:
    made = []
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        made.append(BundleFile(source=path, name=name, size=len(content)))
    return Bundle(root=root, files=tuple(made))


def stream(bundle: Bundle, *, after: Callable[[int], None] = lambda _: None) -> bytes:
    """Return the whole stream; `after` is called with the bytes so far after each piece."""
    out = bytearray()

    def write(piece: memoryview) -> None:
        out.extend(piece)
        after(len(out))

    write_tar(bundle, write, on_sent=lambda _: None, check=lambda: None)
    return bytes(out)


def test_gnu_tar_unpacks_hard_names_whatever_the_locale(tmp_path: Path) -> None:
    files = {name: f"content of {name}".encode() for name in HARD_NAMES}
    data = stream(make(tmp_path / "from", files))
    for locale in ("C", "C.UTF-8"):
        to = tmp_path / locale
        to.mkdir()
        command = ["tar", "-xof", "-", "-C", to]
        done = subprocess.run(
            command, input=data, env={"PATH": os.defpath, "LC_ALL": locale}, capture_output=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert {str(p.relative_to(to)): p.read_bytes() for p in to.rglob("*") if p.is_file()} == files


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.one_of(st.integers(0, 1100), st.integers(261_000, 262_700)), min_size=1, max_size=6))
def test_every_size_fits_its_frame(tmp_path: Path, sizes: list[int]) -> None:
    files = {f"{n}": os.urandom(size) for n, size in enumerate(sizes)}
    with tarfile.open(fileobj=io.BytesIO(stream(make(tmp_path, files))), mode="r:") as archive:
        members = archive.getmembers()
        assert {m.name: archive.extractfile(m).read() for m in members} == files
        assert [m.name for m in members] == list(files)


def test_metadata_is_the_same_everywhere(tmp_path: Path) -> None:
    bundle = make(tmp_path, {"plain": b"x", "tool.sh": b"x"})
    (tmp_path / "plain").chmod(0o600)
    (tmp_path / "tool.sh").chmod(0o4777)
    os.utime(tmp_path / "plain", (0, 1_600_000_000.75))
    os.utime(tmp_path / "tool.sh", (0, -5))
    with tarfile.open(fileobj=io.BytesIO(stream(bundle))) as archive:
        plain, tool = archive.getmembers()
    assert (plain.mode, plain.mtime, plain.uid, plain.gid, plain.uname) == (0o644, 1_600_000_000, 0, 0, "")
    assert (tool.mode, tool.mtime) == (0o755, -5)


def test_link_is_sent_as_its_content(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"content")
    (tmp_path / "scene.blend").symlink_to("target")
    bundle = scan_project(tmp_path, outputs=[tmp_path / "out"], blend=tmp_path / "scene.blend")
    with tarfile.open(fileobj=io.BytesIO(stream(bundle))) as archive:
        member = archive.getmember("scene.blend")
        assert member.isreg()
        assert archive.extractfile(member).read() == b"content"


def test_progress_counts_content_and_reaches_the_total(tmp_path: Path) -> None:
    bundle = make(tmp_path, {"a": bytes(700_000), "b": b"", "c": bytes(10)})
    sent: list[int] = []
    write_tar(bundle, lambda _: None, on_sent=sent.append, check=lambda: None)
    assert sent == sorted(sent)
    assert len(sent) > 2
    assert sent[-1] == bundle.total_bytes == 700_010


def test_check_ends_it(tmp_path: Path) -> None:
    bundle = make(tmp_path, {"a": bytes(2_000_000)})
    checks = iter(range(3))

    def check() -> None:
        if next(checks) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        write_tar(bundle, lambda _: None, on_sent=lambda _: None, check=check)


def test_what_write_raises_is_not_mistaken_for_the_projects_fault(tmp_path: Path) -> None:
    def full(_: memoryview) -> None:
        raise OSError("not a matter of the project")

    with pytest.raises(OSError, match="not a matter"):
        write_tar(make(tmp_path, {"a": bytes(600_000)}), full, on_sent=lambda _: None, check=lambda: None)


@pytest.mark.parametrize("when", ["before", "during"])
@pytest.mark.parametrize("change", ["shrinks", "grows", "is rewritten", "vanishes"])
def test_file_that_changes_ends_the_stream(tmp_path: Path, change: str, when: str) -> None:
    bundle = make(tmp_path, {"a": bytes(1_000_000), "b": b"later"})
    victim = tmp_path / ("b" if change == "vanishes" else "a")  # what is open may vanish, and is still read whole

    def happen() -> None:
        if change == "shrinks":
            os.truncate(victim, 500_000)
        elif change == "grows":
            os.truncate(victim, 1_000_001)
        elif change == "is rewritten":
            victim.write_bytes(bytes(1_000_000))
            os.utime(victim, (1, 1))
        else:
            victim.unlink()

    if when == "before":
        happen()
        if change == "is rewritten":  # same size: simply the newer content
            assert stream(bundle)
            return
    done: list[int] = []

    def after(sent: int) -> None:
        done.append(sent)
        if when == "during" and len(done) == 1:
            happen()

    with pytest.raises(ProjectError) as caught:
        stream(bundle, after=after)
    assert caught.value.message.startswith(victim.name)
    assert caught.value.hint


def test_memory_is_constant(tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(512 << 20)  # sparse
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from cloudrender_addon.backend.assets.tar import write_tar\n"
        "from cloudrender_addon.backend.assets.bundle import Bundle, BundleFile\n"
        "file = BundleFile(source=Path(sys.argv[1]), name='huge', size=512 << 20)\n"
        "def run(size): write_tar(Bundle(root=Path('.'), files=(file,)), lambda _: None,"
        " on_sent=lambda _: None, check=lambda: None)\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "run(0)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, huge], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 2_000  # kilobytes


def test_file_over_8_gb_has_a_header(tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(9 << 30)
    first = bytearray()

    class Enough(Exception):
        pass

    def write(piece: memoryview) -> None:
        first.extend(piece)
        raise Enough

    bundle = Bundle(root=tmp_path, files=(BundleFile(source=huge, name="huge", size=9 << 30),))
    with pytest.raises(Enough):
        write_tar(bundle, write, on_sent=lambda _: None, check=lambda: None)
    assert tarfile.TarInfo.frombuf(bytes(first[:512]), "utf-8", "strict").size == 9 << 30


def test_small_archive() -> None:
    with tarfile.open(fileobj=io.BytesIO(tar_of({"agent.py": b"print()", "empty": b""}))) as archive:
        assert {m.name: archive.extractfile(m).read() for m in archive} == {"agent.py": b"print()", "empty": b""}
