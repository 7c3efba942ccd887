"""The documented nginx in front of a running stack."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DEPLOY = Path(__file__).parents[3] / "docs" / "operations" / "deploy"
NAME = "roomlog.example.org"
_START_TIMEOUT_S = 30


def required_tool(name: str) -> str:
    """The path of a tool of the system. Missing: failed in CI, skipped elsewhere."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail(f"{name} is missing: CI must have it (see .ci/run)")
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install nginx-light systemd")
    return found


class Nginx:
    """A running nginx with the documented file; only ports, paths and the certificate differ."""

    def __init__(self, folder: Path, port: int, plain_port: int) -> None:
        self.folder = folder
        self.port = port
        self.url = f"https://127.0.0.1:{port}"
        self.plain_url = f"http://127.0.0.1:{plain_port}"
        self.headers = {"Host": f"{NAME}:{port}"}

    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running_nginx(upstream_port: int, **replaced: str) -> Generator[Nginx]:
    """nginx in front of that port. `replaced`: names of `__` for a space, to put other values."""
    program = required_tool("nginx")
    folder = Path(tempfile.mkdtemp(prefix="roomlog-nginx-"))
    folder.chmod(0o755)
    nginx = Nginx(folder, free_port(), free_port())
    site = (DEPLOY / "nginx.conf").read_text()
    for old, new in {
        "listen 80;": f"listen {nginx.plain_url.removeprefix('http://')};",
        "listen 443 ssl": f"listen 127.0.0.1:{nginx.port} ssl",
        "127.0.0.1:8080": f"127.0.0.1:{upstream_port}",
        "/etc/letsencrypt/live/roomlog.example.org/": f"{folder}/",
        "/var/log/nginx/": f"{folder}/",
        **{key.replace("__", " "): value for key, value in replaced.items()},
    }.items():
        assert old in site, old
        site = site.replace(old, new)
    _write_certificate(folder)
    (folder / "site.conf").write_text(site)
    temporary = "".join(
        f"  {kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "main.conf").write_text(
        f"daemon off;\npid {folder}/pid;\nworker_processes 1;\n"
        f"error_log {folder}/main.log warn;\nevents {{}}\n"
        f"http {{\n{temporary}  include {folder}/site.conf;\n}}\n"
    )
    with (folder / "stderr.log").open("w") as stderr:
        process = subprocess.Popen(
            [program, "-e", str(folder / "main.log"), "-c", str(folder / "main.conf")],
            stderr=stderr,
        )
    try:
        _await_listening(process, nginx)
        yield nginx
    finally:
        process.terminate()
        process.wait(_START_TIMEOUT_S)
        shutil.rmtree(folder, ignore_errors=True)


def _await_listening(process: "subprocess.Popen[bytes]", nginx: Nginx) -> None:
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline_s:
        assert process.poll() is None, nginx.logs()
        try:
            socket.create_connection(("127.0.0.1", nginx.port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nginx does not listen: {nginx.logs()}")


def _write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "fullchain.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
