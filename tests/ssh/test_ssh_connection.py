"""Connections to a real sshd: how they are opened, and all the ways the other side can fail."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudrender_addon.backend.cancel import CancelToken
from cloudrender_addon.backend.errors import HostKeyError, LinkError, RecordError
from cloudrender_addon.backend.ssh.connection import SshConnection
from cloudrender_addon.backend.ssh.keys import create_key
from tests.ssh.connection_kit import cancelled_when, run, stalls
from tests.ssh.sshd_helper import Sshd, sshd, until


def test_fast_cipher_long_keys_and_an_attentive_socket(connection: SshConnection) -> None:
    transport = connection._transport
    assert transport.local_cipher == transport.remote_cipher == "aes128-gcm@openssh.com"
    assert transport.packetizer.REKEY_BYTES > 10**12
    sock = transport.sock
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert 0 < sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) < 15_000
    idle, gap, count = (
        sock.getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    )
    assert idle + gap * count < 15


def test_wrong_host_key_is_never_retried_and_nobody_logs_in(own_server: Sshd, tmp_path: Path) -> None:
    other = create_key(tmp_path / "other", comment="")
    with pytest.raises(HostKeyError) as caught:
        own_server.open(host_key=other.public)
    assert not caught.value.retryable
    assert caught.value.hint
    assert "Accepted publickey" not in own_server.log.read_text()


def test_machine_with_another_kind_of_host_key_is_refused(tmp_path: Path) -> None:
    with sshd(tmp_path / "sshd", host_key_type="ecdsa") as server, pytest.raises(HostKeyError):
        server.open()


def test_unknown_key_may_still_be_on_its_way(server: Sshd, tmp_path: Path) -> None:
    stranger = create_key(tmp_path / "stranger", comment="")
    with pytest.raises(LinkError, match="does not let") as caught:
        server.open(key_file=stranger.path)
    assert caught.value.retryable and caught.value.refused


def test_missing_key_file(server: Sshd, tmp_path: Path) -> None:
    with pytest.raises(RecordError):
        server.open(key_file=tmp_path / "none")


@pytest.mark.parametrize("host_key", ["", "ssh-ed25519", "ssh-ed25519 AAA"])
def test_damaged_host_key_in_the_record(server: Sshd, host_key: str) -> None:
    with pytest.raises(RecordError):
        server.open(host_key=host_key)


def test_refused(server: Sshd) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(LinkError, match="refused") as caught:
            server.open(port=unused.getsockname()[1])
    assert not caught.value.refused, "by the system: nobody was reached"


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n" + bytes(40)])
def test_something_else_that_hangs_up(server: Sshd, greeting: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(greeting)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(LinkError):
            server.open(port=listener.getsockname()[1], timeout=5.0)
        thread.join()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-frozen\r\n"])
def test_something_that_never_answers(server: Sshd, greeting: bytes) -> None:
    threads = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peers: list[socket.socket] = []

        def serve() -> None:
            for _ in range(2):
                peers.append(listener.accept()[0])
                peers[-1].sendall(greeting)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(LinkError, match="no answer") as caught:
            server.open(port=port, timeout=0.5)
        assert not caught.value.refused
        assert time.monotonic() - started < 1.5
        with cancelled_when(lambda: len(peers) == 2) as cancel:
            server.open(port=port, cancel=cancel, timeout=30.0)
        thread.join()
        for peer in peers:
            peer.close()
    until(lambda: threading.active_count() <= threads, what="no thread to be left behind")


def test_address_that_drops_packets(server: Sshd) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]  # the queue is full: further packets are dropped
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        started = time.monotonic()
        with cancelled_when(lambda: time.monotonic() - started > 0.2) as cancel:
            server.open(port=full.getsockname()[1], cancel=cancel, timeout=30.0)
        for sock in waiting:
            sock.close()


def test_frozen_machine_is_noticed(own_server: Sshd) -> None:
    connection = own_server.open()
    lines = connection.stream_lines(
        "while echo tick; do sleep 0.05; done", task="It", silence_seconds=0.5, cancel=CancelToken()
    )
    next(lines)
    own_server.freeze_sessions()
    started = time.monotonic()
    with pytest.raises(LinkError, match=r"not answered for 0\.5 s"):
        for _ in lines:
            pass
    assert time.monotonic() - started < 2
    with pytest.raises(LinkError):
        run(connection, "true", silence=0.5)
    assert time.monotonic() - started < 4
    connection.close()


def test_frozen_machine_is_noticed_while_sending(own_server: Sshd) -> None:
    connection = own_server.open()

    def endless(send: Callable[[memoryview], None]) -> None:
        own_server.freeze_sessions()
        while True:
            send(memoryview(bytes(30_000)))

    started = time.monotonic()
    with pytest.raises(LinkError):
        connection.write_stream("cat >/dev/null", endless, silence_seconds=0.5, cancel=CancelToken())
    assert time.monotonic() - started < 4
    connection.close()


@pytest.mark.parametrize("command", ["exec sleep 60", "exec cat", "exec cat /dev/zero"])
def test_killed_machine_is_noticed_at_once(own_server: Sshd, command: str, capfd: pytest.CaptureFixture[str]) -> None:
    connection = own_server.open()
    killed_at: list[float] = []

    def kill() -> None:
        until(lambda: len(own_server.sessions()) >= 2, what="the command to run")
        killed_at.append(time.monotonic())
        own_server.kill_sessions()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(LinkError):
        for _ in connection.read_stream(command, task="It", silence_seconds=60, cancel=CancelToken()):
            pass
    assert time.monotonic() - killed_at[0] < 2
    killer.join()
    connection.close()
    assert capfd.readouterr().err == ""


def test_close_frees_whoever_is_stuck(own_server: Sshd) -> None:
    threads = threading.active_count()
    connection = own_server.open()
    sent: list[float] = []
    ended: list[BaseException] = []

    def endless(send: Callable[[memoryview], None]) -> None:
        own_server.freeze_sessions()
        while True:
            send(memoryview(bytes(30_000)))
            sent.append(time.monotonic())

    def work() -> None:
        try:
            connection.write_stream("cat >/dev/null", endless, silence_seconds=60, cancel=CancelToken())
        except LinkError as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    until(stalls(sent), what="the buffers to fill")
    started = time.monotonic()
    connection.close()
    assert time.monotonic() - started < 0.2
    thread.join(2)
    assert ended
    connection.close()
    with pytest.raises(LinkError):
        run(connection, "true")
    until(lambda: threading.active_count() <= threads, what="no thread to be left behind")
