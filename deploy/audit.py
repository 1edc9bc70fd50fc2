"""`make audit`: what this software is made of (an SBOM), and which of it is known to be vulnerable.

The SBOM is CycloneDX, made from the lock that images are built from; it needs no network. Advisories are asked of PyPI's own service
by pip-audit, or of OSV with `--service osv`. Where neither can be reached nothing is known, and that is an error, not a success:
exit code 2. Exit code 1: something is known to be vulnerable, or the lock is not what it should be.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
TOOLS: Final = ROOT / ".venv" / "audit-tools"
PACKAGES: Final = ("pip-audit==2.10.1", "cyclonedx-bom==7.5.0")
LOCKS: Final = (ROOT / "requirements.lock", ROOT / "deploy" / "compose" / "requirements.lock")
SBOM: Final = ROOT / "dist" / "slugline.cdx.json"
VULNERABLE, UNKNOWN = 1, 2
_PINNED: Final = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?==(?P<version>[^ ;\\]+)")


def main(arguments: Sequence[str]) -> int:
    """Write the SBOM, check the locks and ask for advisories; the worst of it is the exit code."""
    service = arguments[arguments.index("--service") + 1] if "--service" in arguments else "pypi"
    faults = [fault for lock in LOCKS for fault in lock_faults(lock)]
    for fault in faults:
        _say(f"lock: {fault}")
    _install()
    components = write_sbom()
    _say(f"SBOM: {components} components in {SBOM.relative_to(ROOT)} (CycloneDX)")
    if "--sbom-only" in arguments:
        return VULNERABLE if faults else 0
    found = _ask(service)
    return VULNERABLE if faults and found == 0 else found


def lock_faults(lock: Path) -> list[str]:
    """Say what a lock lacks: every requirement must be pinned to a version with hashes, and name no place to get it from."""
    text = lock.read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[^\s#])", "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")))
    faults = []
    for entry in (entry.strip() for entry in entries):
        if entry and not _PINNED.match(entry):
            faults.append(f"{lock.name}: {entry.splitlines()[0]} is not pinned to a version")
        elif entry and "--hash=sha256:" not in entry:
            faults.append(f"{lock.name}: {entry.splitlines()[0]} has no hash")
    return faults


def write_sbom() -> int:
    """Make the SBOM of the image's lock, valid by the standard's schema; gives how many components it has."""
    SBOM.parent.mkdir(exist_ok=True)
    project = ("--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "application")
    made = ("--output-reproducible", "--output-format", "JSON", "--validate", "--output-file", str(SBOM))
    _run([str(TOOLS / "bin" / "cyclonedx-py"), "requirements", str(LOCKS[1]), *project, *made])
    return len(json.loads(SBOM.read_text(encoding="utf-8"))["components"])


def _ask(service: str) -> int:
    """Ask for advisories of all that is pinned. What the service does not know is no proof that it is well."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        command = [
            str(TOOLS / "bin" / "pip-audit"),
            "--requirement",
            str(LOCKS[0]),
            "--no-deps",
            "--disable-pip",
            "--vulnerability-service",
        ]
        options = ["--progress-spinner", "off", "--format", "json", "--output", str(answer)]
        done = subprocess.run([*command, service, *options], capture_output=True, text=True, check=False)  # noqa: S603 - ours, pinned above
        if not answer.exists():
            _say(f"advisories: {service} did not answer, so nothing is known:\n{done.stderr.strip().splitlines()[-1:]}")
            return UNKNOWN
        dependencies = json.loads(answer.read_text(encoding="utf-8"))["dependencies"]
    return judge(dependencies, service)


def judge(dependencies: Sequence[dict[str, object]], service: str) -> int:
    """Tell what an answer of pip-audit means, and give the exit code."""
    skipped = [one for one in dependencies if "skip_reason" in one]
    vulnerable = [one for one in dependencies if one.get("vulns")]
    for one in vulnerable:
        for advisory in one["vulns"]:  # type: ignore[attr-defined]
            mended = ", ".join(advisory["fix_versions"]) or "no version yet"
            _say(f"advisories: {one['name']} {one['version']}: {advisory['id']}, mended in {mended}")
    asked = len(dependencies) - len(skipped)
    _say(f"advisories: {asked} of {len(dependencies)} packages looked up at {service}, {len(vulnerable)} of them vulnerable")
    if vulnerable:
        return VULNERABLE
    if skipped or not dependencies:
        _say(
            f"advisories: {len(skipped)} packages were not found there, so nothing is known of them. From behind a mirror without "
            "advisories, run it where PyPI itself, or OSV (--service osv), can be reached, and keep its output"
        )
        return UNKNOWN
    return 0


def _install() -> None:
    stamp = TOOLS / ".installed"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == " ".join(PACKAGES):
        return
    _run([sys.executable, "-m", "venv", str(TOOLS)])
    _run([str(TOOLS / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *PACKAGES])
    stamp.write_text(" ".join(PACKAGES), encoding="utf-8")


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - programs of ours, pinned above
    if done.returncode:
        _say(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-2_000:]}")
        sys.exit(UNKNOWN)


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
