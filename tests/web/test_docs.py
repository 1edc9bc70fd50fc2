"""The examples of docs/api.md run as they stand, and print what the page says."""

import asyncio
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.web.conftest import Web
from tests.web.newsroom import Newsroom, fill

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_the_examples_of_the_api_page_work(web: Web, newsroom: Newsroom) -> None:
    """Every line of every block, in one shell; what stands behind the arrow is in its output."""
    await fill(newsroom)
    script = ["set -euo pipefail"]
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL) for line in block.splitlines()]
    for line in lines:
        command, arrow, wanted = line.partition("# →")
        if arrow:
            script.append(f"printed=$({command})")
            script.append(f'[[ "$printed" == *{quoted(wanted.strip())}* ]] || {{ echo {quoted(line)}; echo "$printed"; exit 1; }}')
        else:
            script.append(command)
    program = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        "\n".join(script),
        env={**os.environ, "SLUGLINE": web.url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await program.communicate())[0].decode()
    assert program.returncode == 0, said
    assert sum("# →" in line for line in lines) > 15


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
