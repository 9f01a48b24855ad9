# SPDX-License-Identifier: GPL-3.0-or-later
"""Run inside Blender: what a file says, what the preferences say, and what a job gets of it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy

sys.path.append(str(Path(__file__).parent))
from cases import run
from enabled import enable, part

enable()
properties, preferences_room = part("ui.properties"), part("ui.preferences")
errors, package = part("backend.errors"), part("ui.package").PACKAGE


def scene() -> Any:
    return bpy.context.scene.cloudrender


def preferences() -> Any:
    """Return the preferences, as new."""
    own = preferences_room.preferences()
    for name in own.bl_rna.properties.keys():  # noqa: SIM118 - RNA, not a dict
        own.property_unset(name)
    return own


def refused(text: str, **fields: str) -> None:
    """See that the frames are refused for that reason."""
    for name, value in fields.items():
        setattr(scene(), name, value)
    try:
        properties.frame_numbers(bpy.context.scene, animation=True)
    except errors.UsageError as error:
        assert text in error.message and error.hint, error.message
    else:
        raise AssertionError(f"not refused: {fields}")


def case_a_file_that_says_nothing_shows_the_defaults(_folder: Path) -> None:
    own = preferences()
    assert (scene().machine_type, scene().purchase, scene().output) == ("g4dn.xlarge", "SPOT", "//out/")
    own.default_machine_type, own.default_purchase, own.default_output = "g6.xlarge", "ON_DEMAND", "//frames/"
    own.default_max_cost, own.default_max_hours = 3.5, 2.0
    assert (scene().machine_type, scene().purchase, scene().output) == ("g6.xlarge", "ON_DEMAND", "//frames/")
    assert (properties.max_cost(bpy.context), properties.max_hours(bpy.context)) == (3.5, 2.0)


def case_what_a_file_says_prevails_and_is_saved(folder: Path) -> None:
    own = preferences()
    scene().machine_type, scene().purchase, scene().max_cost, scene().max_hours = "g5.xlarge", "ON_DEMAND", 0.1, 0.5
    own.default_machine_type, own.default_max_cost = "g6.xlarge", 9
    bpy.ops.wm.save_as_mainfile(filepath=str(folder / "a.blend"))
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    assert scene().machine_type == "g6.xlarge"
    bpy.ops.wm.open_mainfile(filepath=str(folder / "a.blend"))
    assert (properties.machine_types(bpy.context)[0], properties.purchase(bpy.context)) == ("g5.xlarge", "on-demand")
    assert (properties.max_cost(bpy.context), properties.max_hours(bpy.context)) == (0.1, 0.5)


def case_an_emptied_field_is_the_default_again(_folder: Path) -> None:
    preferences()
    scene().machine_type = "g5.xlarge"
    scene().machine_type = ""
    assert scene().machine_type == "g4dn.xlarge"


def case_no_limit_is_a_choice_too(_folder: Path) -> None:
    preferences().default_max_cost = 5
    scene().max_cost = 0
    assert properties.max_cost(bpy.context) is None


def case_of_a_suggestion_only_the_value_stays(_folder: Path) -> None:
    own = preferences()
    for owner, name in ((scene(), "machine_type"), (own, "default_machine_type")):
        setattr(owner, name, "g6.xlarge    NVIDIA L4, 24 GB; 16 GB memory; $0.214/h")
        assert getattr(owner, name) == "g6.xlarge"
    own.region, own.profile = "eu-central-1    Frankfurt", "my studio    Access keys, eu-west-1"
    assert (own.region, own.profile) == ("eu-central-1", "my studio")


def case_several_machine_types_and_regions(_folder: Path) -> None:
    own = preferences()
    scene().machine_type, scene().more_types = "g6.xlarge", "G5.xlarge , g6e.xlarge,g6.xlarge,"
    assert properties.machine_types(bpy.context) == ("g6.xlarge", "g5.xlarge", "g6e.xlarge")
    own.region, own.wait_minutes, own.max_launches = "eu-central-1, us-east-1", 0.5, 7
    own.keep_minutes = 15
    settings = preferences_room.settings_for(bpy.context)
    assert settings.instance_types == ("g6.xlarge", "g5.xlarge", "g6e.xlarge")
    assert settings.regions == ("eu-central-1", "us-east-1")
    assert (settings.wait_minutes, settings.max_launches, settings.keep_minutes) == (0.5, 7, 15)
    scene().machine_type, scene().more_types = "g6.xlarge, g5.xlarge", ""
    assert properties.machine_types(bpy.context) == ("g6.xlarge", "g5.xlarge")


def case_a_suggestion_adds_one_more(_folder: Path) -> None:
    fields = part("ui.fields")
    first = next(fields._more_types(scene(), bpy.context, ""))
    assert first.startswith("g4dn.xlarge    ")
    added = list(fields._more_types(scene(), bpy.context, "g5.xlarge, g6"))
    assert all(entry.startswith("g5.xlarge, ") for entry in added)
    assert not any(entry.startswith("g5.xlarge, g5.xlarge ") for entry in added)
    scene().more_types = next(entry for entry in added if entry.startswith("g5.xlarge, g6.xlarge "))
    assert scene().more_types == "g5.xlarge, g6.xlarge"
    entries = list(preferences_room._regions(None, bpy.context, "eu-central-1, us"))
    assert "eu-central-1, us-east-1    North Virginia" in entries, entries[:3]


def case_a_profile_is_suggested_as_soon_as_it_is_made(folder: Path) -> None:
    config = folder / "config"
    os.environ |= {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials")}
    try:
        assert list(preferences_room._profiles(None, bpy.context, "")) == []
        config.write_text("[profile studio]\nregion = eu-west-1\naws_access_key_id = AKIA\n")
        assert list(preferences_room._profiles(None, bpy.context, "")) == ["studio    Access keys, eu-west-1"]
    finally:
        del os.environ["AWS_CONFIG_FILE"], os.environ["AWS_SHARED_CREDENTIALS_FILE"]


def case_the_frames_of_an_image_and_of_an_animation(_folder: Path) -> None:
    now = bpy.context.scene
    now.frame_start, now.frame_end, now.frame_step, now.frame_current = 1, 10, 4, 7
    assert properties.frame_numbers(now, animation=False) == (7,)
    assert properties.frame_numbers(now, animation=True) == (1, 5, 9)
    scene().frames = "CURRENT"
    assert properties.frame_numbers(now, animation=True) == (7,)
    scene().frames, scene().custom_frames = "CUSTOM", "-2--1, 60, 1-5x2"
    assert properties.frame_numbers(now, animation=True) == (-2, -1, 60, 1, 3, 5)
    assert properties.frame_numbers(now, animation=False) == (7,)


def case_frames_that_make_no_sense_are_refused(_folder: Path) -> None:
    refused("No frames", frames="CUSTOM", custom_frames="")
    refused("ends before it begins", frames="CUSTOM", custom_frames="9-1")
    bpy.context.scene.frame_end = 5
    bpy.context.scene.frame_preview_start = 6
    backwards = SimpleNamespace(cloudrender=SimpleNamespace(frames="SCENE"), frame_start=9, frame_end=5, frame_step=1)
    try:
        properties.frame_numbers(backwards, animation=True)
    except errors.UsageError as error:
        assert "ends before it begins" in error.message
    else:
        raise AssertionError("not refused")


def case_a_job_gets_what_is_shown(folder: Path) -> None:
    own = preferences()
    own.profile, own.region, own.subnet, own.security_group = "studio", "eu-west-1", "subnet-1", "sg-1"
    own.image, own.ssh_user, own.ssh_port = "ami-1", "admin", 2222
    scene().machine_type, scene().purchase, scene().max_cost, scene().max_hours = "g6.xlarge", "ON_DEMAND", 0.1, 1.1
    settings = preferences_room.settings_for(bpy.context)
    shown = {name: getattr(settings, name) for name in ("profile", "region", "subnet", "security_group", "image")}
    assert list(shown.values()) == ["studio", "eu-west-1", "subnet-1", "sg-1", "ami-1"]
    assert (settings.ssh_user, settings.ssh_port) == ("admin", 2222)
    assert (settings.instance_type, settings.purchase) == ("g6.xlarge", "on-demand")
    assert (settings.max_cost, settings.max_hours) == (0.1, 1.1)


def case_what_is_not_set_the_environment_may_say(folder: Path) -> None:
    preferences()
    given = {
        "REGION": "eu-west-3",
        "SSH_USER": "root",
        "LEASE_MINUTES": "5",
        "INSTANCE_TYPE": "c7i.4xlarge",
        "MAX_COST": "1",
    }
    for name, value in given.items():
        os.environ[f"CLOUDRENDER_{name}"] = value
    try:
        settings = preferences_room.settings_for(bpy.context)
    finally:
        for name in given:
            del os.environ[f"CLOUDRENDER_{name}"]
    assert (settings.region, settings.ssh_user, settings.lease_minutes) == ("eu-west-3", "root", 5)
    # These are shown, so what is shown holds.
    assert (settings.instance_type, settings.max_cost) == ("g4dn.xlarge", None)


def case_records_are_where_blender_wants_an_extension_to_write(folder: Path) -> None:
    assert preferences_room.jobs_home() == Path(bpy.utils.extension_path_user(package))
    os.environ["CLOUDRENDER_HOME"] = str(folder)
    try:
        assert preferences_room.jobs_home() == folder == preferences_room.settings_for(bpy.context).home
    finally:
        del os.environ["CLOUDRENDER_HOME"]


def case_the_list_of_jobs_outlives_the_file_and_keeps_its_choice(_folder: Path) -> None:
    jobs_panel, session = part("ui.jobs_panel"), part("ui.session").SESSION

    def rows() -> list[str]:
        return [row.name for row in bpy.context.window_manager.cloudrender.rows]

    session.summaries = tuple(SimpleNamespace(job_id=name) for name in ("b", "a"))
    jobs_panel.mirror_jobs()
    bpy.context.window_manager.cloudrender.chosen = 1
    session.summaries = tuple(SimpleNamespace(job_id=name) for name in ("c", "b", "a"))
    jobs_panel.mirror_jobs()
    assert rows() == ["c", "b", "a"] and jobs_panel.chosen_job(bpy.context).job_id == "a"
    bpy.ops.wm.read_homefile(use_factory_startup=True)
    assert rows() == ["c", "b", "a"]
    session.summaries = ()
    jobs_panel.mirror_jobs()
    assert not rows() and jobs_panel.chosen_job(bpy.context) is None


def classes() -> Iterator[tuple[str, Any]]:
    """Yield every class that Blender knows of this extension, by name."""
    for kind in (bpy.types.Operator, bpy.types.Panel, bpy.types.Menu, bpy.types.UIList, bpy.types.PropertyGroup):
        for cls in kind.__subclasses__():
            if cls.__module__.startswith(package) and cls.is_registered:
                yield cls.__name__, cls
    yield "preferences", type(preferences_room.preferences())


_SMALL = {"a", "an", "the", "of", "in", "on", "to", "for", "and", "or", "by", "with", "as", "at", "from", "($)"}


def wrong_label(label: str) -> bool:
    """Tell whether a label is not in title case, as Blender's are."""
    words = label.split()
    return any(not (word[0].isupper() or word[0].isdigit() or (n and word in _SMALL)) for n, word in enumerate(words))


def wrong_tip(tip: str) -> bool:
    """Tell whether Blender's own checker of messages would complain, or it is none (`bl_extract_messages.check`)."""
    return not tip or (tip[0].isalpha() and not tip[0].isupper()) or tip.strip().endswith(".")


def case_labels_and_tooltips_are_worded_as_blenders_are(_folder: Path) -> None:
    wrong, seen = [], 0
    for name, cls in classes():
        assert re.fullmatch(r"CLOUDRENDER_(OT|PT|PG|UL|MT)_\w+|preferences", name), name
        rna, texts = cls.bl_rna, [("label", getattr(cls, "bl_label", ""), wrong_label)]
        if issubclass(cls, bpy.types.Operator):
            rna = getattr(bpy.ops.cloudrender, cls.bl_idname.partition(".")[2]).get_rna_type()
            texts = [("label", rna.name, wrong_label), ("tip", rna.description, wrong_tip)]
        own = {item for base in cls.__mro__ for item in vars(base).get("__annotations__", ())}
        internal = "INTERNAL" in getattr(cls, "bl_options", ())
        for item in rna.properties:
            if item.identifier not in own or item.is_hidden or internal:
                continue
            seen += 1
            texts += [(item.identifier, item.name, wrong_label), (item.identifier, item.description, wrong_tip)]
            for choice in getattr(item, "enum_items", ()):
                texts += [
                    (choice.identifier, choice.name, wrong_label),
                    (choice.identifier, choice.description, wrong_tip),
                ]
        wrong += [f"{name}, {what}: {text!r}" for what, text, is_wrong in texts if is_wrong(text)]
    assert seen > 20, seen
    assert not wrong, "\n".join(wrong)


run(globals())
