# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told and asked of what is sent, before anything is rented."""

from __future__ import annotations

import io
import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudrender_addon.backend.assets import concerns
from cloudrender_addon.backend.errors import ConfigError, LocalBlenderError, MissingFilesError, ProjectError
from cloudrender_addon.backend.job.spec import JobSpec
from cloudrender_addon.backend.settings import Settings
from cloudrender_addon.cli import sending
from cloudrender_addon.cli.display import JsonDisplay, LineDisplay
from cloudrender_addon.cli.sending import Sending
from tests.unit.blenders import answering, fake_blender, result_of

MISSING = [{"owner": f"image {n}", "path": f"/gone/{n}.png", "library": ""} for n in range(7)]


class Stdin(io.StringIO):
    """A terminal at which somebody gives this answer."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobSpec:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    project = tmp_path / "project"
    project.mkdir()
    (project / "a.blend").write_bytes(b"blend")
    (project / "unused.png").write_bytes(b"123")
    return JobSpec(
        job_id="j", project=project, blend="a.blend", frames=(1,), output=tmp_path / "out", blender="4.2.1",
        autoexec=False, settings=Settings(home=tmp_path / "home"),
    )  # fmt: skip


@pytest.fixture
def settle(tmp_path: Path, spec: JobSpec) -> Callable[..., Any]:
    def settle(*, ask: bool = True, verbose: bool = False, json: bool = False, **result: Any) -> Any:
        blender = answering(tmp_path / "blender", result_of((spec.project / "a.blend", "a.blend"), **result))
        stream = io.StringIO()
        display = JsonDisplay(stream) if json else LineDisplay(stream)
        job = replace(spec, settings=replace(spec.settings, local_blender=blender.program))
        try:
            with Sending(job, own=None, display=display, verbose=verbose) as looking:
                return *looking.settle(ask=ask), stream.getvalue()
        except ProjectError as error:
            return error, None, stream.getvalue()

    return settle


def test_what_is_sent_is_told(settle: Callable[..., Any], spec: JobSpec) -> None:
    settled, traced, said = settle()
    assert settled.settings.send == "used" and [file.name for file in traced.bundle.files] == ["a.blend"]
    assert said == "Looking for the files that a.blend uses …\nWhat is sent: the file alone, 5 bytes\n"


def test_files_from_outside_are_told_and_not_asked_about(settle: Callable[..., Any], spec: JobSpec) -> None:
    outside = spec.project.parent / "w.png"
    outside.write_bytes(b"12345")
    files = result_of((spec.project / "a.blend", "a.blend"), (outside, "_outside/x-01234567/w.png"))["files"]
    _, traced, said = settle(files=files)
    assert traced.outside == (outside,)
    assert "What is sent: 2 files, 10 bytes, 1 of them from outside the project folder\n" in said
    assert f"Note: Sent from outside the project folder: {outside}.\n" in said


def test_missing_files_with_nobody_to_ask(settle: Callable[..., Any]) -> None:
    error, _, said = settle(missing=MISSING)
    assert isinstance(error, MissingFilesError) and "-y" in error.hint and len(error.details) == 7
    assert "Note: Missing, so pink or absent in the frames: image 0 (/gone/0.png), " in said
    assert "image 4 (/gone/4.png) and 2 more.\n" in said
    assert "image 6 (/gone/6.png)" in settle(missing=MISSING, verbose=True)[2]


@pytest.mark.parametrize(
    "result",
    [{"missing": MISSING}, {"warnings": ["Cloth Flag is not baked."]},
     {"left_out": [{"owner": "cache", "path": "/", "why": "it is a whole disk"}]}],
    ids=["missing", "warning", "left out"],
)  # fmt: skip
def test_what_is_suspicious_is_asked_about(
    settle: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], result: Any
) -> None:
    error, _, said = settle(**result)
    assert isinstance(error, ProjectError) and "-y" in error.hint and "Note: " in said
    for answer, agreed in (("y\n", True), ("\n", False), ("", False)):
        monkeypatch.setattr(sys, "stdin", Stdin(answer))
        settled, traced, _ = settle(**result)
        assert isinstance(settled, JobSpec) is agreed and (traced is not None) is agreed
        assert "Render it all the same? [y/N]" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    settled, traced, said_with_y = settle(ask=False, **result)
    assert traced is not None and said_with_y == said
    assert set(settled.accept_missing) == {each["path"] for each in result.get("missing", ())}


def test_programs_are_told_all_of_it(settle: Callable[..., Any]) -> None:
    _, _, said = settle(ask=False, json=True, missing=MISSING, warnings=["W."])
    [event] = [each for each in map(json.loads, said.splitlines()) if each["event"] == "files_traced"]
    assert (event["files"], event["size"], event["missing"], event["warnings"]) == (1, 5, MISSING, ["W."])


def sent(spec: JobSpec, *, ask: bool = True) -> tuple[JobSpec, object, str]:
    stream = io.StringIO()
    with Sending(spec, own=None, display=LineDisplay(stream), verbose=False) as looking:
        settled, traced = looking.settle(ask=ask)
    return settled, traced, stream.getvalue()


def test_without_a_blender_the_folder_is_sent(spec: JobSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudrender_addon.backend.local_blender._candidates", lambda series: [])
    settled, traced, said = sent(spec)
    assert (settled.settings.send, traced) == ("folder", None)
    assert said.count("There is no Blender 4.2 on this computer") == 1 and "--local-blender" in said


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Sit down at a terminal, without a Blender, and give this answer; return the questions that come."""

    def sit_down(answer: str) -> list[str]:
        monkeypatch.setattr("cloudrender_addon.backend.local_blender._candidates", lambda series: [])
        monkeypatch.setattr(sys, "stdin", Stdin(answer * 9))
        questions: list[str] = []

        def agreed(question: str) -> bool:
            questions.append(question)
            return answer == "y\n"

        monkeypatch.setattr(sending, "agreed", agreed)
        return questions

    return sit_down


def test_who_can_answer_is_asked_before_the_folder_is_sent(spec: JobSpec, asked: Callable[[str], list[str]]) -> None:
    questions = asked("y\n")
    settled, _, said = sent(spec)
    assert settled.settings.send == "folder" and "There is no Blender 4.2" in said
    assert questions == ["Send all of the folder project (2 files, 8 bytes)?"]
    questions = asked("\n")
    with pytest.raises(ProjectError, match="Nothing was sent") as caught:
        sent(spec)
    assert len(questions) == 1 and caught.value.hint.startswith("Name a Blender to ask with --local-blender; or run")


def test_nobody_is_asked_twice_about_the_folder(
    spec: JobSpec, asked: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloudrender_addon.backend.assets.concerns._LARGE_BYTES", 1)
    questions = asked("y\n")
    assert "Note: The project has 8 bytes." in sent(spec)[2] and len(questions) == 1
    monkeypatch.undo()
    questions = asked("y\n")
    monkeypatch.setenv("HOME", str(spec.project))
    sent(spec)
    assert questions == ["Send it all the same?"]


def test_what_is_no_question(spec: JobSpec, asked: Callable[[str], list[str]]) -> None:
    questions = asked("")
    sent(spec, ask=False)  # -y
    sent(replace(spec, settings=replace(spec.settings, send="folder")))  # wanted
    (spec.project / "unused.png").unlink()
    sent(spec)  # the file alone
    assert questions == []


def test_the_folder_is_sent_when_that_is_wanted(spec: JobSpec) -> None:
    settled, traced, said = sent(replace(spec, settings=replace(spec.settings, send="folder")))
    assert (settled.settings.send, traced, said) == ("folder", None, "")


def test_a_trace_that_fails_sends_the_folder_if_that_may_be_walked(
    tmp_path: Path, spec: JobSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = fake_blender(tmp_path / "b" / "blender", "4.2.3", script="echo Segmentation fault; kill -9 $$")
    job = replace(spec, settings=replace(spec.settings, local_blender=program))
    settled, traced, said = sent(job)
    assert (settled.settings.send, traced) == ("folder", None)
    assert "| Segmentation fault" in said and "the project folder is sent instead" in said
    monkeypatch.setattr(sending, "preliminary_concerns", lambda root: ("It is your home folder.",))
    with pytest.raises(LocalBlenderError, match="cannot be found out which files") as caught:
        sent(job, ask=False)
    assert "--send folder" in caught.value.hint


def test_a_snapshot_is_never_sent_with_the_folder(
    tmp_path: Path, spec: JobSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = fake_blender(tmp_path / "b" / "blender", "4.2.3", script="kill -9 $$")
    job = replace(spec, snapshot=tmp_path / "snapshot" / "a.blend")
    with pytest.raises(LocalBlenderError, match="cannot be found out which files"):
        sent(replace(job, settings=replace(job.settings, local_blender=program)))
    monkeypatch.setattr("cloudrender_addon.backend.local_blender._candidates", lambda series: [])
    with pytest.raises(LocalBlenderError, match=r"there is no Blender 4\.2"):
        sent(job)


def test_a_home_folder_is_no_question_when_it_is_not_walked(
    settle: Callable[..., Any], spec: JobSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(spec.project))
    assert concerns.preliminary_concerns(spec.project)
    assert settle()[1] is not None
    with pytest.raises(ProjectError, match="home folder"):
        sent(replace(spec, settings=replace(spec.settings, send="folder")))


def test_an_explicit_blender_that_does_not_fit(tmp_path: Path, spec: JobSpec) -> None:
    program = fake_blender(tmp_path / "b" / "blender", "5.0.1")
    with pytest.raises(ConfigError, match=r"5\.0"):
        sent(replace(spec, settings=replace(spec.settings, local_blender=program)))


def test_giving_up_ends_blender(tmp_path: Path, spec: JobSpec) -> None:
    marker = tmp_path / "pid"
    program = fake_blender(tmp_path / "b" / "blender", "4.2.3", script=f"echo $$ >{shlex.quote(str(marker))}; sleep 60")
    job = replace(spec, settings=replace(spec.settings, local_blender=program))
    with pytest.raises(ZeroDivisionError), Sending(job, own=None, display=LineDisplay(io.StringIO()), verbose=False):
        while not marker.exists() or not marker.read_text().strip():
            pass
        raise ZeroDivisionError
    assert not Path(f"/proc/{marker.read_text().strip()}").exists()
