# SPDX-License-Identifier: GPL-3.0-or-later
"""What botocore's own exceptions mean to a person: what goes wrong before AWS has answered anything.

By name, so that the table can be read without importing botocore.
"""

from __future__ import annotations

from ..errors import CloudError, ConfigError, CredentialsError, UnreachableError
from .codes import EXPIRED, Meaning

_SSO = Meaning(
    CredentialsError,
    "You are not logged in to AWS, or the login has expired",
    "Run `aws sso login{profile_flag}`, then try again",
)
NO_SUCH_REGION = Meaning(
    ConfigError,
    "There is no AWS region {region}",
    "Correct Region (--region){near}",
)
_OFFLINE = Meaning(
    UnreachableError,
    "AWS cannot be reached over the network",
    "Check the internet connection of this computer, and its proxy",
)
_SETUP = Meaning(
    ConfigError,
    "The AWS configuration of this computer cannot be used",
    "Check ~/.aws/config and ~/.aws/credentials, or run `aws configure{profile_flag}`",
    quote=True,
)

NOBODY_TO_ASK = Meaning(
    CredentialsError,
    "The AWS profile {profile} wants the code of an MFA device, and there is no terminal to ask for it",
    "Set Profile (--profile) to one that asks for no code, such as one made by `aws configure sso`",
)
NO_REGION = Meaning(
    ConfigError,
    "No AWS region is set",
    "Set Region (--region), such as us-east-1, or set one for good with `aws configure{profile_flag}`",
)
NO_CREDENTIALS = Meaning(
    CredentialsError,
    "No AWS credentials were found on this computer",
    "Run `aws configure{profile_flag}` (or `aws configure sso{profile_flag}`), or set Profile (--profile) to one that "
    "has them",
)
NO_PROFILE = Meaning(
    ConfigError,
    "There is no AWS profile named {profile} on this computer",
    "`aws configure list-profiles` lists them; correct Profile (--profile), or AWS_PROFILE",
)
NOTHING_SET_UP = Meaning(
    CredentialsError,
    "AWS is not set up on this computer: there are no credentials, and no profile that has any",
    "Run `aws configure --profile {new_profile}` with the access key of your AWS user and a region, and set Profile "
    "(--profile) to {new_profile}; steps 2 and 3 of “Your first render on AWS” in the README lead to that key",
)
NO_PROFILE_CHOSEN = Meaning(
    ConfigError,
    "No AWS profile is chosen, and none is the default on this computer",
    "Set Profile (--profile) to one of these: {profiles}",
)

UNKNOWN_EXCEPTION = Meaning(
    CloudError,
    "The AWS library of Cloudrender failed at {action}: {code}",
    "Please report it with the log (-v)",
)

EXCEPTIONS: dict[str, Meaning] = {
    "NoCredentialsError": NO_CREDENTIALS,
    "PartialCredentialsError": Meaning(
        CredentialsError,
        "The AWS credentials on this computer are incomplete",
        "Run `aws configure{profile_flag}`: the access key id and the secret key belong together",
    ),
    "ProfileNotFound": NO_PROFILE,
    "CredentialRetrievalError": Meaning(
        CredentialsError,
        "The program that provides your AWS credentials failed",
        "Log in with that program again; it is the credential_process in ~/.aws/config",
    ),
    "SSOError": _SSO,
    "TokenRetrievalError": _SSO,
    "LoginError": Meaning(
        CredentialsError,
        "You are not logged in to AWS, or the login has expired",
        "Run `aws login{profile_flag}`, then try again",
    ),
    "MissingDependencyException": Meaning(  # what `aws login` leaves is read by awscrt alone, which is not shipped
        CredentialsError,
        "The AWS profile {profile} is logged in by `aws login`, which Cloudrender cannot read",
        "Give a profile of its own, set as Profile (--profile), this line in ~/.aws/config: "
        "credential_process = aws configure export-credentials{profile_flag}",
    ),
    "RefreshWithMFAUnsupportedError": EXPIRED,
    "NoRegionError": NO_REGION,
    "InvalidRegionError": Meaning(
        ConfigError, "{region} is not an AWS region", "Correct Region (--region): they look like us-east-1"
    ),
    "ConfigParseError": _SETUP,
    "InvalidConfigError": _SETUP,
    "InvalidDefaultsMode": _SETUP,
    "SSLError": Meaning(
        UnreachableError,
        "The encrypted connection to AWS cannot be made",
        "A company proxy may be reading along: set AWS_CA_BUNDLE to its certificate; else check this computer's clock",
    ),
    "ProxyConnectionError": Meaning(
        UnreachableError,
        "The proxy on the way to AWS does not answer",
        "Check HTTPS_PROXY and HTTP_PROXY, or the connection to that proxy",
    ),
    "ResponseParserError": Meaning(
        UnreachableError,
        "Something on the network answers in AWS's place",
        "Log in to the network first (hotel, train), or check the proxy and AWS_ENDPOINT_URL",
    ),
    "ConnectionError": _OFFLINE,
    "HTTPClientError": _OFFLINE,
    "BaseEndpointResolverError": _SETUP,
}
"""By the name of botocore's exception, or of one of its bases."""
