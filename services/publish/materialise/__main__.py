"""Start the materialiser: `python -m services.publish.materialise`."""

from services.publish.config import MaterialiseSettings
from services.publish.materialise.app import STAGE, run
from shared.service import main

if __name__ == "__main__":
    main(STAGE, MaterialiseSettings.load(), run)
