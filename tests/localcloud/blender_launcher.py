# SPDX-License-Identifier: GPL-3.0-or-later
"""`blender -b …` from the bpy wheel: real Blender as a module, given Blender's command line.

Called as `python -I blender_launcher.py VERSION PATH_OF_BLENDER ARGUMENT…` by the `blender` script that the mirror
serves. Arguments are honoured in order, as Blender does (`blender --help`, and source/creator/creator_args.cc):
what stands before the file does not hold for it, and `-a` renders with what was said so far.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

_IGNORED = {
    *("-b", "--background", "-noaudio", "--factory-startup", "--offline-mode", "--online-mode", "-q", "--quiet"),
    *("-setaudio", "--enable-event-simulate", "-d", "--debug", "--debug-cycles", "--debug-python", "--debug-memory"),
}
_IGNORED_WITH_VALUE = {"--log", "--log-level", "--log-file", "--gpu-backend", "--gpu-vsync", "--addons"}
_MOVIES = {"FFMPEG", "AVI_JPEG", "AVI_RAW"}


class Quit(Exception):
    """Blender ends with this exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Blender:
    """One run of the command line."""

    def __init__(self, binary: str) -> None:
        import bpy

        self._bpy = bpy
        bpy.app.binary_path = binary
        if gpu := os.environ.get("CLOUDRENDER_STANDIN_GPU"):
            _import_neighbour("nvidia_driver").install(gpu)
        self._scripts_allowed: bool | None = None
        self._python_exit_code = 0
        self._threads: int | None = None
        self._flags: dict[tuple[str, ...], Callable[[str], None]] = {
            ("-P", "--python"): self._run_file,
            ("--python-expr",): lambda text: self._run_code(text, "<string>"),
            ("--python-text",): lambda name: self._run_code(self._bpy.data.texts[name].as_string(), name),
            ("--python-exit-code",): self._set_python_exit_code,
            ("-o", "--render-output"): self._set_output,
            ("-E", "--engine"): self._set_engine,
            ("-F", "--render-format"): self._set_format,
            ("-x", "--use-extension"): self._set_extension,
            ("-s", "--frame-start"): self._set_start,
            ("-e", "--frame-end"): self._set_end,
            ("-j", "--frame-jump"): self._set_step,
            ("-S", "--scene"): self._set_scene,
            ("-t", "--threads"): self._set_threads,
            ("-f", "--render-frame"): self._render_frames,
        }

    def run(self, arguments: list[str]) -> None:
        """Do what the arguments say, in their order. Raises `Quit` when Blender would end early."""
        todo = iter(arguments)
        for argument in todo:
            if argument == "--":
                return
            if argument in ("-a", "--render-anim"):
                scene = self._scene
                self._render(scene.frame_start, scene.frame_end)
            elif argument in ("-y", "--enable-autoexec"):
                self._scripts_allowed = True
            elif argument in ("-Y", "--disable-autoexec"):
                self._scripts_allowed = False
            elif argument in _IGNORED_WITH_VALUE:
                _value(argument, todo)
            elif handler := self._handler(argument):
                handler(_value(argument, todo))
            elif argument.startswith("-") and argument not in _IGNORED:
                raise SystemExit(f"blender_launcher.py: {argument} is not known to the stand-in's Blender")
            elif argument not in _IGNORED:
                self._open(argument)

    @property
    def _scene(self):
        return self._bpy.context.scene

    def _handler(self, argument: str) -> Callable[[str], None] | None:
        return next((handler for names, handler in self._flags.items() if argument in names), None)

    def _open(self, path: str) -> None:
        absolute = str(Path(path).absolute())
        options = {} if self._scripts_allowed is None else {"use_scripts": self._scripts_allowed}
        try:
            self._bpy.ops.wm.open_mainfile(filepath=absolute, load_ui=False, **options)
        except RuntimeError as error:
            # The error is printed already. In background mode Blender reads no further argument, and fails.
            raise Quit(1) from error

    def _run_file(self, path: str) -> None:
        absolute = Path(path).absolute()
        try:
            text = absolute.read_text(encoding="utf-8")
        except OSError as error:
            print(f"Error: Cannot read file '{absolute}': {error.strerror}", flush=True)
            raise Quit(self._python_exit_code or 1) from error
        self._run_code(text, str(absolute))

    def _run_code(self, text: str, name: str) -> None:
        try:
            exec(compile(text, name, "exec"), {"__name__": "__main__", "__file__": name})  # noqa: S102
        except SystemExit as end:
            raise Quit(end.code if isinstance(end.code, int) else int(end.code is not None)) from end
        except BaseException as error:
            traceback.print_exception(error.with_traceback(error.__traceback__.tb_next))  # without this file
            if self._python_exit_code:
                print(f"Error: script failed, file: '{name}', exiting.", flush=True)
                raise Quit(self._python_exit_code) from error

    def _set_python_exit_code(self, text: str) -> None:
        self._python_exit_code = int(text)

    def _set_output(self, path: str) -> None:
        self._scene.render.filepath = path

    def _set_engine(self, name: str) -> None:
        self._scene.render.engine = name

    def _set_format(self, name: str) -> None:
        settings = self._scene.render.image_settings
        if hasattr(settings, "media_type"):  # from 5.0 on
            kinds = {"OPEN_EXR_MULTILAYER": "MULTI_LAYER_IMAGE", **dict.fromkeys(_MOVIES, "VIDEO")}
            settings.media_type = kinds.get(name, "IMAGE")
        settings.file_format = name

    def _set_extension(self, text: str) -> None:
        self._scene.render.use_file_extension = text not in ("0", "false")

    def _set_start(self, text: str) -> None:
        self._scene.frame_start = _frame(text, self._scene.frame_start)

    def _set_end(self, text: str) -> None:
        self._scene.frame_end = _frame(text, self._scene.frame_end)

    def _set_step(self, text: str) -> None:
        self._scene.frame_step = int(text)

    def _set_scene(self, name: str) -> None:
        self._bpy.context.window.scene = self._bpy.data.scenes[name]

    def _set_threads(self, text: str) -> None:
        self._threads = int(text)

    def _render_frames(self, text: str) -> None:
        for part in text.split(","):
            first, dots, last = part.partition("..")
            start = _frame(first, self._scene.frame_start if first.startswith("+") else self._scene.frame_end)
            for frame in range(start, (int(last) if dots else start) + 1):
                self._render(frame, frame)

    def _render(self, start: int, end: int) -> None:
        scene = self._scene
        if self._threads:
            scene.render.threads_mode, scene.render.threads = "FIXED", self._threads
        before = scene.frame_start, scene.frame_end
        scene.frame_start, scene.frame_end = start, end
        try:
            self._bpy.ops.render.render(animation=True, scene=scene.name)
        except RuntimeError as error:
            print(error, flush=True)
            raise Quit(1) from error
        finally:
            scene.frame_start, scene.frame_end = before


def _frame(text: str, relative_to: int) -> int:
    """Read a frame number; with a sign it counts from the scene's start or end."""
    return relative_to + int(text) if text[0] in "+-" else int(text)


def _value(argument: str, todo: Iterator[str]) -> str:
    for value in todo:
        return value
    print(f"Error: you must specify a value after '{argument}'.", flush=True)
    raise Quit(1)


def _import_neighbour(name: str):
    """Import from this folder, which Python's isolated mode keeps off sys.path."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Be Blender, from first line to exit code."""
    version, binary, *arguments = sys.argv[1:]
    if {"-v", "--version"} & set(arguments[: arguments.index("--")] if "--" in arguments else arguments):
        print(f"Blender {version}\n\tbuild type: bpy wheel behind the stand-in's launcher")
        return
    sys.argv[:] = [binary, *arguments]
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's handler would wait for the render to end
    print(f"Blender {version}", flush=True)
    code = 0
    try:
        Blender(binary).run(arguments)
    except Quit as quitting:
        code = quitting.code
    except SystemExit as refusal:
        print(refusal, file=sys.stderr)
        code = 2
    print("\nBlender quit", flush=True)
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)
    os._exit(code)  # 4.2 crashes on the way out if anything is left in its handlers


if __name__ == "__main__":
    main()
