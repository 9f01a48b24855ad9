"""Which files of a project are sent, what is asked about first, and what is said of those that are not."""

import os
import socket
from pathlib import Path

import pytest

from cloudrender_addon.backend.assets import concerns, project
from cloudrender_addon.backend.assets.bundle import Bundle
from cloudrender_addon.backend.assets.concerns import preliminary_concerns
from cloudrender_addon.backend.assets.project import scan_project
from cloudrender_addon.backend.errors import ProjectError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder beside the project, so that nothing depends on whose tests these are."""
    folder = tmp_path / "home" / "me"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("XDG_DOCUMENTS_DIR", str(folder / "Dokumente"))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "My Projekt ü"
    put(folder / "scene.blend", "scene")
    return folder


def put(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def scan(root: Path, *, output: str = "out", blend: str = "scene.blend") -> Bundle:
    return scan_project(root, outputs=[root / output], blend=root / blend)


def names(bundle: Bundle) -> list[str]:
    return [file.name for file in bundle.files]


def test_everything_is_sent_sorted_by_name(root: Path) -> None:
    for name in ("tex/木目.png", "tex/a b.png", "-leading", "line\nend", ".hidden", "cache/deep/er/x.bphys"):
        put(root / name)
    bundle = scan(root)
    assert names(bundle) == sorted(
        ["tex/木目.png", "tex/a b.png", "-leading", "line\nend", ".hidden", "cache/deep/er/x.bphys", "scene.blend"]
    )
    assert bundle.root == root
    assert bundle.total_bytes == len("scene") + 6
    assert all(file.source.read_text() for file in bundle.files)
    assert bundle.concerns == ()


def test_clutter_stays(root: Path) -> None:
    clutter = (
        ".git/config sub/.git sub/.hg/x .svn/x .bzr/x CVS/Root __pycache__/a.pyc scene.blend1 scene.blend32 "
        "sub/old.blend2 scene.blend@ .DS_Store sub/Thumbs.db out/0001.png out/deep/x"
    )
    for name in clutter.split():
        put(root / name)
    for name in ("sub/out/kept.png", "scene.blend1x", "kept.blend", "gitty"):
        put(root / name)
    bundle = scan(root)
    assert names(bundle) == ["gitty", "kept.blend", "scene.blend", "scene.blend1x", "sub/out/kept.png"]
    assert (bundle.concerns, bundle.notes) == ((), ())


def test_output_folder_outside_or_around_excludes_nothing(root: Path) -> None:
    put(root / "out/a")
    for output in ("../elsewhere", ".", ".."):
        assert names(scan(root, output=output)) == ["out/a", "scene.blend"]


def test_output_folder_by_another_name(root: Path) -> None:
    put(root / "frames/a")
    (root / "link").symlink_to("frames")
    assert names(scan(root, output="link")) == ["scene.blend"]


def test_ignore_file_speaks_gitignore(root: Path) -> None:
    for name in ("a.psd", "keep.psd", "raw/a.exr", "tex/raw/b.exr", "tex/top.txt", "top.txt"):
        put(root / name)
    put(root / ".cloudrenderignore", "\ufeff# sources\n*.psd\n!keep.psd\nraw/\n/top.txt\nscene.blend\n")
    assert names(scan(root)) == ["keep.psd", "scene.blend", "tex/top.txt"]


def test_blend_is_sent_from_wherever_it_is(root: Path) -> None:
    put(root / "out/scene.blend")
    put(root / "out/frame.png")
    put(root / "wip/scene.blend")
    put(root / "wip/other")
    put(root / ".cloudrenderignore", "wip/\n")
    assert names(scan(root, blend="out/scene.blend")) == ["out/scene.blend", "scene.blend"]
    assert names(scan(root, blend="wip/scene.blend")) == ["scene.blend", "wip/scene.blend"]


@pytest.mark.parametrize("content", [b"\xff\xfe*\x00", b"*.psd\n!\n", b"a\\", b"[z-a]"])
def test_ignore_file_that_makes_no_sense(root: Path, content: bytes) -> None:
    (root / ".cloudrenderignore").write_bytes(content)
    with pytest.raises(ProjectError, match="cloudrenderignore") as caught:
        scan(root)
    assert caught.value.hint


@pytest.mark.parametrize("blend", ["../outside.blend", "missing.blend", "folder", ".", "sub/../../outside.blend"])
def test_blend_that_cannot_be_sent(root: Path, blend: str) -> None:
    put(root.parent / "outside.blend")
    (root / "folder").mkdir()
    (root / "sub").mkdir()
    with pytest.raises(ProjectError):
        scan(root, blend=blend)


def test_missing_project(tmp_path: Path) -> None:
    with pytest.raises(ProjectError):
        scan(tmp_path / "none")


def test_project_behind_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    real = scan_project(tmp_path / "link", outputs=[root / "out"], blend=root / "scene.blend")
    assert names(real) == ["scene.blend"]
    assert real.concerns == ()


def test_secrets_are_kept_and_named(root: Path) -> None:
    for name in (".env", "keys/server.pem", "keys/ID_RSA.pub", ".aws/credentials", "deep/.ssh/config", "keys/.env.dev"):
        put(root / name)
    bundle = scan(root)
    assert names(bundle) == ["scene.blend"]
    assert bundle.concerns == ()  # nothing to ask: it stays in any case
    (text,) = bundle.notes
    assert "keys or passwords" in text
    assert ".env" in text
    assert ".aws" in text
    assert "and 1 more" in text


def test_what_was_not_to_be_sent_anyway_is_not_mentioned(root: Path) -> None:
    for name in (".env", "keys/server.pem", ".aws/credentials", os.fsdecode(b"caf\xe9.png")):
        put(root / name)
    put(root / ".cloudrenderignore", ".env\nkeys/\n.aws/\ncaf*\n")
    bundle = scan(root)
    assert (names(bundle), bundle.notes, bundle.concerns) == (["scene.blend"], (), ())
    put(root / ".cloudrenderignore", "!.env\n")
    assert names(scan(root)) == ["scene.blend"]  # no list lets a secret out


def test_links_are_sent_as_what_they_lead_to(root: Path, tmp_path: Path) -> None:
    put(root / "tex/a.png", "inside")
    put(tmp_path / "library/b.png", "outside")
    (root / "again").symlink_to("tex")
    (root / "again.png").symlink_to("tex/a.png")
    (root / "library").symlink_to(tmp_path / "library")
    (root / "b.png").symlink_to(tmp_path / "library/b.png")
    bundle = scan(root)
    assert {file.name: file.source.read_text() for file in bundle.files} == {
        "scene.blend": "scene",
        "tex/a.png": "inside",
        "again/a.png": "inside",
        "again.png": "inside",
        "library/b.png": "outside",
        "b.png": "outside",
    }
    (text,) = bundle.concerns
    assert "leads out of the project" in text
    assert "b.png, library" in text


def test_links_in_circles_end(root: Path) -> None:
    put(root / "a/x")
    put(root / "b/y")
    (root / "a/up").symlink_to("..")
    (root / "a/self").symlink_to(".")
    (root / "a/b").symlink_to("../b")
    (root / "b/a").symlink_to("../a")
    (root / "loop").symlink_to("loop")
    bundle = scan(root)
    assert names(bundle) == ["a/b/y", "a/x", "b/a/x", "b/y", "scene.blend"]
    assert any("back to a folder" in text and "a/up" in text for text in bundle.notes)
    assert any("leads nowhere" in text and "loop" in text for text in bundle.notes)


def test_endless_project_is_given_up(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "_MAX_ENTRIES", 1000)
    for n in range(12):  # each leads into all others: 12! ways
        (root / f"d{n}").mkdir()
        for m in range(12):
            if m != n:
                (root / f"d{n}/l{m}").symlink_to(f"../d{m}")
    with pytest.raises(ProjectError, match="more than 1,000"):
        scan(root)


def test_what_is_not_a_file_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        monkeypatch.chdir(root)
        unix.bind("sock")
    put(root / "locked")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "locked")  # root may read everything
    (root / "broken").symlink_to("nowhere")
    bundle = scan(root)
    assert names(bundle) == ["scene.blend"]
    assert any("not a regular file: pipe, sock" in text for text in bundle.notes)
    assert any("cannot be read: locked" in text for text in bundle.notes)
    assert any("leads nowhere: broken" in text for text in bundle.notes)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_unreadable_folder_is_named(root: Path) -> None:
    put(root / "closed/x")
    (root / "closed").chmod(0)
    bundle = scan(root)
    (root / "closed").chmod(0o700)
    assert names(bundle) == ["scene.blend"]
    assert any("cannot be read: closed/" in text for text in bundle.notes)


def test_names_that_are_no_text_are_named(root: Path) -> None:
    (root / os.fsdecode(b"caf\xe9.png")).write_text("x")
    (root / os.fsdecode(b"d\xff")).mkdir()
    bundle = scan(root)
    assert names(bundle) == ["scene.blend"]
    (text,) = bundle.notes
    assert "not valid text" in text
    text.encode()  # can be printed
    with pytest.raises(ProjectError) as caught:
        scan(root, blend=os.fsdecode(b"caf\xe9.png"))
    caught.value.message.encode()


def test_texts_hold_no_terminal_commands(root: Path) -> None:
    (root / "\x1b[2Jevil\n").symlink_to("nowhere")
    (text,) = scan(root).notes
    assert text.isprintable()
    assert "\\x1b" in text


def test_large_project_names_its_largest_parts(root: Path) -> None:
    for name, size in (("cache/a", 600), ("cache/b", 700), ("movie.mp4", 300), ("tex/a", 50), ("s", 20), ("t", 10)):
        os.truncate(put(root / name), size * 10**6)  # sparse: takes no room
    (text,) = scan(root).concerns
    assert text == (
        "The project has 1.7 GB. The largest parts are "
        "cache/ (1.3 GB), movie.mp4 (300.0 MB), tex/ (50.0 MB), s (20.0 MB), t (10.0 MB)."
    )


def test_many_files_are_asked_about(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concerns, "_MANY_FILES", 3)
    for n in range(3):
        put(root / f"{n}")
    (text,) = scan(root).concerns
    assert text == "The project has 4 files."


@pytest.mark.parametrize("place", [".", "..", "../..", "/", "Desktop", "Documents", "Downloads", "Dokumente"])
def test_suspicious_places_are_known_without_a_look_inside(
    home: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("looked inside")

    monkeypatch.setattr(os, "scandir", never)
    monkeypatch.setattr(os, "listdir", never)
    (text,) = preliminary_concerns(home / place)
    assert "not a project folder" in text
    assert preliminary_concerns(home / "Documents" / "film") == ()


def test_home_behind_a_link_is_home(home: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home)
    assert "your home folder" in preliminary_concerns(tmp_path / "link")[0]


def test_scan_repeats_what_was_asked_before(home: Path) -> None:
    put(home / "scene.blend")
    assert scan(home).concerns == preliminary_concerns(home)


def test_a_compiled_shader_that_is_out_of_date_is_left(root: Path) -> None:
    for name, age in (("a.osl", 2), ("a.oso", 1), ("b.osl", 1), ("b.oso", 2), ("lone.oso", 1)):
        put(root / name)
        os.utime(root / name, (1_000_000 + age, 1_000_000 + age))
    assert names(scan(root)) == ["a.osl", "b.osl", "b.oso", "lone.oso", "scene.blend"]
