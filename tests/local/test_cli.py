"""The console script: quick help, clear errors."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from deploy import cli


def slugline(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", *arguments],
        env=os.environ | {"COLUMNS": "200"} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_every_command_with_what_it_does() -> None:
    told = slugline("--help")
    assert told.returncode == 0
    for name, mounted in cli.MOUNTED.items():
        assert name in told.stdout
        assert mounted.does in told.stdout


def test_help_imports_no_commands_code() -> None:
    code = "import sys; sys.argv = ['slugline', '--help']\nfrom deploy.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    code += "print([name for name in sys.modules if name.startswith('services.') or name in ('numpy', 'faust', 'fastapi', 'lxml')])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert told.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", cli.MOUNTED)
def test_every_mounted_command_is_there(name: str) -> None:
    told = slugline(name, "--help")
    assert told.returncode == 0, told.stderr
    for example in cli.MOUNTED[name].examples:
        assert f"slugline {example}" in told.stdout


@pytest.mark.parametrize("example", [example for mounted in cli.MOUNTED.values() for example in mounted.examples])
def test_every_example_can_be_called_so(example: str) -> None:
    """Its command is there and takes these arguments."""
    command: Any = typer.main.get_command(cli.app)
    context = command.make_context("slugline", [])
    name, *arguments = shlex.split(example)
    group = command.get_command(context, name).make_context(name, arguments, parent=context)
    _, chosen, rest = group.command.resolve_command(group, arguments)
    chosen.make_context(arguments[0], rest, parent=group)


@pytest.mark.parametrize("name", cli.SERVICES)
def test_every_service_can_be_run(name: str) -> None:
    module, _ = cli.SERVICES[name]
    code = f"import typing, {module} as app; print(typing.get_type_hints(app.run)['settings'].__mro__)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert "shared.settings.Settings" in told.stdout, told.stderr


def test_an_unknown_service_is_told_with_those_there_are() -> None:
    told = slugline("run", "nothing")
    assert told.returncode == 1
    assert told.stderr == f"slugline: no service is called 'nothing'; there are {', '.join(cli.SERVICES)}\n"


def test_a_wrong_setting_is_named_before_anything_starts() -> None:
    told = slugline("run", "assign", SLUGLINE_HEALTH_PORT="99999")
    assert told.returncode == 1
    assert told.stderr.startswith("slugline: SLUGLINE_HEALTH_PORT is '99999': ")
    assert "Traceback" not in told.stderr


def test_a_broker_that_does_not_answer_is_one_clear_line(unused_tcp_port: int) -> None:
    told = slugline("topics", "check", SLUGLINE_KAFKA_BOOTSTRAP_SERVERS=f"127.0.0.1:{unused_tcp_port}")
    assert told.returncode == 1
    assert told.stderr.startswith(f"slugline: no Kafka broker answers at 127.0.0.1:{unused_tcp_port}")
    assert told.stderr.count("\n") == 1


def test_a_missing_extra_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needs_more.py").write_text("import no_such_package_of_ours\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(
        cli.MissingExtra, match=r"`slugline more` needs the package no_such_package_of_ours: `pip install 'slugline\[cluster\]'`"
    ):
        cli._import("needs_more", "slugline more", "cluster")


@pytest.mark.stack
def test_topics_are_applied_and_differences_shown(broker: str) -> None:
    assert slugline("topics", "apply", SLUGLINE_KAFKA_BOOTSTRAP_SERVERS=broker).returncode == 0
    check = slugline("topics", "check", SLUGLINE_KAFKA_BOOTSTRAP_SERVERS=broker)
    assert check.returncode == 0, check.stdout
    check = slugline("topics", "check", "--replication", "3", SLUGLINE_KAFKA_BOOTSTRAP_SERVERS=broker)
    assert check.returncode == 1
    assert "replication" in check.stdout
    assert "min.insync.replicas" in check.stdout
