"""`python -m deploy.precompile`: compiles what the services import, so that no start of one, and no health check, compiles it again.

Runs while the image is built, with `PYTHONPYCACHEPREFIX`, and is the image's test, too: a module that can't be imported ends it, and so
does a model that gives nothing.
"""

import importlib
import py_compile
import sys

from deploy.cli import MOUNTED, SERVICES
from services.cluster.enrich.features import FeatureMaker
from services.ingest.language import detect_language

BESIDE = (
    "deploy.probe",
    "deploy.recorded_web.serve",
    "services.ingest.extraction.worker",
    "services.ingest.extraction.extract",
    "services.publish.brief.composer",
)
"""Programs that run beside the services."""


def main() -> None:
    """Import all, then compile what that has loaded, the standard library's modules too."""
    for module in (*(module for module, _ in SERVICES.values()), *BESIDE):
        importlib.import_module(module)
    for mounted in MOUNTED.values():
        for where, extra in mounted.parts:
            if extra != "local":  # which is not in the image
                importlib.import_module(where.partition(":")[0])
    use_models()
    for loaded in list(sys.modules.values()):
        source = getattr(loaded, "__file__", None)
        if source and source.endswith(".py"):
            # By hash, unchecked: layers may change files' times, and nothing changes the files.
            py_compile.compile(source, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def use_models() -> None:
    """Have each model say something: they and their libraries are loaded when first asked. Ends the program for one that is mute."""
    text = "The ferry ran aground off the island on Sunday, and all 41 passengers were brought ashore."
    features = FeatureMaker().features("Ferry runs aground", text, "en")
    if features.vector is None or features.native_vector is None or detect_language(text) != "en":
        sys.exit("a model of this installation gives nothing")


if __name__ == "__main__":
    main()
