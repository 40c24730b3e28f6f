"""How many tokens a request may take, guessed from above before it runs.

Used only to reserve quota for strict limits and to charge what was never settled or counted. No
tokenizer runs on the request's path: a vocabulary takes 150 MB in every process, and its answer would
be that of another model anyway. Guessing high costs the caller nothing but room while his request runs.
"""

import math

from domain.accounting.usage import TokenUsage

# English prose and code take 3 to 4.5 bytes a token in today's vocabularies, digits and base64
# down to 2.
_ASCII_BYTES_PER_TOKEN = 2
_ASCII = bytes(range(128))
_LIKELY_BYTES_PER_TOKEN = 4
_CONTINUATION = bytes(range(0x80, 0xC0))
# Enough to tell the scripts of a text; a giant body must not hold the loop.
_SAMPLE_BYTES = 256 * 1024
# Used when neither the request nor the model bounds its output; where a strict limit counts on it,
# the request that goes upstream gets it as its bound.
DEFAULT_OUTPUT_TOKENS = 4_096
# An image given inline or by URL costs up to about this much whatever its size in bytes: providers
# scale it down to a number of tiles.
TOKENS_PER_IMAGE = 2_000
# Sound takes at most about 32 tokens a second, and at least 6 kbit/s: 1,000 bytes of base64.
_AUDIO_BYTES_PER_TOKEN = 16


def estimate_input(
    body: bytes, *, images: int = 0, image_bytes: int = 0, audio_bytes: int = 0
) -> int:
    """Return an upper guess of the input tokens of a JSON request body.

    ASCII counts two bytes a token, anything else one byte a token, which no byte-level vocabulary
    exceeds. Inline media (`image_bytes`, `audio_bytes`: base64 text, ASCII) does not count as text:
    every one of `images` counts at a flat rate, sound by its length.
    """
    other = len(body.translate(None, _ASCII))
    ascii_bytes = max(0, len(body) - other - image_bytes - audio_bytes)
    text = -(-ascii_bytes // _ASCII_BYTES_PER_TOKEN) + other
    return text + images * TOKENS_PER_IMAGE + -(-audio_bytes // _AUDIO_BYTES_PER_TOKEN)


def estimate_output(
    max_output_tokens: int | None, model_cap: int | None = None, *, choices: int = 1
) -> int:
    """Return the most a request may generate: the smaller of its own and the model's bound.

    With neither, `DEFAULT_OUTPUT_TOKENS`. Each of `choices` may take that much.
    """
    bounds = [bound for bound in (max_output_tokens, model_cap) if bound is not None]
    return max(0, min(bounds, default=DEFAULT_OUTPUT_TOKENS)) * max(1, choices)


def estimate(
    body: bytes,
    *,
    max_output_tokens: int | None = None,
    model_output_cap: int | None = None,
    context_window: int | None = None,
    choices: int = 1,
    images: int = 0,
    image_bytes: int = 0,
    audio_bytes: int = 0,
) -> TokenUsage:
    """Return the estimate as usage, ready for `weighted_tokens` and `PriceList.cost`.

    `context_window`, where known, bounds the input: the provider refuses more.
    """
    taken = estimate_input(body, images=images, image_bytes=image_bytes, audio_bytes=audio_bytes)
    if context_window is not None:
        taken = min(taken, context_window)
    output = estimate_output(max_output_tokens, model_output_cap, choices=choices)
    return TokenUsage(input_uncached=taken, output=output)


def likely_usage(
    body: bytes,
    output_characters: int,
    *,
    images: int = 0,
    image_bytes: int = 0,
    audio_bytes: int = 0,
) -> TokenUsage:
    """Return the probable, not the greatest, usage of an answer whose provider told none.

    For the record of an answer that was cut short, or came from a server that does not count.
    Today's vocabularies take about four bytes of UTF-8 a token in prose of most scripts and in
    code. Generated text is known by its length in characters only; it is taken to be in the
    prompt's scripts. Media count as in `estimate_input`.
    """
    sample = body[:_SAMPLE_BYTES]
    # An escape is one character written in six bytes; it has three in UTF-8, below U+0800 two.
    escapes = sample.count(b"\\u")
    written = len(sample) - 3 * escapes - sample.count(b"\\u0")
    characters = len(sample.translate(None, _CONTINUATION)) - 5 * escapes
    bytes_per_character = min(3.0, max(1.0, written / max(1, characters)))
    text = max(0, len(body) - image_bytes - audio_bytes) * (written / max(1, len(sample)))
    media = images * TOKENS_PER_IMAGE + -(-audio_bytes // _AUDIO_BYTES_PER_TOKEN)
    return TokenUsage(
        input_uncached=math.ceil(text / _LIKELY_BYTES_PER_TOKEN) + media,
        output=math.ceil(output_characters * bytes_per_character / _LIKELY_BYTES_PER_TOKEN),
    )
