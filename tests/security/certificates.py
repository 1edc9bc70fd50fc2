"""An authority and certificates of its own, made with openssl for a test session."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Authority:
    """A folder with `ca.pem` and what it has signed."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    def sign(self, name: str, subject_names: str = "IP:127.0.0.1") -> tuple[Path, Path]:
        """Make a key and a certificate for it; gives (certificate, key), both PEM."""
        key, request, signed = (self.folder / f"{name}.{end}" for end in ("key", "csr", "pem"))
        _openssl("req", "-new", *_KEY, "-keyout", str(key), "-out", str(request), "-subj", f"/CN={name}")
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={subject_names}\n")
        signer = ("-CA", str(self.certificate), "-CAkey", str(self.folder / "ca.key"), "-CAcreateserial", "-days", "2")
        _openssl("x509", "-req", "-in", str(request), *signer, "-extfile", str(extensions), "-out", str(signed))
        return signed, key


def make_authority(folder: Path) -> Authority:
    folder.mkdir(parents=True, exist_ok=True)
    own = ("-keyout", str(folder / "ca.key"), "-out", str(folder / "ca.pem"), "-subj", "/CN=made up for a test", "-days", "2")
    _openssl("req", "-x509", *_KEY, *own, "-addext", "basicConstraints=critical,CA:TRUE")
    return Authority(folder)


_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
