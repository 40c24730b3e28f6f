"""Refusals below the app of port 3001, as problem documents."""

import msgspec

from application.ports.clock import IdGenerator
from entrypoints.console.problems import MEDIA_TYPE, TITLES, Problem
from entrypoints.http_protocol import DescribeRefusal, Refusal, RefusalAnswer


def console_refusals(ids: IdGenerator) -> DescribeRefusal:
    """Return what words a refusal of the console's port."""

    def describe(refusal: Refusal) -> RefusalAnswer:
        request_id = ids.new_id()
        problem = Problem(
            type=f"urn:thinkwatch:problem:{refusal.code}",
            title=TITLES[refusal.status],
            status=refusal.status,
            detail=refusal.message,
            request_id=request_id,
        )
        return RefusalAnswer(
            request_id=request_id, content_type=MEDIA_TYPE, body=msgspec.json.encode(problem)
        )

    return describe
