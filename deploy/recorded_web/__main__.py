"""`python -m deploy.recorded_web`."""

from deploy.recorded_web.cli import app

app(prog_name="python -m deploy.recorded_web")
