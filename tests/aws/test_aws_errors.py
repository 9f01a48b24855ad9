# SPDX-License-Identifier: GPL-3.0-or-later
"""Every error of AWS and botocore, provoked through real boto3, comes out as one of ours with a next step."""

from __future__ import annotations

import hashlib
import json
import os
import re
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partialmethod
from typing import Any

import boto3
import botocore.exceptions as b
import pytest
from botocore.credentials import AssumeRoleProvider, SSOProvider
from botocore.tokens import SSOTokenProvider

from cloudrender_addon.backend import errors as e
from cloudrender_addon.backend.aws.codes import CODES
from cloudrender_addon.backend.aws.errors import Subject, certainly_refused, code_of, known_regions, translated
from cloudrender_addon.backend.aws.exceptions import EXCEPTIONS, NO_SUCH_REGION, NOBODY_TO_ASK
from cloudrender_addon.backend.aws.quotas import on_demand_quota, spot_quota
from cloudrender_addon.backend.aws.regions import REGIONS
from cloudrender_addon.backend.aws.session import Account
from tests.aws.aws_stage import MACHINE, REGION, Stage

ABOUT = Subject(region=REGION, profile="studio", machine=MACHINE, vcpus=4, image="ami-12345678", subnet="subnet-1")

WORDS = {
    "InsufficientInstanceCapacity": (
        "g4dn.xlarge spot machine to give in us-east-1",
        "another Type (-c), such as g5.xlarge",
    ),
    "InsufficientFreeAddressesInSubnet": ("no free address left, in us-east-1", "Subnet (--subnet)"),
    "Unsupported": ("does not offer a g4dn.xlarge spot machine", "another Type (-c), such as g5.xlarge"),
    "MaxSpotInstanceCountExceeded": (
        "(4 vCPUs) in us-east-1: the quota “All G and VT Spot Instance Requests” (L-3819A6DF) is too small",
        "`cloudrender quota --request`) asks AWS for 4 vCPUs",
    ),
    "AuthFailure": ("access key", "aws configure --profile studio"),
    "ExpiredToken": ("expired", "aws sso login --profile studio"),
    "RequestExpired": ("clock", "clock"),
    "UnauthorizedOperation": (
        "lacks the right ec2:RunInstances in us-east-1",
        "to allow ec2:RunInstances; Copy Policy",
    ),
    "InvalidAMIID.NotFound": ("ami-12345678 does not exist in us-east-1", "Image (--image)"),
    "VPCIdNotSpecified": ("default network", "create-default-vpc --region us-east-1 --profile studio"),
    "InvalidSubnetID.NotFound": ("subnet-1", "Subnet (--subnet)"),
    "InvalidInstanceType": ("no machine type g4dn.xlarge in us-east-1", "spelling"),
    "RequestLimitExceeded": ("too busy", "minute"),
    "AuthFailure.ServiceLinkedRoleCreationNotPermitted": ("iam:CreateServiceLinkedRole", "spot.amazonaws.com"),
    "OptInRequired": ("not signed up", "sign-up"),
    "PendingVerification": ("verifying", "four hours"),
    "Blocked": ("blocked", "support"),
    "IdempotentParameterMismatch": ("already asked for", "clean-up"),
    "VolumeLimitExceeded": ("disk space in us-east-1", "us-east-1.console.aws.amazon.com/servicequotas"),
    "SecurityGroupLimitExceeded": ("security groups in us-east-1", "clean-up"),
    "QuotaExceededException": ("too many open requests", "servicequotas/home/requests"),
    "DependencyAccessDeniedException": ("iam:CreateServiceLinkedRole", "servicequotas.amazonaws.com"),
    "DependencyViolation": ("held by a machine", "clean-up"),
    "InvalidKeyPair.Format": ("SSH key", "a new key"),
}
"""Of each meaning in the table, by one of its codes: words of its message and of its hint."""

_STATUS = {"RequestLimitExceeded": 503, "Unavailable": 503, "InternalError": 500, "InsufficientInstanceCapacity": 500}


def words_of(code: str) -> tuple[str, str]:
    """Return the words that an answer with this code must have; a meaning without any is a mistake of the tests."""
    if code not in CODES:
        return "ec2:RunInstances in us-east-1: SomethingNew", "AWS's own explanation"
    return next(words for known, words in WORDS.items() if CODES[known] is CODES[code])


@pytest.mark.parametrize("code", [*CODES, "SomethingNew"])
def test_answer_of_aws(aws: Stage, code: str) -> None:
    aws.fault("ec2:RunInstances", code, message="AWS\nsays so", status=_STATUS.get(code, 400), times=9)
    account = aws.account()
    with pytest.raises(e.CloudrenderError) as caught, translated("ec2:RunInstances", about=ABOUT):
        account.ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)
    error, (message, hint) = caught.value, words_of(code)
    assert type(error) is (CODES[code].kind if code in CODES else e.CloudError)
    assert message in error.message
    assert hint in error.hint
    assert code_of(error) == code
    assert isinstance(error.__cause__, b.ClientError)
    if not code.isdigit():  # such an answer is not one of AWS
        assert "11111111-2222-3333-4444-555555555555" in error.details[-1]
    for text in (error.message, error.hint, *error.details):
        assert text and "\n" not in text and "{" not in text and "s3cr3t-value" not in text


@pytest.mark.parametrize("code", [code for code in CODES if "Exception" in code or code == "ParameterNotFound"])
def test_answer_of_a_service_that_speaks_json(aws: Stage, code: str) -> None:
    aws.fault("ssm:GetParameter", code, times=9)
    with pytest.raises(CODES[code].kind) as caught, translated("ssm:GetParameter", about=ABOUT):
        aws.account().ssm.get_parameter(Name="/x")
    assert code_of(caught.value) == code


def test_only_what_may_pass_by_itself_is_tried_again() -> None:
    retried = {meaning.kind for meaning in CODES.values() if meaning.kind.retryable}
    assert retried == {e.CapacityError, e.UnreachableError}


def test_unknown_answer_is_quoted(aws: Stage) -> None:
    aws.fault("ec2:DescribeImages", "SomethingNew", message="The moon\n is in the way " + "x" * 400)
    account = aws.account()
    with pytest.raises(e.CloudError) as caught, translated("ec2:DescribeImages", about=ABOUT):
        account.ec2.describe_images()
    assert caught.value.details[0].startswith("AWS: The moon is in the way")
    assert len(caught.value.details[0]) < 320


def test_missing_right_is_the_one_aws_names_and_the_encoded_message_is_dropped(aws: Stage) -> None:
    aws.fault(
        "ec2:RunInstances",
        "UnauthorizedOperation",
        status=403,
        message="You are not authorized to perform this operation. User: arn:aws:iam::1:user/x is not authorized to "
        "perform: ec2:CreateTags on resource: arn:aws:ec2:::instance/* because no identity-based policy allows the "
        "ec2:CreateTags action. Encoded authorization failure message: 4GIOHlTkIaWHQD0Q0m6XSnuUMCm-abcdef",
    )
    account = aws.account()
    with pytest.raises(e.PermissionsError) as caught, translated("ec2:RunInstances", about=ABOUT):
        account.ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)
    assert "lacks the right ec2:CreateTags" in caught.value.message
    assert "4GIOHlTk" not in " ".join((caught.value.message, caught.value.hint, *caught.value.details))


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """How an exception comes about on a user's computer, and words of the message and the hint it becomes.

    `config` is the user's AWS configuration, `environ` what else is set (None: not set), `faults` what the other side
    answers.
    """

    message: str
    hint: str
    config: str = "[profile studio]\naws_access_key_id = testing\naws_secret_access_key = s3cr3t-value\n"
    environ: dict[str, str | None] = field(default_factory=dict)
    faults: tuple[tuple[str, dict[str, Any]], ...] = ()
    region: str | None = REGION
    prepare: Callable[[Stage], None] = lambda aws: None


SSO = """
sso_account_id = 123456789012
sso_role_name = Artist
sso_start_url = https://house.awsapps.com/start
sso_region = us-east-1
"""
SSO_SESSION = """[profile studio]
sso_session = house
sso_account_id = 123456789012
sso_role_name = Artist
[sso-session house]
sso_start_url = https://house.awsapps.com/start
sso_region = us-east-1
"""
SSO_LOGIN = "not logged in to AWS, or the login has expired", "aws sso login --profile studio"
LOGIN_SESSION = "[profile studio]\nlogin_session = arn:aws:iam::123456789012:user/anna\n"
WITH_MFA = """[profile studio]
role_arn = arn:aws:iam::123456789012:role/render
source_profile = keys
mfa_serial = arn:aws:iam::123456789012:mfa/anna
[profile keys]
aws_access_key_id = testing
aws_secret_access_key = s3cr3t-value
"""
ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>A</AccessKeyId><SecretAccessKey>s3cr3t-value</SecretAccessKey><SessionToken>t</SessionToken>
<Expiration>{soon}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""


def cached_token(session: str) -> Callable[[Stage], None]:
    """Leave on disk what `aws sso login` had left there yesterday."""

    def write(aws: Stage) -> None:
        token = {"startUrl": "https://house.awsapps.com/start", "region": "us-east-1", "accessToken": "s3cr3t-value"}
        expired = token | {"expiresAt": "2020-01-01T00:00:00Z"}
        (aws.home / f"{hashlib.sha1(session.encode()).hexdigest()}.json").write_text(json.dumps(expired))  # noqa: S324 - so botocore names it

    return write


def nobody() -> str:
    """Return an address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


TROUBLES: dict[str, Trouble] = {
    "NoCredentialsError": Trouble(
        config="[profile studio]\n",
        message="No AWS credentials were found",
        hint="`aws configure --profile studio` (or `aws configure sso --profile studio`)",
    ),
    "PartialCredentialsError": Trouble(
        config="[profile studio]\naws_access_key_id = testing\n",
        message="incomplete",
        hint="aws configure --profile studio",
    ),
    "ProfileNotFound": Trouble(config="", message="no AWS profile named studio", hint="`aws configure list-profiles`"),
    "CredentialRetrievalError": Trouble(
        config=f"[profile studio]\ncredential_process = {sys.executable} -c 'print(\"s3cr3t-value\"); exit(1)'\n",
        message="program that provides your AWS credentials failed",
        hint="credential_process in ~/.aws/config",
    ),
    "SSOError": Trouble(
        config=f"[profile studio]{SSO}",
        prepare=cached_token("https://house.awsapps.com/start"),
        faults=(("sso:/federation/credentials", {"code": "UnauthorizedException", "status": 401}),),
        message=SSO_LOGIN[0],
        hint=SSO_LOGIN[1],
    ),
    "TokenRetrievalError": Trouble(
        config=SSO_SESSION, prepare=cached_token("house"), message=SSO_LOGIN[0], hint=SSO_LOGIN[1]
    ),
    "LoginError": Trouble(
        config=LOGIN_SESSION,
        message="not logged in to AWS",
        hint="Run `aws login --profile studio`",
    ),
    "RefreshWithMFAUnsupportedError": Trouble(
        config=WITH_MFA,
        faults=(("sts:AssumeRole", {"body": ASSUMED.format(soon=datetime.now(UTC) + timedelta(minutes=2))}),),
        message="login has expired",
        hint="Log in again",
    ),
    "NoRegionError": Trouble(region=None, message="No AWS region is set", hint="aws configure --profile studio"),
    "InvalidRegionError": Trouble(region="us east", message="us east is not an AWS region", hint="Region (--region)"),
    "ConfigParseError": Trouble(config="[profile studio\nregion", message="cannot be used", hint="Check ~/.aws/config"),
    "InvalidConfigError": Trouble(
        config="[profile studio]\nsso_session = house\nsso_account_id = 1\nsso_role_name = x\n",
        message="cannot be used",
        hint="Check ~/.aws/config",
    ),
    "InvalidDefaultsMode": Trouble(
        environ={"AWS_DEFAULTS_MODE": "quick"}, message="cannot be used", hint="Check ~/.aws/config"
    ),
    "MissingDependencyException": Trouble(
        config=LOGIN_SESSION,
        message="logged in by `aws login`",
        hint="credential_process = aws configure export-credentials --profile studio",
    ),
    "BaseEndpointResolverError": Trouble(
        environ={"AWS_USE_DUALSTACK_ENDPOINT": "true"},
        region="eu-isoe-west-1",
        message="cannot be used",
        hint="Check ~/.aws/config",
    ),
    "SSLError": Trouble(
        prepare=lambda aws: os.environ.update(AWS_ENDPOINT_URL=aws.front.endpoint.replace("http:", "https:")),
        message="encrypted connection",
        hint="AWS_CA_BUNDLE",
    ),
    "ProxyConnectionError": Trouble(
        environ={"HTTP_PROXY": f"http://u:s3cr3t-value@{nobody()}", "NO_PROXY": None, "no_proxy": None},
        message="proxy on the way",
        hint="HTTPS_PROXY",
    ),
    "ResponseParserError": Trouble(
        faults=(("ec2:DescribeImages", {"body": "<html>Welcome"}),),
        message="answers in AWS's place",
        hint="Log in to the network",
    ),
    "ConnectionError": Trouble(
        environ={"AWS_ENDPOINT_URL": f"http://u:s3cr3t-value@{nobody()}"}, message="cannot be reached", hint="internet"
    ),
    "HTTPClientError": Trouble(
        faults=(("ec2:DescribeImages", {"hang_up": True, "times": 9}),), message="cannot be reached", hint="internet"
    ),
}
"""By the name in the table of exceptions."""


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_exception_of_botocore(aws: Stage, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trouble = TROUBLES[name]
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.front.endpoint)
    for provider in (SSOProvider, SSOTokenProvider):  # else in the home folder, looked up at the import
        monkeypatch.setattr(provider, "_SSO_TOKEN_CACHE_DIR", str(aws.home))
    prompted = partialmethod(AssumeRoleProvider.__init__, prompter=lambda _: "123456")  # by the MFA device
    monkeypatch.setattr(AssumeRoleProvider, "__init__", prompted)
    if name == "LoginError":  # it looks for the login only where awscrt is installed
        monkeypatch.setattr("botocore.credentials.EC", object())
    (aws.home / "config").write_text(trouble.config)
    for variable, value in trouble.environ.items():
        monkeypatch.delenv(variable, raising=False) if value is None else monkeypatch.setenv(variable, value)
    for action, fault in trouble.faults:
        aws.fault(action, **fault)
    trouble.prepare(aws)
    account = Account(profile="studio", region=trouble.region)
    with pytest.raises(e.CloudrenderError) as caught, account.calling("ec2:DescribeImages"):
        if name == "NoRegionError":  # which Account itself would see first
            boto3.Session(profile_name="studio").client("ec2")
        account.ec2.describe_images()
        account.ec2.describe_images()  # by then what was good for two minutes is to be renewed
    error = caught.value
    assert type(error) is EXCEPTIONS[name].kind
    assert name in [kind.__name__ for kind in type(error.__cause__).__mro__]
    assert trouble.message in error.message
    assert trouble.hint in error.hint
    assert "s3cr3t-value" not in " ".join((error.message, error.hint, *error.details))


@pytest.mark.parametrize("config", [SSO_SESSION, f"[profile studio]{SSO}"])
def test_login_never_made(aws: Stage, config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after `aws configure sso` on another computer: the profile is there, the login is not."""
    monkeypatch.setattr(SSOProvider, "_SSO_TOKEN_CACHE_DIR", str(aws.home))
    monkeypatch.setattr(SSOTokenProvider, "_SSO_TOKEN_CACHE_DIR", str(aws.home))
    (aws.home / "config").write_text(config)
    account = Account(profile="studio", region=REGION)
    with pytest.raises(e.CredentialsError, match="not logged in") as caught, account.calling("ec2:DescribeImages"):
        account.ec2.describe_images()
    assert "aws sso login --profile studio" in caught.value.hint


def test_code_that_nobody_can_be_asked_for(aws: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_terminal(_prompt: str) -> str:
        raise EOFError

    prompted = partialmethod(AssumeRoleProvider.__init__, prompter=no_terminal)
    monkeypatch.setattr(AssumeRoleProvider, "__init__", prompted)
    (aws.home / "config").write_text(WITH_MFA)
    account = Account(profile="studio", region=REGION)
    with pytest.raises(e.CredentialsError, match="studio wants the code") as caught, account.calling("ec2:X"):
        account.ec2.describe_images()
    assert "Profile (--profile)" in caught.value.hint


def test_program_that_provides_what_has_expired(aws: Stage) -> None:
    provided = {"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b", "Expiration": "2020-01-01T00:00:00Z"}
    (aws.home / "provided").write_text(json.dumps(provided))
    program = f"{sys.executable} -c 'print(open(\"{aws.home}/provided\").read())'"
    (aws.home / "config").write_text(f"[profile studio]\ncredential_process = {program}\n")
    account = Account(profile="studio", region=REGION)
    with pytest.raises(e.CredentialsError, match="login has expired"), account.calling("ec2:DescribeImages"):
        account.ec2.describe_images()


def test_mistake_of_ours_is_told_as_one() -> None:
    expected = pytest.raises(e.CloudError, match="ParamValidationError")
    with expected as caught, translated("ec2:RunInstances", about=ABOUT):
        raise b.ParamValidationError(report="UserData: s3cr3t-value")
    assert "-v" in caught.value.hint
    assert "s3cr3t-value" not in " ".join((caught.value.message, *caught.value.details))


@pytest.mark.parametrize(
    ("region", "near"), [("eu-centrl-1", "perhaps eu-central-1"), ("mars", "such as us-east-1 or eu-central-1")]
)
def test_unknown_region(aws: Stage, monkeypatch: pytest.MonkeyPatch, region: str, near: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{nobody()}")
    account = Account(profile=None, region=region)
    expected = pytest.raises(e.ConfigError, match=f"There is no AWS region {region}")
    with expected as caught, account.calling("ec2:DescribeImages"):
        account.ec2.describe_images()
    assert near in caught.value.hint


def test_regions_of_every_partition_are_known() -> None:
    assert known_regions() >= {*REGIONS, "us-gov-west-1", "cn-north-1", "me-central-1"}


_FLAG = re.compile(r"(?<![\w-])(?:--?[a-z][a-z-]*)")
_BOTH_WAYS = re.compile(r"[A-Z][\w ]+ \((?:--?[a-z][a-z-]*|`cloudrender [^`]+`)\)")


def test_every_hint_speaks_to_blender_and_terminal_alike() -> None:
    """See backend/errors.py: a flag or a command never stands without what Blender calls it."""
    alone = {"cloudrender clean-up"}  # Blender has none, but its command line has
    for meaning in (*CODES.values(), *EXCEPTIONS.values(), NO_SUCH_REGION, NOBODY_TO_ASK):
        hint = _BOTH_WAYS.sub("", meaning.hint)
        commands = set(re.findall(r"`(cloudrender [^`]*)`", hint))
        assert commands <= alone, meaning
        assert not _FLAG.findall(re.sub(r"`[^`]*`|\(-v\)|Run once as administrator: .*", "", hint)), meaning


def test_every_text_can_be_filled_in_without_knowing_anything() -> None:
    fields = Subject().fields(action="ec2:X", code="Y")
    for meaning in (*CODES.values(), *EXCEPTIONS.values()):
        assert meaning.message.format_map(fields) and meaning.hint.format_map(fields)


def test_every_exception_name_exists_in_botocore() -> None:
    for name in set(EXCEPTIONS) - {"ResponseParserError"}:
        assert issubclass(getattr(b, name), b.BotoCoreError)


def test_errors_of_others_pass_through() -> None:
    with pytest.raises(ZeroDivisionError), translated("ec2:X", about=ABOUT):
        _ = 1 / 0


@pytest.mark.parametrize(
    ("code", "status", "earlier", "certain"),
    [
        ("InvalidAMIID.NotFound", 400, 0, True),
        ("UnauthorizedOperation", 403, 0, True),
        ("MaxSpotInstanceCountExceeded", 400, 0, True),
        ("InsufficientInstanceCapacity", 500, 9, True),
        ("InternalError", 500, 9, False),
        ("IdempotentParameterMismatch", 400, 0, False),
        ("ExpiredToken", 400, 1, False),  # the first, unanswered request may have come through
        ("MaxSpotInstanceCountExceeded", 400, 1, True),
    ],
)
def test_certainly_refused(aws: Stage, code: str, status: int, earlier: int, certain: bool) -> None:
    aws.fault("ec2:RunInstances", "InternalError", status=500, times=min(earlier, 1))
    aws.fault("ec2:RunInstances", code, status=status, times=9)
    account = aws.account()
    with pytest.raises(e.CloudError) as caught, translated("ec2:RunInstances", about=ABOUT):
        account.ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)
    assert code_of(caught.value) == code
    assert certainly_refused(caught.value) is certain


def test_lost_answer_is_no_refusal() -> None:
    with pytest.raises(e.UnreachableError) as caught, translated("ec2:RunInstances", about=ABOUT):
        raise b.ReadTimeoutError(endpoint_url="http://x")
    assert not certainly_refused(caught.value)


@pytest.mark.parametrize(
    ("machine", "code"),
    [
        ("g4dn.xlarge", "L-3819A6DF"),
        ("g6e.xlarge", "L-3819A6DF"),
        ("vt1.3xlarge", "L-3819A6DF"),
        ("p3.2xlarge", "L-7212CCBC"),
        ("p5.48xlarge", "L-C4BD4855"),
        ("p6-b200.48xlarge", ""),
        ("c7i.large", "L-34B43A08"),
        ("t3.micro", "L-34B43A08"),
        ("im4gn.large", "L-34B43A08"),
        ("trn1.2xlarge", ""),
        ("", ""),
    ],
)
def test_spot_quota(machine: str, code: str) -> None:
    quota = spot_quota(machine)
    assert quota.code == code
    assert quota.request_url("eu-west-1").endswith(f"/ec2/quotas/{code}".rstrip("/"))


@pytest.mark.parametrize(
    ("machine", "code"),
    [
        ("g4dn.xlarge", "L-DB2E81BA"),
        ("gr6.4xlarge", "L-DB2E81BA"),
        ("p5.48xlarge", "L-417A185B"),
        ("c7i.large", "L-1216C47A"),
        ("trn1.2xlarge", ""),
    ],
)
def test_on_demand_quota(machine: str, code: str) -> None:
    assert on_demand_quota(machine).code == code
