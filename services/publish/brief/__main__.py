"""Start a brief worker: `python -m services.publish.brief`."""

from services.publish.brief.app import STAGE, run
from services.publish.config import BriefSettings
from shared.service import main

if __name__ == "__main__":
    main(STAGE, BriefSettings.load(), run)
