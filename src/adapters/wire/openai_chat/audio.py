"""Names of sound formats in Chat Completions and their media types."""

_TYPES = {"mp3": "audio/mpeg"}
_NAMES = {"audio/mpeg": "mp3", "audio/x-wav": "wav", "audio/wave": "wav", "audio/vnd.wave": "wav"}


def media_type_of(name: str) -> str:
    """Return the media type of `input_audio.format`."""
    return _TYPES.get(name, f"audio/{name}")


def format_of(media_type: str) -> str:
    """Return the `input_audio.format` of a media type; OpenAI itself knows `wav` and `mp3` only."""
    plain = media_type.partition(";")[0].strip().lower()
    return _NAMES.get(plain) or plain.removeprefix("audio/") or "wav"
