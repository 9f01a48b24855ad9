#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the sample project: a small cloud rains gold on still water at dawn, 12 frames that loop.

    PYTHON samples/make_sample.py OUT_FOLDER [--frames N] [--percent P] [--samples N]

PYTHON is one with the `bpy` module (4.2 to 5.0); a whole Blender does as well:
`blender -b --factory-startup -P samples/make_sample.py -- OUT_FOLDER`.
It writes `OUT_FOLDER/sample.blend` and, in `OUT_FOLDER/textures/`, the images the file names by relative path: a
project that arrives incomplete renders pink. Nothing is downloaded, and chance is seeded.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from math import cos, pi, sin, tau
from pathlib import Path

import bpy
import numpy as np
from mathutils import Color, Vector

Triple = tuple[float, float, float]

CLOUD_LOBES = (  # x, y, z, radius: a flat-bottomed cumulus, higher on its left
    *((0.00, 0.00, 0.00, 0.62), (-0.62, 0.00, -0.08, 0.52), (0.66, 0.00, -0.10, 0.50), (-0.26, 0.08, 0.42, 0.60)),
    *((0.40, 0.10, 0.28, 0.50), (-1.14, 0.00, -0.24, 0.36), (1.16, 0.00, -0.26, 0.34), (-0.34, -0.36, -0.14, 0.44)),
    *((0.36, -0.38, -0.16, 0.42), (0.84, -0.14, 0.12, 0.32), (-0.80, -0.12, 0.22, 0.34), (0.05, -0.30, 0.20, 0.36)),
)
CLOUD_HEIGHT = 2.0
DROP_COLUMNS = ((-1.0, -0.1), (-0.55, -0.4), (0.1, -0.2), (0.6, -0.4), (1.05, -0.1), (-0.2, 0.35), (0.65, 0.3))
PODIUMS = ((-3.0, 0.6, 0.85, 0.42), (-2.3, -0.7, 0.6, 0.16), (3.1, 1.2, 0.7, 0.85), (2.7, -0.1, 0.9, 0.22))
LIGHTS = (  # name, watts, colour, metres across, place: the sun from behind is warm, the sky cool
    ("Sunlight", 1400, "ff8a40", 2.5, (4.2, 2.4, 3.0)),
    ("Sky", 360, "a3b4ff", 3, (-5, -3.5, 4.5)),
    ("Overhead", 260, "ffe9e0", 4, (0.8, -3.5, 6)),
)


def srgb(code: str) -> Color:
    """Return the values, 0 to 1, of a hex code such as "ffb98a": as painted, not the linear ones of a light."""
    return Color([int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)])


def save_texture(folder: Path, name: str, pixels: np.ndarray) -> bpy.types.Image:
    """Save rows of sRGB pixels (bottom row first, 0 to 1) as `textures/NAME`; return it as an image of the scene."""
    height, width, _ = pixels.shape
    image = bpy.data.images.new(name, width, height)
    image.pixels.foreach_set(np.dstack([pixels.clip(0, 1), np.ones((height, width))]).astype(np.float32).ravel())
    image.filepath_raw, image.file_format = str(folder / "textures" / name), "PNG"
    image.save()
    image.source, image.filepath_raw = "FILE", f"//textures/{name}"
    return image


def paint_dawn(rng: np.random.Generator) -> np.ndarray:
    """Paint the whole sky (equirectangular): coral at the horizon, violet above it, brightest straight ahead."""
    width, height = 1024, 512
    up = np.linspace(-1, 1, height)[:, None]
    ahead = np.abs((np.arange(width) / width + 0.25) % 1 - 0.5)[None, :] * 2  # 0 towards +Y, 1 towards -Y
    stops = (-1.0, -0.05, 0.0, 0.03, 0.07, 0.12, 0.2, 0.5, 1.0)  # of the way to the zenith; the camera sees 0.12
    codes = ("2a2a55", "e08a8c", "ff927f", "ff7f84", "f0739c", "b76cb0", "7a66bc", "565cae", "4a5296")
    sky = np.stack([np.interp(up, stops, channel) for channel in np.array([srgb(code) for code in codes]).T], axis=-1)
    glow = np.exp(-((ahead / 0.28) ** 2) - ((up - 0.05) / 0.16) ** 2)[..., None]
    dusk = (1 - np.exp(-((ahead / 0.55) ** 2)))[..., None]  # behind the camera it is cooler and darker
    sky = (sky + glow * (0.12, 0.03, 0.01)) * (1 - dusk * (0.30, 0.22, 0.05))
    return sky + rng.uniform(-0.5, 0.5, sky.shape) / 255  # dither: eight bits would band


def paint_terrazzo(rng: np.random.Generator) -> np.ndarray:
    """Paint a tile of terrazzo: chips of coloured stone in a pale ground."""
    size = 512
    colours = [srgb(code) for code in ("e7b9a6", "b86f6a", "5d6690", "c9a15a", "d9d4dd")]
    tile = np.tile(srgb("f4ece4"), (size, size, 1))
    y, x = np.mgrid[0:size, 0:size] / size
    for _ in range(260):
        radius, angle, corners = 0.006 + 0.034 * rng.uniform() ** 2, rng.uniform(0, tau), rng.integers(3, 6)
        dx, dy = ((axis - rng.uniform() + 0.5) % 1 - 0.5 for axis in (x, y))  # wraps round, so the tile repeats
        around = np.arctan2(dy, dx) - angle
        outline = 0.85 + 0.12 * np.cos(corners * around) + 0.25 * np.cos(2 * around)
        tile[np.hypot(dx, dy) < radius * outline] = colours[rng.integers(len(colours))]
    return tile


def sockets(block: bpy.types.Material | bpy.types.World, shader: str) -> bpy.types.NodeInputs:
    """Return the inputs of a material's or world's shader node."""
    if bpy.app.version < (5, 0):  # from then on there are always nodes, and to ask for them is deprecated
        block.use_nodes = True
    return block.node_tree.nodes[shader].inputs


def plug(into: bpy.types.NodeSocket, kind: str, output: str) -> bpy.types.Node:
    """Add a shader node whose output feeds the socket; return it."""
    tree = into.id_data
    node = tree.nodes.new(f"ShaderNode{kind}")
    tree.links.new(node.outputs[output], into)
    return node


def principled(name: str, code: str, **inputs: float) -> bpy.types.Material:
    """Return a Principled material; keywords name its sockets, with _ for a space."""
    material = bpy.data.materials.new(name)
    sockets(material, "Principled BSDF")["Base Color"].default_value = (*srgb(code).from_srgb_to_scene_linear(), 1)
    for key, value in inputs.items():
        sockets(material, "Principled BSDF")[key.replace("_", " ")].default_value = value
    return material


def place(data: bpy.types.ID, location: Triple = (0, 0, 0), *, aim: Triple | None = None) -> bpy.types.Object:
    """Put a mesh, light or camera into the scene, its -Z turned to `aim` if there is one."""
    thing = bpy.data.objects.new(data.name, data)
    thing.location = location
    if aim:
        thing.rotation_euler = (Vector(aim) - thing.location).to_track_quat("-Z", "Y").to_euler()
    bpy.context.scene.collection.objects.link(thing)
    return thing


def animate(thing: bpy.types.Object, path: str, frames: int, value: Callable[[float], Triple | Vector]) -> None:
    """Key PATH on every frame with value(t), t going from 0 to just before 1, where the loop begins again."""
    for frame in range(1, frames + 1):
        setattr(thing, path, value((frame - 1) / frames))
        thing.keyframe_insert(path, frame=frame)


def lathe(material: bpy.types.Material, profile: Iterable[tuple[float, float]]) -> bpy.types.Mesh:
    """Return a smooth mesh turned around Z from (radius, height) points, going up its outside."""
    steps, rings = 80, list(profile)
    turns = [(cos(a), sin(a)) for a in np.linspace(0, tau, steps, endpoint=False)]
    band = [(i, (i + 1) % steps, steps + (i + 1) % steps, steps + i) for i in range(steps)]
    faces = [[row * steps + corner for corner in face] for row in range(len(rings) - 1) for face in band]
    mesh = bpy.data.meshes.new(material.name)
    mesh.from_pydata([(r * c, r * s, z) for r, z in rings for c, s in turns], [], faces)
    mesh.shade_smooth()
    mesh.materials.append(material)
    return mesh


def ball(material: bpy.types.Material, size: float, *, point: float = 0) -> bpy.types.Mesh:
    """Return a ball of radius `size` or, the higher `point`, an ever more pointed drop."""
    turn, long = np.linspace(1e-3, pi - 1e-3, 40), size * (1 + point / 2)
    return lathe(material, [(size * sin(a) * cos(a / 2) ** point, -long * cos(a)) for a in turn])


def cloud(material: bpy.types.Material) -> bpy.types.Mesh:
    """Melt the lobes into one skin: metaballs, made a mesh here so that no frame pays for it."""
    family = bpy.data.metaballs.new("Lobes")
    family.resolution, family.threshold = 0.05, 0.1
    family.materials.append(material)
    for x, y, z, radius in CLOUD_LOBES:
        lobe = family.elements.new()
        lobe.co, lobe.stiffness, lobe.radius = (x, y, z), 10, radius / 0.886  # where its skin lies in its field
    lobes = place(family)
    mesh = bpy.data.meshes.new_from_object(lobes.evaluated_get(bpy.context.evaluated_depsgraph_get()))
    mesh.name = material.name
    bpy.data.objects.remove(lobes)
    bpy.data.metaballs.remove(family)
    return mesh


def build_rain(frames: int, gold: bpy.types.Material, water: bpy.types.Material) -> None:
    """Let a drop fall in each column, once a loop and each at its own time, and rings run out from where it lands."""
    drop = ball(gold, 0.11, point=0.8)
    ring = lathe(water, ((1 + 0.3 * u, 0.5 + 0.5 * cos(pi * u)) for u in np.linspace(1, -1, 25)))

    def spread(age: float) -> Vector:
        return Vector((1, 1, 0.05 * (1 - age))) * (0.08 + 0.62 * age)  # flatter as it widens

    for i, (x, y) in enumerate(DROP_COLUMNS):
        start = (i * 3 % 7) / 7
        bead = place(drop)
        animate(bead, "location", frames, lambda t, x=x, y=y, s=start: (x, y, 1.7 * (1 - ((t - s) % 1) ** 1.5)))
        animate(bead, "scale", frames, lambda t, s=start: (min(1.0, 0.05 + 4 * ((t - s) % 1)),) * 3)
        for born in (start, start + 0.5):  # it lands when the next one starts; two rings are always on their way
            animate(place(ring, (x, y, -0.001)), "scale", frames, lambda t, b=born: spread((t - b) % 1))


def build_scene(frames: int, sky: bpy.types.Image, terrazzo: bpy.types.Image) -> None:
    world = bpy.context.scene.world = bpy.data.worlds.new("Dawn")
    plug(sockets(world, "Background")["Color"], "TexEnvironment", "Color").image = sky

    # A perfect mirror of metal has one way to reflect: the denoiser need not guess, and few samples are enough.
    water = principled("Water", "9a9dce", Metallic=1, Roughness=0)
    gold = principled("Gold", "ffbe4d", Metallic=0.7, Roughness=0.2)
    place(lathe(water, [(400, 0), (1e-3, 0)]))
    build_rain(frames, gold, water)

    glow = principled("Sun", "000000", Specular_IOR_Level=0, Emission_Strength=1.7)
    ramp = plug(sockets(glow, "Principled BSDF")["Emission Color"], "ValToRGB", "Color")
    for stop, code in zip(ramp.color_ramp.elements, ("ff3d45", "ffab22"), strict=True):  # its foot, its top
        stop.color = (*srgb(code).from_srgb_to_scene_linear(), 1)
    plug(plug(ramp.inputs["Fac"], "SeparateXYZ", "Z").inputs["Vector"], "TexCoord", "Generated")
    place(ball(glow, 2.0), (1.8, 12, 2.65))

    puff = place(cloud(principled("Cloud", "fbf4f2", Roughness=0.55, Coat_Weight=0.25, Coat_Roughness=0.3)))
    animate(puff, "location", frames, lambda t: (0, 0, CLOUD_HEIGHT + 0.07 * sin(tau * t)))
    animate(puff, "rotation_euler", frames, lambda t: (0, 0, 0.1 * cos(tau * t)))

    stone = principled("Terrazzo", "ffffff", Roughness=0.22)
    texture = plug(sockets(stone, "Principled BSDF")["Base Color"], "TexImage", "Color")
    texture.image, texture.projection, texture.projection_blend = terrazzo, "BOX", 0.1
    plug(texture.inputs["Vector"], "TexCoord", "Object")
    bend = [(0.06 * (sin(a) - 1), 0.06 * (cos(a) - 1)) for a in np.linspace(pi / 2, 0, 8)]  # softens the rim
    for x, y, radius, height in PODIUMS:
        rim = [(radius + dr, height + dz) for dr, dz in bend]
        place(lathe(stone, [(radius, -0.3), *rim, (1e-3, height)]), (x, y, 0))
    place(ball(gold, 0.34), (-3.0, 0.6, 0.76))
    place(ball(principled("Coral", "d8584e", Roughness=0.15), 0.26), (2.45, -0.35, 0.48))
    place(ball(principled("Blue", "5f78c8", Roughness=0.15), 0.2), (3.2, 1.1, 1.05))

    for name, watts, code, size, spot in LIGHTS:
        light = bpy.data.lights.new(name, "AREA")
        light.shape, light.size, light.energy, light.color = "DISK", size, watts, srgb(code).from_srgb_to_scene_linear()
        place(light, spot, aim=(0, 0, 1.7))

    lens = bpy.data.cameras.new("Camera")
    lens.lens, lens.dof.use_dof, lens.dof.focus_distance, lens.dof.aperture_fstop = 52, True, 9.6, 1.0
    camera = bpy.context.scene.camera = place(lens, (0, -10, 1.35), aim=(0.05, 0, 1.55))
    animate(camera, "location", frames, lambda t: (0.12 * sin(tau * t), -10, 1.35))


def set_up_render(*, frames: int, percent: int, samples: int) -> None:
    scene = bpy.context.scene
    render, cycles = scene.render, scene.cycles
    scene.frame_start, scene.frame_end, render.fps = 1, frames, 12
    render.resolution_x, render.resolution_y, render.resolution_percentage = 640, 360, percent
    render.engine, render.filepath, render.use_persistent_data = "CYCLES", "//out/", True
    render.image_settings.file_format = "PNG"
    scene.view_settings.view_transform, scene.view_settings.look = "AgX", "AgX - Medium High Contrast"
    cycles.samples, cycles.use_adaptive_sampling, cycles.use_light_tree = samples, True, False
    cycles.use_denoising, cycles.denoiser, cycles.denoising_prefilter = True, "OPENIMAGEDENOISE", "FAST"
    cycles.max_bounces, cycles.diffuse_bounces, cycles.sample_clamp_indirect = 4, 2, 3
    cycles.caustics_reflective = cycles.caustics_refractive = False


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the Cloudrender sample project.")
    parser.add_argument("folder", type=Path, help="where sample.blend and textures/ are written")
    parser.add_argument("--frames", type=int, default=12, help="length of the loop (%(default)s)")
    parser.add_argument("--percent", type=int, default=100, help="of 640 × 360 pixels (%(default)s)")
    parser.add_argument("--samples", type=int, default=6, help="per pixel (%(default)s)")
    options = parser.parse_args(sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else None)
    folder = options.folder.resolve()
    (folder / "textures").mkdir(parents=True, exist_ok=True)

    bpy.ops.wm.read_factory_settings(use_empty=True)
    rng = np.random.default_rng(7)
    sky = save_texture(folder, "dawn.png", paint_dawn(rng))
    build_scene(options.frames, sky, save_texture(folder, "terrazzo.png", paint_terrazzo(rng)))
    set_up_render(frames=options.frames, percent=options.percent, samples=options.samples)
    bpy.context.preferences.filepaths.save_version = 0  # run again: no sample.blend1 beside it
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "sample.blend"), compress=False, relative_remap=False)
    print(folder / "sample.blend")


if __name__ == "__main__":
    main()
