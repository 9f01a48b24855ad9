# SPDX-License-Identifier: GPL-3.0-or-later
"""A render in the cloud of a scene that needs an add-on is the same as at home, the whole path."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.blender_ui.sample_addons import make_all
from tests.extension.scripting import Scripting
from tests.localcloud.cloud import Cloud

pytestmark = pytest.mark.blender


@pytest.mark.parametrize("version", ["4.2.23", "5.0.1"])
def test_an_addon_goes_along(cloud: Cloud, scripting: Callable[..., Scripting], version: str) -> None:
    blender = scripting(version, own=True)
    make_all(blender.blender.home)
    done = blender.run(
        """
        import addon_utils
        scene = bpy.context.scene
        scene.frame_set(2)

        def here(name):
            scene.render.filepath = bpy.path.abspath(f"//here/{name}.png")
            bpy.ops.render.render(write_still=True)

        here("without")
        for name in ("lifter", "idle", "fast"):
            assert addon_utils.enable(f"bl_ext.user_default.{name}", default_set=True)
        scene.lift.height = 1.5
        material = bpy.data.materials.new("Black")
        material.use_fake_user = False
        if material.node_tree is None:
            material.use_nodes = True
        material.node_tree.nodes.new("fast_glow")
        bpy.data.objects["Cube"].data.materials.append(material)
        here("with")
        scene.render.filepath = "//"
        answer = bpy.ops.cloudrender.render()
        """
    )
    assert done == ["FINISHED"], blender.said()
    here, [there] = blender.pictures("here"), blender.pictures("out/image").values()
    assert there.tobytes() == here["with.png"].tobytes() != here["without.png"].tobytes()
    assert "The add-on Fast is not sent: it has parts compiled for this computer" in blender.said()
