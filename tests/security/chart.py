"""The chart's manifests as a cluster carries them out: each container with its environment, secrets looked up and files laid."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deploy.helm.check import TOOLS, WORKLOADS
from deploy.helm.generate import CHART
from shared.kafka.acls import Rule
from shared.settings import PREFIX

HELM = shutil.which("helm") or (str(TOOLS / "bin" / "helm") if (TOOLS / "bin" / "helm").exists() else None)
"""Installed, or fetched by `make deploy-check`."""
_KINDS = {"transactionalId": "transactional-id"}


@dataclass(frozen=True)
class Container:
    """One container of a pod: what it runs, and its settings by their names in the code."""

    arguments: list[str]
    settings: Mapping[str, str]

    async def run(self) -> tuple[int, str]:
        """Run it to its end with its environment alone; give its exit code and what it said."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "deploy.cli",
            *self.arguments,
            env=environment | {f"{PREFIX}{name.upper()}": value for name, value in self.settings.items()},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()


class Release:
    """A rendered chart in a namespace with secrets. A secret or key that is not there is a KeyError, as it holds a pod up."""

    def __init__(self, folder: Path, values: Mapping[str, Any], secrets: Mapping[str, Mapping[str, str]]) -> None:
        assert HELM is not None
        file = folder / "values.yaml"
        file.write_text(yaml.safe_dump(dict(values)))
        command = [HELM, "template", "slugline", str(CHART), "--namespace", "news", "--values", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.documents: list[dict[str, Any]] = [one for one in yaml.safe_load_all(done.stdout) if one]
        self._folder = folder
        self._secrets = secrets

    def service(self, name: str) -> Container:
        """Give a service's container, or the operator's."""
        [container] = self._containers(name, "containers")
        return container

    def waits(self, name: str) -> list[Container]:
        """Give what a service's pod waits with."""
        return list(self._containers(name, "initContainers"))

    def job(self) -> list[Container]:
        """Give what prepares topics and database, in its order."""
        return [*self._containers("prepare", "initContainers"), *self._containers("prepare", "containers")]

    def rules(self) -> set[Rule]:
        """Give the permissions of the KafkaUsers as the broker has them."""
        return {
            Rule(
                f"User:{user['metadata']['name']}",
                _KINDS.get(acl["resource"]["type"], acl["resource"]["type"]),
                acl["resource"].get("name", "kafka-cluster"),
                operation,
                acl["resource"].get("patternType") == "prefix",
            )
            for user in self.documents
            if user["kind"] == "KafkaUser"
            for acl in user["spec"]["authorization"]["acls"]
            for operation in acl["operations"]
        }

    def _containers(self, component: str, kind: str) -> Iterator[Container]:
        [workload] = [
            one
            for one in self.documents
            if one["kind"] in {*WORKLOADS, "Job"} and one["metadata"]["labels"]["app.kubernetes.io/component"] == component
        ]
        pod = workload["spec"]["template"]["spec"]
        places = {volume["name"]: self._laid(component, volume["secret"]["secretName"]) for volume in pod["volumes"] if "secret" in volume}
        for container in pod.get(kind, ()):
            mounted = {one["mountPath"]: str(places[one["name"]]) for one in container["volumeMounts"] if one["name"] in places}
            settings = {}
            for variable in container["env"]:
                value = self._value(variable, f"{workload['metadata']['name']}-0")
                for path, place in mounted.items():
                    value = value.replace(f"{path}/", f"{place}/")
                settings[variable["name"].removeprefix(PREFIX).lower()] = value
            yield Container(container.get("args", []), settings)

    def _value(self, variable: Mapping[str, Any], pod: str) -> str:
        source = variable.get("valueFrom", {})
        if "secretKeyRef" in source:
            return self._secrets[source["secretKeyRef"]["name"]][source["secretKeyRef"]["key"]]
        return pod if "fieldRef" in source else str(variable["value"])

    def _laid(self, component: str, secret: str) -> Path:
        place = self._folder / component / secret
        place.mkdir(parents=True, exist_ok=True)
        for key, value in self._secrets[secret].items():
            (place / key).write_text(value)
        return place
