"""The few request fields that governing a request needs; the rest of the body stays bytes."""

from msgspec import Struct


class Media(Struct, frozen=True, kw_only=True, gc=False):
    """Images and sounds of a request; they do not cost what text of their length would.

    Attributes:
        images: how many, inline or by URL.
        image_bytes: base64 text of the inline ones.
        audio_bytes: base64 text of inline sounds.
    """

    images: int = 0
    image_bytes: int = 0
    audio_bytes: int = 0


class RequestHead(Struct, frozen=True, kw_only=True):
    """What `peek` reads from a body.

    Attributes:
        model: model name as the caller wrote it.
        stream: whether the caller asked for a stream.
        include_usage: whether the caller itself asked for usage in the stream.
        max_output_tokens: the caller's cap on generated tokens, if given.
        choices: number of completions asked for (`n`).
        end_user: the caller's own end-user id, if given.
        media: images and sounds in the messages.
        metadata: caller's tags (string to string), for the record.
        continues: id of an earlier answer that the request goes on from or is about, which only
            the provider that made it has.
        stored: whether the provider may keep the answer, so that others can go on from it.
        prompt_cache_key: the caller's own grouping of requests whose prompts begin alike.
    """

    model: str
    stream: bool = False
    include_usage: bool = False
    max_output_tokens: int | None = None
    choices: int = 1
    end_user: str | None = None
    media: Media = Media()
    metadata: dict[str, str] | None = None
    continues: str | None = None
    stored: bool = False
    prompt_cache_key: str | None = None
