"""What a refusal for want of a right means for an operator, whether the broker's or the database's."""

import sys
from collections.abc import Iterator

from shared.errors import Unauthorised

INSUFFICIENT_PRIVILEGE = "42501"


def explain(error: BaseException | None) -> Unauthorised | None:
    """Give what an operator has to know if an error, or what caused it, is such a refusal."""
    if "aiokafka" in sys.modules:  # else it can't be the broker's: the web has nothing to do with Kafka
        from shared.kafka import refusals  # noqa: PLC0415

        if (refusal := refusals.explain(error)) is not None:
            return refusal
    for seen in causes(error):
        if getattr(seen, "sqlstate", None) == INSUFFICIENT_PRIVILEGE:
            return Unauthorised(
                f"the database refuses this role: {seen}. Connect as the one for this service (docs/security.md, Roles); "
                "what each may do: slugline db roles show; to mend it: slugline db roles apply"
            )
    return None


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error, what is in it where it is a group, and what led to each, each once: an error may be its own cause."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting.append(one.__cause__ or one.__context__)
        if isinstance(one, BaseExceptionGroup):
            waiting.extend(reversed(one.exceptions))
