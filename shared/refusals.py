"""What a refusal for want of a right means for an operator, whether the broker's or the database's."""

import sys

from shared.errors import Unauthorised

INSUFFICIENT_PRIVILEGE = "42501"


def explain(error: BaseException | None) -> Unauthorised | None:
    """Give what an operator has to know if an error, or what caused it, is such a refusal."""
    if "aiokafka" in sys.modules:  # else it can't be the broker's: the web has nothing to do with Kafka
        from shared.kafka import refusals  # noqa: PLC0415

        if (refusal := refusals.explain(error)) is not None:
            return refusal
    seen = error
    while seen is not None:
        if getattr(seen, "sqlstate", None) == INSUFFICIENT_PRIVILEGE:
            return Unauthorised(
                f"the database refuses this role: {seen}. Connect as the one for this service (docs/security.md, Roles); "
                "what each may do: slugline db roles show; to mend it: slugline db roles apply"
            )
        seen = seen.__cause__ or seen.__context__
    return None
