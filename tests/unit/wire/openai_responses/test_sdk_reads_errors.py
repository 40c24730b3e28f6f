"""The official client raises on errors of every kind."""

import openai
import pytest
from msgspec.structs import replace

from application.ports.dialect import PublicError
from domain.inference.events import (
    BlockDelta,
    BlockStarted,
)
from tests.unit.wire.openai_responses import sdk
from tests.unit.wire.openai_responses.reaches import CODEC, written

ERROR = PublicError(
    status=503,
    kind="upstream",
    code="upstream_unavailable",
    message="The model provider is not available.",
    request_id="req-1",
)


def test_the_client_raises_on_an_error_in_the_middle_of_a_stream() -> None:
    body = written([BlockStarted(index=0, kind="text"), BlockDelta(index=0, text="It")])
    cut = body.partition(b"event: response.output_text.done")[0] + CODEC.stream_error(ERROR)
    with pytest.raises(openai.APIError, match="not available"):
        sdk.events(cut)
    with pytest.raises(openai.APIError, match="not available"):
        sdk.streamed(cut)


def test_an_error_in_a_stream_is_also_a_failed_response_for_clients_that_read_no_other() -> None:
    sdk.check(CODEC.stream_error(ERROR))
    first, second = sdk.frames(CODEC.stream_error(ERROR))
    assert first["type"] == "error"
    assert first["error"]["code"] == first["code"] == "upstream_unavailable"
    assert first["request_id"] == "req-1"
    assert second["type"] == "response.failed"
    assert second["response"]["error"] == {
        "code": "server_error",
        "message": "The model provider is not available.",
    }
    assert first["sequence_number"] < second["sequence_number"]


def test_a_spent_budget_in_a_stream_is_a_quota_that_clients_do_not_wait_for() -> None:
    error = replace(ERROR, status=429, kind="quota", code="budget_exceeded", limit="key:usd/1mo")
    first, second = sdk.frames(CODEC.stream_error(error))
    assert first["code"] == second["response"]["error"]["code"] == "insufficient_quota"
    assert first["limit"] == "key:usd/1mo"


@pytest.mark.parametrize(
    ("status", "kind", "raised"),
    [
        (400, "invalid_request", openai.BadRequestError),
        (401, "authentication", openai.AuthenticationError),
        (403, "permission", openai.PermissionDeniedError),
        (404, "not_found", openai.NotFoundError),
        (429, "rate_limit", openai.RateLimitError),
        (503, "overloaded", openai.InternalServerError),
    ],
)
def test_the_client_raises_the_error_of_a_status(
    status: int, kind: str, raised: type[openai.APIStatusError]
) -> None:
    error = replace(ERROR, status=status, kind=kind)
    client = sdk.client(
        CODEC.error_body(error), status=CODEC.error_status(error), content_type="application/json"
    )
    with pytest.raises(raised, match="not available"):
        client.responses.create(model="m", input="Hi")
