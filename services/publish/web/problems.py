"""Problems as machines read them: `application/problem+json` (RFC 9457)."""

import json
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
FAILED = "Something failed here; it is in the logs."


class Problem(BaseModel):
    """What went wrong, by RFC 9457."""

    type: str = Field(default="about:blank", description="a URI that names the kind of problem")
    title: str = Field(description="the kind in words, the same for each of its kind")
    status: int = Field(ge=400, le=599)
    detail: str = Field(default="", description="this one in words, with what to do")


class ProblemRaised(Exception):
    """Ends a request with a problem."""

    def __init__(self, status: int, detail: str, *, headers: dict[str, str] | None = None) -> None:
        """Keep the HTTP status, the detail for people, and extra headers such as Retry-After."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}


def not_found(what: str) -> ProblemRaised:
    """Say that there is no such thing."""
    return ProblemRaised(404, f"There is no such {what}.")


def body_of(status: int, detail: str) -> bytes:
    """Write a problem's JSON."""
    return json.dumps(Problem(title=HTTPStatus(status).phrase, status=status, detail=detail).model_dump()).encode()


class ProblemResponse(Response):
    """A problem as an answer."""

    media_type = MEDIA_TYPE

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        """Make it of the status and the detail."""
        super().__init__(body_of(status, detail), status_code=status, headers={"Cache-Control": "no-store", **(headers or {})})


RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for status in (400, 404, 422, 429, 503)
}
"""For OpenAPI: the problems that any call may answer with."""
