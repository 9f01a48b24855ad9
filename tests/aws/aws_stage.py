# SPDX-License-Identifier: GPL-3.0-or-later
"""A small AWS for the unit tests: moto's server, behind a front that records calls and plays faults.

It adds what these tests need and moto lacks: idempotent launches, the `client-token` filter, the public image
parameters, the stand-in cloud's on-demand prices, rights and quotas. Tests get it as the fixture `aws`.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

from cloudrender_addon.backend.aws.images import NVIDIA_PARAMETER, PLAIN_PARAMETER
from cloudrender_addon.backend.aws.session import Account
from tests.localcloud.faults import Call, render
from tests.localcloud.fleets import Fleets, delete_template
from tests.localcloud.front import ask, one_at_a_time
from tests.localcloud.price_list import get_products
from tests.localcloud.quotas import Quotas
from tests.localcloud.rights import Rights

REGION = "us-east-1"
MACHINE = "g4dn.xlarge"
CALLER = "203.0.113.7"
OWNER = "123456789012"
SECRET = "s3cr3t-value"


@dataclass
class Fault:
    """What happens to the next `times` calls of an action (those that `when` accepts).

    `code` is answered with that HTTP `status` (a number: with that status and no words that AWS would use); without a
    code the call gets `body`. `after` lets moto do the work
    first, so that only its answer is lost. `hang_up`: the connection ends without a word.
    """

    action: str
    code: str = ""
    message: str = "injected"
    status: int = 400
    body: str = ""
    hang_up: bool = False
    times: int = 1
    after: bool = False
    when: Callable[[dict[str, str]], bool] = lambda parameters: True


class Front:
    """The WSGI application in front of moto's."""

    def __init__(self, app: Any) -> None:
        self._app = one_at_a_time(app)
        self.faults: list[Fault] = []
        self.rights, self.quotas = Rights(), Quotas()
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.caller = CALLER
        self.endpoint = ""
        self.account: Account | None = None
        self._launched: dict[str, tuple[str, list[tuple[str, str]], list[bytes]]] = {}
        self._fleets = self._new_fleets()
        self._lock = threading.Lock()

    def reset(self) -> None:
        self.faults.clear()
        self.rights, self.quotas = Rights(), Quotas()
        self.calls.clear()
        self._launched.clear()
        self._fleets = self._new_fleets()
        self.caller = CALLER

    def _new_fleets(self) -> Fleets:
        return Fleets(refuse=self._refuse, run=lambda call, environ: ask(self._app, call, environ))

    def _refuse(self, launches: Sequence[Call]) -> list[tuple[int, str, bytes] | None]:
        """Say which launches of a fleet are refused. A fault of RunInstances meets all that it is about, once."""
        with self._lock:
            self.calls += [("ec2:RunInstances", each.parameters) for each in launches]
            met = [f for f in self.faults if f.times and f.action == "ec2:RunInstances"][:1]
            for fault in met:
                fault.times -= 1
        return [
            next((render(each, f.code, f.message) for f in met if f.when(each.parameters)), None)
            or self.rights.answer(each)
            or self.quotas.launch(each)
            for each in launches
        ]

    def actions(self) -> list[str]:
        return [action for action, _ in self.calls]

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Any:
        if environ["PATH_INFO"] == "/checkip":
            start("200 OK", [("Content-Type", "text/plain")])
            return [f"{self.caller}\n".encode()]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        action, parameters = _read_call(environ, body)
        with self._lock:
            self.calls.append((action, parameters))
            fault = next((f for f in self.faults if f.times and f.action == action and f.when(parameters)), None)
            if fault:
                fault.times -= 1
        if fault:
            if fault.hang_up:
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            if fault.after:
                self._work(environ, parameters)
            return _answer(fault, start, is_json="HTTP_X_AMZ_TARGET" in environ or action.startswith("sso:"))
        service, _, name = action.partition(":")
        protocol = "json" if "HTTP_X_AMZ_TARGET" in environ else "ec2" if service == "ec2" else "query"
        call = Call(service=service, action=name, protocol=protocol, parameters=parameters)
        if answer := self.rights.answer(call) or self.quotas.answer(call):
            start(f"{int(answer[0])} Answered", [("Content-Type", answer[1])])
            return [answer[2]]
        if action == "pricing:GetProducts":
            start("200 OK", [("Content-Type", "application/x-amz-json-1.1")])
            return [json.dumps(get_products(parameters)).encode()]
        status, headers, chunks = self._work(environ, parameters)
        start(status, headers)
        return chunks

    def _work(self, environ: WSGIEnvironment, parameters: dict[str, str]) -> Any:
        if parameters.get("Action") == "CreateFleet":
            call = Call(service="ec2", action="CreateFleet", protocol="ec2", parameters=parameters)
            status, kind, body = self._fleets.answer(call, environ, region=REGION)
            return f"{int(status)} Answered", [("Content-Type", kind)], [body]
        token = parameters.get("ClientToken")
        if token in self._launched:  # as on AWS: the same token is answered with the same machine
            return self._launched[token]
        head: list[Any] = []
        chunks = list(self._app(environ, lambda status, headers, *_: head.extend((status, headers))))
        if token and head[0].startswith("200"):
            self._launched[token] = (head[0], head[1], chunks)
        return head[0], head[1], chunks


def _read_call(environ: WSGIEnvironment, body: bytes) -> tuple[str, dict[str, str]]:
    if "HTTP_AUTHORIZATION" not in environ:  # what logs one in
        return f"sso:{environ['PATH_INFO']}", {}
    # …Credential=KEY/DATE/REGION/SERVICE/aws4_request: the service by the name that IAM gives it.
    service = environ["HTTP_AUTHORIZATION"].split("/")[3]
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return f"{service}:{target.rpartition('.')[2]}", json.loads(body)
    parameters = dict(parse_qsl(body.decode()))
    return f"{service}:{parameters.get('Action')}", parameters


def _answer(fault: Fault, start: StartResponse, *, is_json: bool) -> list[bytes]:
    if not fault.code:
        start("200 OK", [("Content-Type", "text/xml")])
        return [fault.body.encode()]
    if fault.code.isdigit():
        start(f"{fault.code} Injected", [("Content-Type", "text/html")])
        return [b"<html>The way to AWS is blocked</html>"]
    if is_json:
        text = json.dumps({"__type": fault.code, "message": fault.message})
    else:
        text = (
            f"<Response><Errors><Error><Code>{fault.code}</Code><Message>{fault.message}</Message></Error></Errors>"
            "<RequestID>11111111-2222-3333-4444-555555555555</RequestID></Response>"
        )
    start(f"{fault.status} Injected", [("Content-Type", "application/json" if is_json else "text/xml")])
    return [text.encode()]


@dataclass
class Stage:
    """The running server, and the fresh account that one test has on it."""

    front: Front
    images: dict[str, str]
    home: Path

    @property
    def checkip_url(self) -> str:
        return f"{self.front.endpoint}/checkip"

    def account(self) -> Account:
        """The account; its clients, slow to make, are shared by all tests on one server."""
        if self.front.account is None:
            self.front.account = Account(profile=None, region=REGION)
        return self.front.account

    def fault(self, action: str, code: str = "", **more: Any) -> Fault:
        fault = Fault(action=action, code=code, **more)
        self.front.faults.append(fault)
        return fault

    def count(self, action: str) -> int:
        return self.front.actions().count(action)

    @property
    def backend(self) -> Any:
        from moto.backends import get_backend

        return get_backend("ec2")[OWNER][REGION]

    def everything(self) -> dict[str, list[str]]:
        """What exists in the account, whatever its tags."""
        backend = self.backend
        return {
            "instances": [i.id for i in backend.all_instances() if i.state != "terminated"],
            "volumes": list(backend.volumes),
            "templates": list(backend.launch_template_name_to_ids),
            "keys": list(backend.key_pairs),
            "groups": [
                group.id for groups in backend.groups.values() for group in groups.values() if group.name != "default"
            ],
        }


EMPTY: dict[str, list[str]] = {"instances": [], "volumes": [], "templates": [], "keys": [], "groups": []}


@contextlib.contextmanager
def serve() -> Iterator[Front]:
    """Run the server, in this process, until the block ends."""
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # 6 s
    from moto.ec2 import utils
    from moto.ec2.models import EC2Backend
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    front = Front(DomainDispatcherApplication(create_backend_app))
    httpd = make_server("127.0.0.1", 0, front, threaded=True)
    front.endpoint = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        deleting = delete_template(EC2Backend.delete_launch_template)
        patch.setattr(EC2Backend, "delete_launch_template", deleting)
        patch.setitem(utils.filter_dict_attribute_mapping, "client-token", "client_token")
        yield front
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def open_stage(front: Front, *, monkeypatch: pytest.MonkeyPatch, home: Path) -> Stage:
    """Give one test an empty account, and an environment that points at it; `home` holds the AWS configuration."""
    from moto.backends import get_backend
    from moto.moto_api._internal import moto_api_backend
    from moto.ssm.models import Parameter

    moto_api_backend.reset()
    front.reset()
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in {
        "AWS_ENDPOINT_URL": front.endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_CONFIG_FILE": str(home / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    # botocore's pauses between attempts are random and up to 8 s; that it makes them is its own business.
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda self, context: 0.0)
    ec2, ssm = (get_backend(name)[OWNER][REGION] for name in ("ec2", "ssm"))
    stage = Stage(front=front, images={}, home=home)
    for parameter, size in ((NVIDIA_PARAMETER, 75), (PLAIN_PARAMETER, 8)):
        image = stage.images[parameter] = register_image(ec2, name=parameter.split("/")[3], size_gb=size)
        value = Parameter(OWNER, parameter, image, "String", None, None, None, 0, 1, None)
        ssm._parameters[parameter].append(value)
    return stage


def register_image(
    ec2: Any,
    *,
    name: str,
    size_gb: int,
    architecture: str = "x86_64",
    root_device: str = "/dev/sda1",
    disk: str = "/dev/sda1",
) -> str:
    """Put an image into moto's EC2 `ec2`, and return its id. moto gives every image a disk of 15 GB."""
    from moto.ec2.models.amis import Ami

    class SizedImage(Ami):  # type: ignore[misc]
        block_device_mappings = [{"DeviceName": disk, "Ebs": {"VolumeSize": size_gb}}]  # noqa: RUF012 - read only

    image_id = f"ami-{zlib.crc32(f'{name} {size_gb}'.encode()):017x}"
    ec2.amis[image_id] = SizedImage(
        ec2,
        image_id,
        name=name,
        description=name,
        architecture=architecture,
        root_device_name=root_device,
        virtualization_type="hvm",
    )
    return image_id
