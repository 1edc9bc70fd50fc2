"""Serve the web: `python -m services.publish.web`."""

from services.publish.web.app import run
from services.publish.web.config import WebSettings
from shared.service import main

if __name__ == "__main__":
    main("web", WebSettings.load(), run)
