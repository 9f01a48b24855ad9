# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of AWS profiles: what AWS's own library would find, without it, and never a secret."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from cloudrender_addon.backend.aws.profiles import Profile, ProfileList, list_profiles

SECRET = "wJalrXUtnFEMI/K7MDENG"

CONFIG = f"""\
[default]
region = eu-central-1

[profile studio]
sso_session = house
sso_account_id = 123456789012
region = eu-north-1
s3 =
    max_concurrent_requests = 4

[profile old sso]
ignored = two words without quotes are no name

[profile "two words"]
sso_start_url = https://house.awsapps.com/start

[profile farm]
role_arn = arn:aws:iam::123456789012:role/Render
source_profile = default

[profile vault]
credential_process = /usr/bin/vault --token {SECRET}
region =

[profile console]
login_session = arn:aws:iam::123456789012:user/anna

[profile plain]
output = json

[profile "open quote]
region = us-east-1

[sso-session house]
sso_start_url = https://house.awsapps.com/start

[services local]
s3 =
    endpoint_url = http://localhost

[preview]
cloudfront = true
"""

CREDENTIALS = f"""\
[default]
aws_access_key_id = AKIAEXAMPLE
aws_secret_access_key = {SECRET}

[Laptop]
aws_access_key_id = AKIAEXAMPLE
aws_secret_access_key = {SECRET}
region = us-west-2
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "config").write_text(CONFIG)
    (tmp_path / "credentials").write_text(CREDENTIALS)
    return {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }


def names_by_botocore(environ: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> set[str]:
    import boto3

    monkeypatch.delenv("AWS_PROFILE", raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return set(boto3.Session().available_profiles)


def test_profiles_with_region_and_kind(environ: dict[str, str]) -> None:
    assert list_profiles(environ) == ProfileList(
        profiles=(
            Profile(name="default", region="eu-central-1", kind="keys"),
            Profile(name="Laptop", region="us-west-2", kind="keys"),
            Profile(name="console", region=None, kind="login"),
            Profile(name="farm", region=None, kind="role"),
            Profile(name="plain", region=None, kind="other"),
            Profile(name="studio", region="eu-north-1", kind="sso"),
            Profile(name="two words", region=None, kind="sso"),
            Profile(name="vault", region=None, kind="process"),
        )
    )


def test_same_names_as_awss_own_library(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = {profile.name for profile in list_profiles(environ).profiles}
    assert found == names_by_botocore(environ, monkeypatch)


def test_no_secret_is_kept(environ: dict[str, str]) -> None:
    assert SECRET not in repr(list_profiles(environ)) and "AKIA" not in repr(list_profiles(environ))


def test_no_files_are_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert list_profiles({}) == ProfileList()


def test_usual_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[profile studio]\nregion = eu-north-1\n")
    assert [profile.name for profile in list_profiles({}).profiles] == ["studio"]


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (f"aws_secret_access_key = {SECRET}\n", "line 1"),
        (f"[a]\nx = 1\n{SECRET}\n", "line 3"),
        (f"[a]\nx = 1\n[b]\nx = {SECRET}\nx = 2\n", "line 5"),
        ("[a]\nx = 1\n[a]\n", "line 3"),
        (b"\xff\xfe[a]", "text file"),
    ],
)
@pytest.mark.parametrize("which", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_damaged_file_is_told_without_its_content(
    environ: dict[str, str], which: str, damage: str | bytes, word: str
) -> None:
    path = Path(environ[which])
    path.write_bytes(damage if isinstance(damage, bytes) else damage.encode())
    found = list_profiles(environ)
    assert found.profiles == ()
    assert str(path) in found.problem and word in found.problem and SECRET not in found.problem


def test_folder_in_a_files_place(environ: dict[str, str], tmp_path: Path) -> None:
    found = list_profiles({**environ, "AWS_CONFIG_FILE": str(tmp_path)})
    assert found.profiles == () and str(tmp_path) in found.problem


def test_awss_library_is_not_imported() -> None:
    code = (
        "import os, sys\n"
        "from cloudrender_addon.backend.aws.profiles import list_profiles\n"
        "list_profiles(os.environ)\n"
        "sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
