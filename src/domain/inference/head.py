"""The few request fields that governing a request needs; the rest of the body stays bytes."""

from msgspec import Struct


class RequestHead(Struct, frozen=True, kw_only=True):
    """What `peek` reads from a body.

    Attributes:
        model: model name as the caller wrote it.
        stream: whether the caller asked for a stream.
        include_usage: whether the caller itself asked for usage in the stream.
        max_output_tokens: the caller's cap on generated tokens, if given.
        choices: number of completions asked for (`n`).
        end_user: the caller's own end-user id, if given.
        metadata: caller's tags (string to string), for the record.
    """

    model: str
    stream: bool = False
    include_usage: bool = False
    max_output_tokens: int | None = None
    choices: int = 1
    end_user: str | None = None
    metadata: dict[str, str] | None = None
