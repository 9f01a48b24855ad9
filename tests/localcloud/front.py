# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in's HTTP front: the AWS API (moto's, behind the faults), the caller's address, Blender's releases."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode

from tests.localcloud.faults import Call, Faults, render
from tests.localcloud.firewall import HOME
from tests.localcloud.fleets import Answer, Fleets
from tests.localcloud.mirror import Mirror
from tests.localcloud.price_list import get_products
from tests.localcloud.quotas import Quotas
from tests.localcloud.rights import Rights
from tests.localcloud.serving import Serving

_IP_PATH = "/standin/ip"
_RELEASE_PATH = "/standin/release"

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]
Start = Callable[[str, list[tuple[str, str]]], Any]


class Action(NamedTuple):
    """A call that was made: what an IAM policy has to allow."""

    service: str
    action: str


class Front:
    """Serves on a free port of 127.0.0.1 until `close`. `calls` is every API call in order, failed ones too."""

    def __init__(self, *, faults: Faults, rights: Rights, quotas: Quotas, mirror: Mirror) -> None:
        from moto.moto_server.werkzeug_app import (
            DomainDispatcherApplication,
            MotoRequestHandler,
            create_backend_app,
        )
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.calls: list[Action] = []
        self._faults = faults
        self.caller = HOME
        self._answerers = (faults.answer, rights.answer, quotas.answer)

        def refuse(launches: Sequence[Call]) -> list[Answer | None]:
            faulty = faults.launches(launches)
            return [
                fault or rights.answer(launch) or quotas.launch(launch)
                for fault, launch in zip(faulty, launches, strict=True)
            ]

        self._fleets = Fleets(refuse=refuse, run=self._run)
        self._mirror = mirror
        self._moto = one_at_a_time(DomainDispatcherApplication(create_backend_app))
        self._closed = False
        handler = type("Quiet", (MotoRequestHandler,), {"log_request": lambda *_: None})
        server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=handler)
        self.url = f"http://127.0.0.1:{server.port}"
        self.checkip_url = self.url + _IP_PATH
        self.mirror_url = self.url + _RELEASE_PATH
        self._serving = Serving(server)

    def close(self) -> None:
        """Stop serving."""
        self._closed = True
        self._serving.stop()

    def _answer(self, environ: Environ, start: Start) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if self._closed:  # a connection kept alive by a client outlives the server
            return _send(start, HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"")
        if path == _IP_PATH:
            return _send(start, 200, "text/plain", self.caller.encode() + b"\n")
        if path.startswith(_RELEASE_PATH + "/"):
            return _send(start, *self._mirror.get(path.removeprefix(_RELEASE_PATH)))
        call = _identify(environ)
        if call is None:
            return self._moto(environ, start)
        self.calls.append(Action(call.service, call.action))
        if self._faults.passing(call, answered=False):
            return _send(start, HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"")
        heads: list[tuple[str, list[tuple[str, str]]]] = []
        body = self._answer_call(call, environ, lambda status, headers, *_: heads.append((status, headers)))
        if self._faults.passing(call, answered=True):
            return _send(start, HTTPStatus.SERVICE_UNAVAILABLE, "text/plain", b"")
        start(*heads[-1])
        return body

    def _answer_call(self, call: Call, environ: Environ, start: Start) -> Iterable[bytes]:
        for answerer in self._answerers:
            if answer := answerer(call):
                return _send(start, *answer)
        if call.action == "CreateFleet":
            region = environ["HTTP_AUTHORIZATION"].split("/")[2]
            return _send(start, *self._fleets.answer(call, environ, region=region))
        if call.service == "pricing":
            return _send(start, *_tell_prices(call))
        return self._moto(environ, start)

    def _run(self, call: Call, environ: Environ) -> Answer:
        return ask(self._moto, call, environ)


def one_at_a_time(application: Application) -> Application:
    """Let one request after another into moto, whose tables change while other threads go through them."""
    lock = threading.Lock()

    def answer(environ: Environ, start: Start) -> list[bytes]:
        with lock:
            return [b"".join(application(environ, start))]

    return answer


def ask(application: Application, call: Call, environ: Environ) -> Answer:
    """Put another call in the place of a request's own, and return the answer."""
    fields = {"Action": call.action, "Version": call.parameters.get("Version", "2016-11-15"), **call.parameters}
    body = urlencode({**fields, "Action": call.action}).encode()
    head: list[str] = []
    changed = {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    for name in ("werkzeug.request", "werkzeug.socket"):
        changed.pop(name, None)
    chunks = application(changed, lambda status, headers, *_: head.extend((status, str(headers))))
    return int(head[0].split()[0]), "text/xml;charset=UTF-8", b"".join(chunks)


def _send(start: Start, status: int, content_type: str, body: bytes) -> list[bytes]:
    headers = [("Content-Type", content_type), ("Content-Length", str(len(body)))]
    start(f"{int(status)} {HTTPStatus(status).phrase}", headers)
    return [body]


def _tell_prices(call: Call) -> tuple[int, str, bytes]:
    """Answer a call of the Price List API, which moto has not."""
    try:
        if call.action != "GetProducts":
            raise ValueError(f"The stand-in does not know {call.action}")
        answer = get_products(call.parameters)
    except ValueError as error:
        return render(call, "InvalidParameterException", str(error))
    return HTTPStatus.OK, "application/x-amz-json-1.1", json.dumps(answer).encode()


def _identify(environ: Environ) -> Call | None:
    """Return the AWS call a request is; None for S3's, which has no action and may have a large body."""
    scope = environ.get("HTTP_AUTHORIZATION", "").split("/")  # …Credential=KEY/DATE/REGION/SERVICE/aws4_request
    service = scope[3] if len(scope) > 4 else ""
    if service == "s3":
        return None
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        action = target.rpartition(".")[2]
        return Call(service=service, action=action, protocol="json", parameters=json.loads(body or b"{}"))
    form = parse_qs(body.decode("utf-8", errors="replace"), keep_blank_values=True)
    if "Action" in form:
        protocol = "ec2" if service == "ec2" else "query"
        parameters = {name: values[0] for name, values in form.items()}
        return Call(service=service, action=form["Action"][0], protocol=protocol, parameters=parameters)
    return None
