"""`python -m deploy.precompile`: compiles what the services import, so that no start of one, and no health check, compiles it again.

Runs while the image is built, with `PYTHONPYCACHEPREFIX`, and is the image's test, too: a module that can't be imported ends it.
"""

import importlib
import py_compile
import sys

from deploy.cli import MOUNTED, SERVICES

BESIDE = ("deploy.probe", "deploy.recorded_web.serve", "services.ingest.extraction.worker", "services.publish.brief.composer")
"""Programs that run beside the services."""


def main() -> None:
    """Import all, then compile what that has loaded, the standard library's modules too."""
    for module in (*(module for module, _ in SERVICES.values()), *BESIDE):
        importlib.import_module(module)
    for mounted in MOUNTED.values():
        for where, extra in mounted.parts:
            if extra != "local":  # which is not in the image
                importlib.import_module(where.partition(":")[0])
    for loaded in list(sys.modules.values()):
        source = getattr(loaded, "__file__", None)
        if source and source.endswith(".py"):
            # By hash, unchecked: layers may change files' times, and nothing changes the files.
            py_compile.compile(source, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


if __name__ == "__main__":
    main()
