"""Where settings come from, and what unusable ones say."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from cloudrender_addon.backend.errors import ConfigError, UsageError
from cloudrender_addon.backend.settings import Settings, load_settings
from cloudrender_addon.cli.arguments import parse


def load(tmp_path: Path, text: str | None = None, flags: dict[str, object] | None = None, **environ: str) -> Settings:
    path = tmp_path / "config.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    return load_settings(environ={"CLOUDRENDER_CONFIG": str(path), **environ}, flags=flags or {})


def test_defaults_need_no_file(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert (settings.instance_type, settings.image, settings.ssh_user, settings.ssh_port) == (
        "g4dn.xlarge", "auto", "ubuntu", 22,
    )  # fmt: skip
    assert settings.profile is None and settings.region is None


def test_flags_beat_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    text = 'region = "eu-west-1"\nprofile = "file"\nimage = "ami-1"\nssh_port = 2222\n'
    settings = load(
        tmp_path,
        text,
        {"region": "us-west-2", "profile": None},
        CLOUDRENDER_REGION="eu-north-1",
        CLOUDRENDER_PROFILE="environment",
    )
    assert (settings.region, settings.profile, settings.image, settings.ssh_port) == (
        "us-west-2", "environment", "ami-1", 2222,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "mentions"),
    [
        ("region = ", "not valid TOML"),
        ("colour = 1", "no setting 'colour'"),
        ("ssh_port = 0", "from 1 to 65535"),
        ("ssh_port = 22.5", "whole number"),
        ("ssh_port = true", "from 1 to 65535"),
        ('ssh_user = ""', "text"),
        ('image = "a\\nb"', "text"),
        ("region = 7", "text"),
        ('max_hours = "many"', "number"),
        ("max_hours = nan", "number"),
        ('mirror = "ftp://x"', "http"),
        ('purchase = "cheap"', "spot-then-on-demand"),
        ("max_cost = 0", "from 0.01"),
        ('send = "all"', "used, folder"),
        ("local_blender = 4.2", "text"),
        ("fresh_machine = 2", "true or false"),
        ('fresh_machine = "perhaps"', "true or false"),
    ],
)
def test_an_unusable_file_is_one_line_of_cause_and_one_of_remedy(tmp_path: Path, text: str, mentions: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    error = caught.value
    assert mentions in f"{error.message} {error.hint}" and str(tmp_path) in error.message
    assert error.hint and "\n" not in error.hint


def test_a_limit_of_cost_is_set_by_the_file_and_lifted_by_a_flag(tmp_path: Path) -> None:
    assert load(tmp_path).max_cost is None
    text = 'max_cost = 2.5\npurchase = "on-demand"\n'
    assert (load(tmp_path, text).max_cost, load(tmp_path, text).purchase) == (2.5, "on-demand")
    assert load(tmp_path, text, {"max_cost": "none"}).max_cost is None


def test_an_unusable_variable_and_flag_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CLOUDRENDER_SSH_PORT"):
        load(tmp_path, CLOUDRENDER_SSH_PORT="abc")
    with pytest.raises(UsageError, match="--max-hours"):
        load(tmp_path, flags={"max_hours": "-1"})


@pytest.mark.parametrize(("name", "flag"), [("instance_type", "-c"), ("keep_minutes", "--keep")])
def test_a_flag_is_named_as_it_was_typed(tmp_path: Path, name: str, flag: str) -> None:
    with pytest.raises(UsageError, match=rf"\(given as {flag}\)$"):
        load(tmp_path, flags={name: "blub"})


def test_who_mistypes_the_limit_of_cost_learns_how_to_lift_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--max-cost") as caught:
        load(tmp_path, flags={"max_cost": "abc"})
    assert 'or "none"' in caught.value.hint


def test_a_misspelt_name_is_refused_with_the_nearest_wherever_it_stands(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CLOUDRENDER_MAX_COSTS") as caught:
        load(tmp_path, CLOUDRENDER_MAX_COSTS="1")
    assert caught.value.hint.startswith("Perhaps max_cost or ") and "; the settings are: " in caught.value.hint
    with pytest.raises(ConfigError, match="no setting 'regoin'") as caught:
        load(tmp_path, 'regoin = "us-west-2"')
    assert caught.value.hint.startswith("Perhaps region")


def test_what_is_set_to_nothing_is_not_set(tmp_path: Path) -> None:
    assert load(tmp_path, CLOUDRENDER_MAX_COST="", CLOUDRENDER_COLOUR="").max_cost is None


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings(environ={"CLOUDRENDER_CONFIG": str(tmp_path)}, flags={})


@pytest.mark.parametrize(("text", "on"), [("1", True), ("true", True), ("False", False), ("0", False)])
def test_a_switch_may_be_written_as_people_do(tmp_path: Path, text: str, on: bool) -> None:
    assert load(tmp_path, CLOUDRENDER_FRESH_MACHINE=text).fresh_machine is on
    assert load(tmp_path, "fresh_machine = true", CLOUDRENDER_FRESH_MACHINE=text).fresh_machine is on
    assert load(tmp_path, "fresh_machine = true").fresh_machine
    assert load(tmp_path, "", {"fresh_machine": None}).fresh_machine is False


def test_the_readme_tells_every_setting_with_its_flag_and_default() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (?:`(\S+)`)? ?\| (.+) \| (.+) \|$", readme, re.MULTILINE)
    told = {name: (flag, default) for name, flag, _, default in rows}
    for field in dataclasses.fields(Settings):
        flag, default = told.pop(field.name)
        if flag:
            assert getattr(parse([flag] if isinstance(field.default, bool) else [flag, "1"]), field.name) in ("1", True)
        else:
            assert not hasattr(parse([]), field.name)
        if field.default not in (None, dataclasses.MISSING):  # what is none has a word of its own
            written = f"{field.default:g}" if isinstance(field.default, float) else str(field.default).lower()
            assert default == f"`{written}`", field.name
    assert not told
