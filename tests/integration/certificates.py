"""Certificates made on the fly with openssl: an authority, and what it vouches for."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


class Authority:
    """A certificate authority in ``directory``; ``file`` is what clients trust."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        if shutil.which("openssl") is None:
            if os.environ.get("CI"):
                pytest.fail("openssl is not installed")
            pytest.skip("openssl is not installed")
        self.file, self._key = directory / f"{name}.pem", directory / f"{name}.key"
        _openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN=test {name}"),
            *("-addext", "keyUsage=critical,keyCertSign", "-keyout", self._key, "-out", self.file),
        )

    def vouch(self, name: str, *, host: str = "127.0.0.1") -> tuple[Path, Path]:
        """Return the files of a certificate for the address ``host`` and of its key (PKCS #8)."""
        request, certificate, key = (self.file.with_name(f"{name}.{kind}") for kind in ("csr", "pem", "key"))
        extensions = self.file.with_name(f"{name}.ext")
        extensions.write_text(f"subjectAltName=IP:{host}\n")
        _openssl(
            "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request
        )
        _openssl(
            *("x509", "-req", "-days", "2", "-CA", self.file, "-CAkey", self._key, "-CAcreateserial"),
            *("-extfile", extensions, "-in", request, "-out", certificate),
        )
        return certificate, key


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)
