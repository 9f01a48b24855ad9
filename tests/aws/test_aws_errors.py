# SPDX-License-Identifier: GPL-3.0-or-later
"""Every error of AWS and botocore, provoked through real boto3, comes out as one of ours with a next step."""

from __future__ import annotations

import socket

import botocore.exceptions as b
import pytest
from botocore.parsers import ResponseParserError

from cloudrender_addon.backend import errors as e
from cloudrender_addon.backend.aws.codes import CODES
from cloudrender_addon.backend.aws.errors import Subject, certainly_refused, code_of, translated
from cloudrender_addon.backend.aws.exceptions import EXCEPTIONS
from cloudrender_addon.backend.aws.quotas import on_demand_quota, spot_quota
from cloudrender_addon.backend.aws.session import Account
from tests.aws.aws_stage import MACHINE, REGION, Stage

ABOUT = Subject(region=REGION, profile="studio", machine=MACHINE, vcpus=4, image="ami-12345678", subnet="subnet-1")

# code, its kind, words of the message and the hint, may the same call succeed later
ANSWERS = [
    ("InsufficientInstanceCapacity", e.CapacityError, "g4dn.xlarge spot machine to give in us-east-1", "region", True),
    ("InsufficientCapacity", e.CapacityError, "g4dn.xlarge", "another type", True),
    ("UnfulfillableCapacity", e.CapacityError, "g4dn.xlarge", "another type", True),
    ("SpotMaxPriceTooLow", e.CapacityError, "g4dn.xlarge", "another type", True),
    ("Unsupported", e.NotOfferedError, "g4dn.xlarge", "another type", False),
    ("MaxSpotInstanceCountExceeded", e.QuotaError, "(4 vCPUs) in us-east-1", "quotas/L-3819A6DF", False),
    ("VcpuLimitExceeded", e.QuotaError, "“All G and VT Spot Instance Requests” (L-3819A6DF)", "at least 4", False),
    ("InstanceLimitExceeded", e.QuotaError, "L-3819A6DF", "quotas", False),
    ("AuthFailure", e.CredentialsError, "access key", "--profile studio", False),
    ("InvalidClientTokenId", e.CredentialsError, "access key", "aws configure", False),
    ("ExpiredToken", e.CredentialsError, "expired", "aws sso login --profile studio", False),
    ("RequestExpired", e.CredentialsError, "clock", "clock", False),
    ("UnauthorizedOperation", e.PermissionsError, "ec2:RunInstances", "cloudrender policy", False),
    ("AccessDenied", e.PermissionsError, "ec2:RunInstances", "cloudrender policy", False),
    ("OptInRequired", e.AccountError, "not signed up", "sign-up", False),
    ("PendingVerification", e.AccountError, "verifying", "four hours", False),
    ("Blocked", e.AccountError, "blocked", "support", False),
    ("InvalidAMIID.NotFound", e.ImageError, "ami-12345678 does not exist in us-east-1", "auto", False),
    ("InvalidAMIID.Malformed", e.ImageError, "ami-12345678", "auto", False),
    ("IdempotentParameterMismatch", e.CloudError, "already asked for", "clean-up", False),
    ("RequestLimitExceeded", e.UnreachableError, "too busy", "minute", True),
    ("Unavailable", e.UnreachableError, "too busy", "minute", True),
    ("InternalError", e.UnreachableError, "too busy", "minute", True),
    ("VPCIdNotSpecified", e.ConfigError, "default network", "create-default-vpc --region us-east-1", False),
    ("InvalidSubnetID.NotFound", e.ConfigError, "subnet-1", "subnet", False),
    ("InvalidInstanceType", e.ConfigError, "g4dn.xlarge", "spelling", False),
    (
        "AuthFailure.ServiceLinkedRoleCreationNotPermitted",
        e.PermissionsError,
        "iam:CreateServiceLinkedRole",
        "spot.amazonaws.com",
        False,
    ),
    ("SomethingNew", e.CloudError, "ec2:RunInstances in us-east-1: SomethingNew", "AWS's own explanation", False),
]
_STATUS = {"RequestLimitExceeded": 503, "Unavailable": 503, "InternalError": 500, "InsufficientInstanceCapacity": 500}


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case[0])
def test_answer_of_aws(aws: Stage, case: tuple[str, type[e.CloudrenderError], str, str, bool]) -> None:
    code, kind, message, hint, retryable = case
    aws.fault("ec2:RunInstances", code, message="AWS\nsays so", status=_STATUS.get(code, 400), times=9)
    account = aws.account()
    with pytest.raises(e.CloudrenderError) as caught, translated("ec2:RunInstances", about=ABOUT):
        account.ec2.run_instances(ImageId="ami-12345678", MinCount=1, MaxCount=1)
    error = caught.value
    assert type(error) is kind
    assert message in error.message
    assert hint in error.hint
    assert error.retryable is retryable
    assert code_of(error) == code
    assert isinstance(error.__cause__, b.ClientError)
    assert "11111111-2222-3333-4444-555555555555" in error.details[-1]
    for text in (error.message, error.hint, *error.details):
        assert text and "\n" not in text and "{" not in text and "s3cr3t-value" not in text


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


EXCEPTION_CASES = [
    (b.NoCredentialsError(), e.CredentialsError, "No AWS credentials", "aws configure"),
    (
        b.PartialCredentialsError(provider="env", cred_var="aws_secret_access_key"),
        e.CredentialsError,
        "incomplete",
        "secret",
    ),
    (b.ProfileNotFound(profile="studio"), e.ConfigError, "profile named studio", "list-profiles"),
    (b.UnauthorizedSSOTokenError(), e.CredentialsError, "not logged in", "aws sso login --profile studio"),
    (b.SSOTokenLoadError(profile_name="studio", error_msg="x"), e.CredentialsError, "not logged in", "aws sso login"),
    (b.TokenRetrievalError(provider="sso", error_msg="x"), e.CredentialsError, "not logged in", "aws sso login"),
    (b.LoginRefreshRequired(), e.CredentialsError, "not logged in", "aws login --profile studio"),
    (
        b.CredentialRetrievalError(provider="custom-process", error_msg="s3cr3t-value"),
        e.CredentialsError,
        "failed",
        "credential_process",
    ),
    (b.NoRegionError(), e.ConfigError, "No AWS region", "--region us-east-1"),
    (b.InvalidRegionError(region_name="x y"), e.ConfigError, "not an AWS region", "eu-central-1"),
    (b.ConfigParseError(path="/x", error="y"), e.ConfigError, "configuration", "~/.aws/config"),
    (b.EndpointConnectionError(endpoint_url="http://u:s3cr3t-value@x"), e.UnreachableError, "cannot be", "internet"),
    (b.ConnectTimeoutError(endpoint_url="http://x"), e.UnreachableError, "cannot be reached", "internet"),
    (b.ReadTimeoutError(endpoint_url="http://x"), e.UnreachableError, "cannot be reached", "internet"),
    (b.ConnectionClosedError(endpoint_url="http://x"), e.UnreachableError, "cannot be reached", "internet"),
    (b.SSLError(endpoint_url="http://x", error="y"), e.UnreachableError, "encrypted", "AWS_CA_BUNDLE"),
    (b.ProxyConnectionError(proxy_url="http://u:s3cr3t-value@x"), e.UnreachableError, "proxy", "HTTPS_PROXY"),
    (ResponseParserError("<html>"), e.UnreachableError, "in AWS's place", "Log in to the network"),
    (b.ParamValidationError(report="UserData: s3cr3t-value"), e.CloudError, "ParamValidationError", "-v"),
]


@pytest.mark.parametrize(("raised", "kind", "message", "hint"), EXCEPTION_CASES, ids=lambda x: type(x).__name__)
def test_exception_of_botocore(raised: Exception, kind: type[e.CloudError], message: str, hint: str) -> None:
    with pytest.raises(e.CloudrenderError) as caught, translated("ec2:RunInstances", about=ABOUT):
        raise raised
    assert type(caught.value) is kind
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.__cause__ is raised
    assert "s3cr3t-value" not in " ".join((caught.value.message, caught.value.hint, *caught.value.details))


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


def test_nobody_listens(aws: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refused
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        account = Account(profile=None, region=REGION)
        with pytest.raises(e.UnreachableError), account.calling("ec2:DescribeImages"):
            account.ec2.describe_images()


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
