# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job sends, settled before anything is rented: found out, told, asked about."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from ..backend.assets.concerns import in_words, listed, preliminary_concerns
from ..backend.assets.traced import Traced
from ..backend.atonce import Answer
from ..backend.cancel import CancelToken
from ..backend.errors import LocalBlenderError, ProjectError
from ..backend.job import events as ev
from ..backend.job.progress import Progress
from ..backend.job.spec import JobSpec
from ..backend.jobs import blender_for, find_uses, missing_files, scan_job, unaccepted
from .ask import agreed
from .display import Display

_TICK_SECONDS = 0.25
_ENDING_SECONDS = 10.0

_FOLDER = "list what to leave out in .cloudrenderignore, or send the whole folder with --send folder"


class Sending:
    """Finds out which files a job's .blend uses while other things are looked up; leaving the block gives it up."""

    def __init__(self, spec: JobSpec, *, own: Path | None, display: Display, verbose: bool) -> None:
        self._spec = spec
        self._own = own
        self._display = display
        self._verbose = verbose
        self._cancel = CancelToken()
        self._answer = Answer(self._look) if spec.settings.send == "used" else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._cancel.cancel()
        if self._answer is not None:
            self._answer.ready(seconds=_ENDING_SECONDS)  # no Blender stays behind

    def settle(self, *, ask: bool) -> tuple[JobSpec, Traced | None]:
        """Return the job as it is to be made, and what it uses; None: the project's folder is sent.

        Tells what is sent, and asks whether to go on with what is suspicious, if it may. Raises `ProjectError`,
        `ConfigError` for a Blender that is of no use, `LocalBlenderError` if the folder cannot be sent instead.
        """
        if self._answer is not None and (traced := self._found(self._answer)):
            return self._settle_used(traced, ask=ask), traced
        self._settle_folder(ask=ask, wanted=self._answer is None)
        return replace(self._spec, settings=replace(self._spec.settings, send="folder")), None

    def _look(self) -> Traced | None:
        """Return what is used; None if there is no Blender to ask."""
        blender = blender_for(self._spec, own=self._own)
        return None if blender is None else find_uses(self._spec, blender=blender, cancel=self._cancel)

    def _found(self, answer: Answer[Traced | None]) -> Traced | None:
        """Wait for what is used, hearing Ctrl-C; say so if that cannot be found out and the folder will do."""
        self._display.say(f"Looking for the files that {Path(self._spec.blend).name} uses …")
        try:
            while not answer.ready(seconds=_TICK_SECONDS):
                pass
            if (traced := answer.get()) is None and self._spec.snapshot is not None:
                raise LocalBlenderError(f"there is no Blender {self._spec.blender} on this computer to tell")
            if traced is None:
                series = ".".join(self._spec.blender.split(".")[:2])
                self._display.say(
                    f"Note: There is no Blender {series} on this computer to tell which files are used "
                    "(--local-blender names one): the project folder is sent as it is"
                )
            return traced
        except LocalBlenderError as error:
            if self._spec.snapshot is not None:
                # Its paths lead from where it lies, and not from the folder that would be sent.
                raise LocalBlenderError(
                    f"It cannot be found out which files {self._spec.blend} uses: {error.message}",
                    hint="Start a new render of the file",
                    details=error.details,
                ) from error
            if preliminary_concerns(self._spec.project):
                raise LocalBlenderError(
                    f"It cannot be found out which files {self._spec.blend} uses: {error.message}",
                    hint="Move the .blend and its files to a folder of their own, or send this one with --send folder",
                    details=error.details,
                ) from error
            for line in error.details:
                self._display.say(f"  | {line}")
            self._display.say(
                f"Note: It cannot be found out which files {self._spec.blend} uses ({error.message}): the project "
                "folder is sent instead"
            )
            return None

    def _settle_used(self, traced: Traced, *, ask: bool) -> JobSpec:
        spec, bundle = self._spec, traced.bundle
        told = ev.FilesTraced(
            at=time.time(),
            files=len(bundle.files),
            size=bundle.total_bytes,
            outside=traced.outside,
            missing=traced.missing,
            left_out=traced.left_out,
            warnings=traced.warnings,
        )
        self._display.show(told, Progress(total=len(spec.frames), started=time.time()))
        for note in bundle.notes:
            self._display.say(f"Note: {note}")
        at_most = {"at_most": sys.maxsize} if self._verbose else {}
        concerns = (
            *listed("Missing, so pink or absent in the frames", map(str, traced.missing), **at_most),
            *listed("Cannot be sent as it is used", map(str, traced.left_out), **at_most),
            *traced.warnings,
            *bundle.concerns,
        )
        missing = unaccepted(spec, traced)
        hint = f"Correct that and save the file, {_FOLDER}; or -y to render it as it is"
        refused: ProjectError = missing_files(spec, missing) if missing else ProjectError("Nothing was sent", hint=hint)
        self._confirm(concerns, ask=ask, refused=refused, question="Render it all the same?")
        return replace(spec, accept_missing=tuple(dict.fromkeys(file.path for file in traced.missing)))

    def _settle_folder(self, *, ask: bool, wanted: bool) -> None:
        """Ask once whether to send the project's folder: of what is suspicious, and of all if nobody `wanted` it."""
        root = self._spec.project
        another = "" if wanted else "Name a Blender to ask with --local-blender; or run"
        refused = ProjectError(
            "Nothing was sent",
            hint=f"{another or 'Run'} from the project's own folder, list what to leave out in .cloudrenderignore, or "
            "-y to send it all the same",
        )
        question = "Send it all the same?"
        # Asked before the walk: nobody wants to wait for all of a home folder to be listed first.
        first = preliminary_concerns(root)
        self._confirm(first if ask else (), ask=ask, refused=refused, question=question)
        bundle = scan_job(self._spec)
        for note in bundle.notes:
            self._display.say(f"Note: {note}")
        rest = tuple(concern for concern in bundle.concerns if concern not in first)
        files = len(bundle.files)
        if unasked := not wanted and not first and files > 1:
            question = f"Send all of the folder {root.name} ({files:,} files, {in_words(bundle.total_bytes)})?"
        self._confirm(rest if ask else (), ask=ask, refused=refused, question=question, at_any_rate=unasked)

    def _confirm(
        self,
        concerns: tuple[str, ...],
        *,
        ask: bool,
        refused: ProjectError,
        question: str,
        at_any_rate: bool = False,
    ) -> None:
        """Tell the concerns; if it may be asked, raise `refused` unless the answer is a yes, or nobody can answer.

        Without a concern there is nothing to ask; `at_any_rate` whoever can answer is asked all the same.
        """
        for concern in concerns:
            self._display.say(f"Note: {concern}")
        if not ask or not (concerns or (at_any_rate and sys.stdin.isatty())):
            return
        if sys.stdin.isatty():
            if not agreed(question):
                raise refused
        elif type(refused) is ProjectError:
            raise ProjectError(f"{concerns[0].rstrip('.')}: nobody is there to ask", hint=refused.hint)
        else:
            raise refused
