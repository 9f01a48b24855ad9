# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception tree. Every error says its cause in one line and what to do next in another.

Types of boto3 and paramiko never leave `aws/` and `ssh/`: they are turned into these with `raise … from`.

The next step is read in Blender and in a terminal: it names a setting or a command as Blender labels it, followed by
the terminal's word in parentheses: "Subnet (--subnet)", "Copy Policy (`cloudrender policy`)".
"""

from __future__ import annotations


class CloudrenderError(Exception):
    """Carry what a person needs: `message` (the cause, one line), `hint` (the next step, one line).

    `retryable` says whether the same call may succeed later without the user changing anything.
    `details` holds further lines (the end of a log) that are shown below the cause.
    """

    retryable = False

    def __init__(self, message: str, *, hint: str = "", details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details


class UsageError(CloudrenderError):
    """The request itself makes no sense: exit code 2."""


class Cancelled(CloudrenderError):
    """The user asked for the job to end. Raised out of every wait."""

    def __init__(self, message: str = "Cancelled") -> None:
        super().__init__(message)


class Detached(CloudrenderError):
    """This client was asked to let go of the job, which goes on. Raised out of every wait."""

    def __init__(self) -> None:
        super().__init__("Another client goes on with this job")


class ConfigError(CloudrenderError):
    """A setting is unusable (configuration file, environment, flag)."""


class SceneError(CloudrenderError):
    """The .blend is missing, damaged, or cannot be rendered as asked."""


class ProjectError(CloudrenderError):
    """The project folder cannot be sent as it is."""


class MissingFilesError(ProjectError):
    """Files that the .blend uses are not there; `paths` are those that nobody has accepted yet.

    They stand as the trace names them: once all of them are in the job's `accept_missing`, it is rendered without.
    """

    def __init__(self, message: str, *, paths: tuple[str, ...], details: tuple[str, ...]) -> None:
        hint = "Find them with File > External Data > Find Missing Files and save, or render anyway (-y)"
        super().__init__(message, hint=hint, details=details)
        self.paths = paths


class LocalBlenderError(CloudrenderError):
    """The Blender of this computer does not run, or did not find out what a .blend uses; `details` are its last lines.

    The project's folder can be sent instead.
    """


class RecordError(CloudrenderError):
    """A job record is missing, damaged, or in use by another client."""


# -- the cloud account ---------------------------------------------------------------------------------


class CloudError(CloudrenderError):
    """The cloud's interface answered with an error no other class describes better."""


class CredentialsError(CloudError):
    """No, wrong or expired credentials."""


class PermissionsError(CloudError):
    """The credentials lack a right; the message names the IAM action."""


class QuotaError(CloudError):
    """The account may not run that many machines of this kind."""


class CapacityError(CloudError):
    """The cloud has no such machine to give right now."""

    retryable = True


class NotOfferedError(CapacityError):
    """The cloud does not sell such a machine there: waiting for it is no use, another type or region may do."""

    retryable = False


class ImageError(CloudError):
    """The machine image does not exist, or does not fit the machine."""


class AccountError(CloudError):
    """The account is not (yet) allowed to use the service."""


class UnreachableError(CloudError):
    """The cloud's interface cannot be reached over the network."""

    retryable = True


class CleanupError(CloudError):
    """Something rented could not be seen gone. `resources` are the ids that may still cost money."""

    retryable = True

    def __init__(self, message: str, *, resources: tuple[str, ...], hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.resources = resources


# -- the rented machine --------------------------------------------------------------------------------


class MachineError(CloudrenderError):
    """The rented machine did not do what it was rented for."""


class MachineGoneError(MachineError):
    """The machine no longer exists (reclaimed, ended by its own dead-man switch, ended by hand).

    `reclaimed` says that the cloud took it back, or announced to: its type is scarce in its zone at the moment.
    """

    retryable = True

    def __init__(self, message: str, *, hint: str = "", details: tuple[str, ...] = (), reclaimed: bool = False) -> None:
        super().__init__(message, hint=hint, details=details)
        self.reclaimed = reclaimed


class LinkError(MachineError):
    """The connection to the machine broke or cannot be made; the machine itself may be well.

    `refused` says that it was reached, and did not let this computer in.
    """

    retryable = True

    def __init__(self, message: str, *, hint: str = "", details: tuple[str, ...] = (), refused: bool = False) -> None:
        super().__init__(message, hint=hint, details=details)
        self.refused = refused


class HostKeyError(MachineError):
    """Whoever answers is not the machine we started: never retried, nothing is sent."""


class TransferError(MachineError):
    """A file arrived damaged, or what arrived is not what was asked for."""

    retryable = True


# -- the render ----------------------------------------------------------------------------------------


class RenderError(CloudrenderError):
    """Blender could not be brought, crashed, or failed to render; `details` are its last lines."""


class BrokenFrameError(RenderError):
    """What the machine has of a frame is no complete image; the message is a reason to set the frame aside."""


class GpuError(RenderError):
    """The machine has a GPU but Blender does not get it."""
