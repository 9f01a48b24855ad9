# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWS's error codes mean to a person: class, cause, next step.

Texts are templates over the fields of `errors.Subject`, in words for both faces (see ../errors.py).
Codes: EC2 API Reference, "Error codes for the Amazon EC2 API"
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html); SSM spells some differently.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import (
    AccountError,
    CapacityError,
    CloudError,
    CloudrenderError,
    ConfigError,
    CredentialsError,
    ImageError,
    NotOfferedError,
    PermissionsError,
    QuotaError,
    UnreachableError,
)


@dataclass(frozen=True)
class Meaning:
    """What a code means. `quote` adds AWS's own sentence to the details, where it says more than the code."""

    kind: type[CloudrenderError]
    message: str
    hint: str
    quote: bool = False


_CAPACITY = Meaning(
    CapacityError,
    "AWS has no {machine} {purchase} machine to give in {region} right now",
    "Try again in some minutes, or use another Type (-c), such as g5.xlarge or g6.xlarge, or Region (--region)",
)
_ADDRESSES = Meaning(
    CapacityError,
    "The subnet that the machine was to stand in has no free address left, in {region}",
    "Set Subnet (--subnet) to another one, or end what takes up the addresses of this one",
)
_NOT_OFFERED = Meaning(
    NotOfferedError,
    "AWS does not offer a {machine} {purchase} machine with these settings in {region}",
    "Use another Type (-c), such as g5.xlarge, or another Region (--region)",
    quote=True,
)
_QUOTA = Meaning(
    QuotaError,
    "Your AWS account may not run a {machine} {purchase} machine ({vcpus} vCPUs) in {region}: "
    "the quota {quota} is too small",
    "Request Increase (`cloudrender quota --request`) asks AWS for {vcpus} vCPUs or more (new accounts start at 0; an "
    "increase takes hours to days); by hand: {quota_url}",
)
_KEYS = Meaning(
    CredentialsError,
    "AWS does not accept your access key",
    "Check the keys with `aws sts get-caller-identity{profile_flag}`; `aws configure{profile_flag}` sets new ones (a "
    "region that is not switched on for your account refuses good ones, too)",
)
EXPIRED = Meaning(
    CredentialsError,
    "Your AWS login has expired",
    "Log in again (`aws sso login{profile_flag}`, or get new temporary keys), then try again",
)
_CLOCK = Meaning(
    CredentialsError,
    "AWS rejects the request as too old: this computer's clock is wrong, or the login has expired",
    "Set the clock of this computer to automatic, or log in to AWS again",
)
_RIGHTS = Meaning(
    PermissionsError,
    "Your AWS user lacks the right {action} in {region}",
    "Ask whoever runs the account to allow {action}; Copy Policy (`cloudrender policy`) gives all that is needed",
)
_IMAGE = Meaning(
    ImageError,
    "The machine image {image} does not exist in {region}",
    "Image ids differ from region to region: set Image (--image) to one of this region, or to auto",
)
NO_NETWORK = Meaning(
    ConfigError,
    "Your AWS account has no default network (VPC) in {region}",
    "Make one with `aws ec2 create-default-vpc --region {region}{profile_flag}`, or set Subnet (--subnet) to one that "
    "you have",
)
_SUBNET = Meaning(
    ConfigError,
    "The subnet {subnet} does not exist in {region}",
    "Correct Subnet (--subnet), or leave it empty to use the default network",
)
_TYPE = Meaning(
    ConfigError,
    "There is no machine type {machine} in {region}",
    "Check the spelling of Type (-c), such as g4dn.xlarge or c7i.4xlarge, or use another Region (--region)",
)
_BUSY = Meaning(
    UnreachableError,
    "AWS is too busy to answer ({code})",
    "Try again in a minute; https://health.aws.amazon.com shows known outages",
)
UNKNOWN = Meaning(
    CloudError,
    "AWS refused {action} in {region}: {code}",
    "AWS's own explanation stands with this error; it often names what to change",
    quote=True,
)

_GROUPS: tuple[tuple[Meaning, tuple[str, ...]], ...] = (
    (
        _CAPACITY,
        (
            "InsufficientInstanceCapacity",
            "InsufficientCapacity",
            "UnfulfillableCapacity",
            "SpotMaxPriceTooLow",
        ),
    ),
    (_ADDRESSES, ("InsufficientFreeAddressesInSubnet",)),
    # The second is what a fleet calls the first: a type that is not in one of the zones.
    (_NOT_OFFERED, ("Unsupported", "InvalidFleetConfiguration")),
    (
        _QUOTA,
        (
            "MaxSpotInstanceCountExceeded",
            "VcpuLimitExceeded",
            "InstanceLimitExceeded",
        ),
    ),
    (
        _KEYS,
        (
            "AuthFailure",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "InvalidAccessKeyId",
            "MissingAuthenticationToken",
            "IncompleteSignature",
            "NotAuthorized",
        ),
    ),
    (EXPIRED, ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired")),
    (_CLOCK, ("RequestExpired", "RequestTimeTooSkewed")),
    (_RIGHTS, ("UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "Client.UnauthorizedOperation")),
    (_IMAGE, ("InvalidAMIID.NotFound", "InvalidAMIID.Malformed", "InvalidAMIID.Unavailable", "ParameterNotFound")),
    (NO_NETWORK, ("VPCIdNotSpecified", "DefaultVpcDoesNotExist", "MissingInput")),
    (_SUBNET, ("InvalidSubnetID.NotFound", "InvalidSubnetID.Malformed", "InvalidSubnet")),
    (_TYPE, ("InvalidInstanceType",)),
    (
        _BUSY,
        (
            "RequestLimitExceeded",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
            "InternalError",
            "InternalFailure",
            "InternalServerError",
            "ServiceException",
            "Unavailable",
            "ServiceUnavailable",
            "500",
            "502",
            "503",
            "504",
        ),
    ),
)

CODES: dict[str, Meaning] = {code: meaning for meaning, codes in _GROUPS for code in codes} | {
    "AuthFailure.ServiceLinkedRoleCreationNotPermitted": Meaning(
        PermissionsError,
        "Spot machines were never used in this AWS account, and your user lacks the right "
        "iam:CreateServiceLinkedRole to start with them",
        "Run once as administrator: aws iam create-service-linked-role --aws-service-name spot.amazonaws.com",
    ),
    "OptInRequired": Meaning(
        AccountError,
        "Your AWS account is not signed up for EC2 in {region}, or this region is not switched on",
        "Finish the sign-up (payment method, phone) at https://console.aws.amazon.com, or use another Region "
        "(--region)",
    ),
    "PendingVerification": Meaning(
        AccountError,
        "AWS is still verifying your account for {region}",
        "This usually takes minutes, at most four hours: try again later, or use another Region (--region)",
    ),
    "Blocked": Meaning(
        AccountError,
        "AWS has blocked your account",
        "Open a case at https://console.aws.amazon.com/support: only AWS can lift this",
    ),
    "IdempotentParameterMismatch": Meaning(
        CloudError,
        "This machine was already asked for, with other settings",
        "End what is left with `cloudrender clean-up` and start the job again",
    ),
    "VolumeLimitExceeded": Meaning(
        QuotaError,
        "Your AWS account may not have more disk space in {region}",
        "Delete disks you no longer need, or request more at "
        "https://{region}.console.aws.amazon.com/servicequotas/home/services/ebs/quotas",
    ),
    "SecurityGroupLimitExceeded": Meaning(
        QuotaError,
        "Your AWS account may not have more security groups in {region}",
        "Remove forgotten ones: `cloudrender clean-up` removes those of Cloudrender",
    ),
    "QuotaExceededException": Meaning(
        QuotaError,
        "Your AWS account has too many open requests for larger quotas",
        "Wait until AWS has answered some of them: https://{region}.console.aws.amazon.com/servicequotas/home/requests",
    ),
    "DependencyAccessDeniedException": Meaning(
        PermissionsError,
        "Larger quotas were never requested in this AWS account, and your user lacks the right "
        "iam:CreateServiceLinkedRole to start with them",
        "Run once as administrator: aws iam create-service-linked-role --aws-service-name servicequotas.amazonaws.com",
    ),
    "DependencyViolation": Meaning(
        CloudError,
        "It is still held by a machine that has not ended completely",
        "Run `cloudrender clean-up` in some minutes",
    ),
    "InvalidKeyPair.Format": Meaning(
        CloudError,
        "AWS does not accept the SSH key made for this job",
        "Start the job again: a new key is made for it",
    ),
}
"""By the code in AWS's answer."""
