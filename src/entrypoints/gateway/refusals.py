"""Refusals below the app of port 3000, as the OpenAI API words errors."""

from application.ports.clock import IdGenerator
from application.ports.dialect import DialectCodec, PublicError
from entrypoints.http_protocol import DescribeRefusal, Refusal, RefusalAnswer


def gateway_refusals(codec: DialectCodec, ids: IdGenerator) -> DescribeRefusal:
    """Return what words a refusal of the gateway's port."""

    def describe(refusal: Refusal) -> RefusalAnswer:
        request_id = ids.new_id()
        public = PublicError(
            status=refusal.status,
            kind="overloaded" if refusal.status == 503 else "invalid_request",
            code=refusal.code,
            message=refusal.message,
            request_id=request_id,
        )
        return RefusalAnswer(
            request_id=request_id,
            content_type="application/json",
            body=codec.error_body(public),
        )

    return describe
