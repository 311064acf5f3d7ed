"""Certificates: one that is never used, as text; and real ones, made by openssl for a test alone."""

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.peers import installed

__all__ = ["A_CERTIFICATE", "A_KEY", "Authority"]

A_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n"
A_KEY = "-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----\n"

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n"


@dataclass(frozen=True)
class Authority:
    """An authority of its own, in a folder; made by `openssl`, without which the test is skipped."""

    folder: Path

    def __post_init__(self) -> None:
        installed("openssl")
        self.folder.mkdir(parents=True)
        self._run(
            "req",
            "-x509",
            *_KEY,
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-days",
            "2",
            "-subj",
            f"/CN={self.folder.name}",
        )

    @property
    def file(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self, name: str, *, days: int = 2) -> tuple[Path, Path]:
        """A certificate for loopback, and its key. With `days=-1` it has expired."""
        self._run("req", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (self.folder / "names").write_text(_NAMES)
        self._run(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", str(days), "-extfile", "names", "-out", f"{name}.pem",
        )  # fmt: skip
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def server(self, *, days: int = 2, asks: bool = False) -> ssl.SSLContext:
        """A server's TLS settings; with `asks` it wants a certificate of this authority from its clients."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.issue("localhost", days=days))
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.file)
        return context

    def itself(self, *names: str, is_leaf: bool = False) -> ssl.SSLContext:
        """A server that shows a certificate which vouches for itself; `file` has it.

        It is marked as an authority, as Docker's instructions make it, unless it `is_leaf`. Its common name is `localhost`.
        """
        more = ["-addext", f"subjectAltName={','.join(names)}"] if names else []
        more += ["-addext", "basicConstraints=CA:FALSE"] if is_leaf else []
        subject = ("-days", "2", "-subj", "/CN=localhost")
        self._run("req", "-x509", *_KEY, "-keyout", "ca.key", "-out", "ca.pem", *subject, *more)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.folder / "ca.key")
        return context

    def _run(self, *arguments: str) -> None:
        subprocess.run(
            [shutil.which("openssl") or "openssl", *arguments], check=True, capture_output=True, cwd=self.folder
        )
