# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's AWS account as Cloudrender sees it: one session, one client per service, made when first needed."""

from __future__ import annotations

import contextlib
import os
import threading
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from ... import __version__
from ..errors import CloudrenderError
from .errors import Subject, explained, translated
from .exceptions import NO_CREDENTIALS, NO_REGION

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ssm import SSMClient
    from mypy_boto3_sts import STSClient

    from .codes import Meaning


class Account:
    """An account in one region. None for `profile` or `region` means: as the AWS configuration says.

    Clients may be used from several threads. Importing boto3 and making the first client takes about a second
    of CPU: call `warm_up` from a thread early.
    """

    def __init__(self, *, profile: str | None, region: str | None) -> None:
        self._profile = profile
        self._region = region
        self._lock = threading.RLock()  # boto3 sessions must not be used from two threads at once
        self._session: Any = None
        self._clients: dict[str, Any] = {}

    @property
    def profile(self) -> str:
        """The name of the profile, "" where none was chosen."""
        return self._profile or os.environ.get("AWS_PROFILE", "")

    @property
    def region(self) -> str:
        """The region everything happens in. Raises `ConfigError`, `CredentialsError` when none is set anywhere."""
        if self._region is None:
            self._region = self._open().region_name
        if not self._region:
            # Who has neither needs the one step that sets both.
            raise self.problem(NO_REGION if self._has_credentials() else NO_CREDENTIALS)
        return self._region

    @property
    def ec2(self) -> EC2Client:
        """The EC2 client. Raises `ConfigError`, `CredentialsError`."""
        client: EC2Client = self._client("ec2")
        return client

    @property
    def ssm(self) -> SSMClient:
        """The SSM client, for the public parameters that name images. Raises like `ec2`."""
        client: SSMClient = self._client("ssm")
        return client

    @property
    def sts(self) -> STSClient:
        """The STS client, which tells who calls. Raises like `ec2`."""
        client: STSClient = self._client("sts")
        return client

    @property
    def service_quotas(self) -> Any:
        """The Service Quotas client. Raises like `ec2`."""
        return self._client("service-quotas")

    @property
    def kms(self) -> Any:
        """The client of KMS, for the keys of disks. Raises like `ec2`."""
        return self._client("kms")

    @property
    def pricing(self) -> Any:
        """The Price List client. Raises like `ec2`."""
        # Prices of all regions are told in three of them: https://docs.aws.amazon.com/general/latest/gr/billing.html
        return self._client("pricing", region="us-east-1")

    def at(self, region: str | None) -> Account:
        """Return the same account in another region; None is this one."""
        if region is None or region == self._region:
            return self
        elsewhere = Account(profile=self._profile, region=region)
        elsewhere._lock, elsewhere._session = self._lock, self._open()  # which no two threads may use at once
        return elsewhere

    def warm_up(self) -> None:
        """Do the slow part of the first call. Never raises: an error comes again there, where somebody hears it."""
        with contextlib.suppress(CloudrenderError):
            _ = self.ec2, self.ssm

    def calling(
        self,
        action: str,
        *,
        machine: str = "",
        on_demand: bool = False,
        vcpus: int = 0,
        image: str = "",
        subnet: str = "",
    ) -> AbstractContextManager[None]:
        """Translate what botocore raises inside the block; see `errors.translated`."""
        about = self._about(machine=machine, on_demand=on_demand, vcpus=vcpus, image=image, subnet=subnet)
        return translated(action, about=about)

    def problem(self, meaning: Meaning) -> CloudrenderError:
        """Return the error for something that is wrong with the account and that AWS does not call an error."""
        return explained(meaning, about=self._about())

    def _about(self, **more: Any) -> Subject:
        return Subject(region=self._region or "", profile=self.profile, **more)

    def _client(self, service: str, *, region: str | None = None) -> Any:
        with self._lock:
            if service not in self._clients:
                from botocore.config import Config  # noqa: PLC0415 - slow, see the class

                config = Config(
                    connect_timeout=5,
                    read_timeout=20,
                    retries={"mode": "standard", "total_max_attempts": 4},
                    user_agent_extra=f"cloudrender/{__version__}",
                )
                region = region or self.region
                with self.calling(f"{service}:*"):
                    self._clients[service] = self._open().client(service, region_name=region, config=config)
            return self._clients[service]

    def _has_credentials(self) -> bool:
        with self._lock, self.calling("sts:*"):
            return self._open().get_credentials() is not None

    def _open(self) -> Any:
        with self._lock:
            if self._session is None:
                import boto3  # noqa: PLC0415 - slow, see the class

                with self.calling("sts:*"):
                    self._session = boto3.Session(profile_name=self._profile, region_name=self._region)
            return self._session
