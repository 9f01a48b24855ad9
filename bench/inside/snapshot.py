# SPDX-License-Identifier: GPL-3.0-or-later
"""snapshot.py MEGABYTES RUNS REPORT, in Blender: make a scene of that size, save it plainly and as a job, in turns.

The report has the seconds of each: "plain", "job", "checks", and the "bytes" of the plain file.
"""

import importlib
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import bpy
import numpy as np

import addon_utils  # isort: skip # found once bpy is there

MODULE = "bl_ext.user_default.cloudrender"
VERTICES = 500_000
FLOATS = VERTICES * 3 * 4  # bytes of one vector per vertex


def fill(megabytes):
    """Add meshes with random vectors: nothing to be shared between them, nothing to be compressed."""
    rng = np.random.default_rng(1)
    for number in range(round(megabytes * 1e6 / FLOATS / 5)):
        mesh = bpy.data.meshes.new(f"Scan {number}")
        mesh.vertices.add(VERTICES)
        mesh.vertices.foreach_set("co", rng.random(VERTICES * 3, dtype=np.float32))
        for name in "abcd":
            values = mesh.attributes.new(name, "FLOAT_VECTOR", "POINT").data
            values.foreach_set("vector", rng.random(VERTICES * 3, dtype=np.float32))
        bpy.context.collection.objects.link(bpy.data.objects.new(mesh.name, mesh))


def timed(action):
    """Return the seconds, and what it returns; what was written before is on the disk, not in the way."""
    os.sync()
    began = time.perf_counter()
    result = action()
    return time.perf_counter() - began, result


def main(folder, megabytes, runs):
    """Return the report."""
    addon_utils.enable(MODULE, default_set=True)
    ui = {name: importlib.import_module(f"{MODULE}.ui.{name}") for name in ("snapshot", "preflight")}
    fill(megabytes)
    project = folder / "project"
    project.mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(project / "scan.blend"), compress=False)
    copy = folder / "copy.blend"

    def plain():
        bpy.ops.wm.save_as_mainfile(filepath=str(copy), copy=True, compress=False)

    def job():
        return ui["snapshot"].make_job(bpy.context, animation=True)[0]

    def checks():
        ui["preflight"].find_problems(bpy.context, animation=True)

    report = {"plain": [], "job": [], "checks": [], "bytes": (project / "scan.blend").stat().st_size}
    for _ in range(runs):
        report["plain"].append(timed(plain)[0])
        copy.unlink()
        report["checks"].append(timed(checks)[0])
        seconds, made = timed(job)
        report["job"].append(seconds)
        shutil.rmtree(made.path)
    return report


if __name__ == "__main__":
    *sizes, destination = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="cloudrender-bench-") as name:
        result = main(Path(name), *map(int, sizes))
    Path(destination).write_text(json.dumps(result), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # some versions of the module crash while the interpreter winds down
