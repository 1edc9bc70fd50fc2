"""The English encoder's model: fetched once into this installation, by `make setup` and when the image is built.

`python -m deploy.model` does it; what is there is not fetched again.
"""

import sys
from pathlib import Path

from deploy.local.failures import CannotStart
from deploy.local.jars import ensure_jars
from services.cluster.enrich.english import MODEL_FOLDER

LOCK = Path(__file__).with_name("model.lock")
REMEDY = "Check the network, or put the jar into " + str(MODEL_FOLDER) + " yourself; its coordinates and hash are in deploy/model.lock."


def main() -> None:
    """Fetch it, or end with what to do."""
    try:
        ensure_jars(MODEL_FOLDER, lock=LOCK, remedy=REMEDY)
    except CannotStart as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
