"""Setting the model, and asking for usage, in a request that is relayed."""

from adapters.wire.edit import splice
from adapters.wire.openai_chat.edit import edit_request
from adapters.wire.openai_relay.multipart import form_parts, is_form
from domain.errors import InvalidRequest


def edit_relayed(
    body: bytes, *, model: str, content_type: bytes, ask_for_usage: bool = False
) -> bytes:
    """Return `body`, JSON or a form, with the model replaced; every other byte stays.

    `ask_for_usage` is for JSON of operations that know `stream_options`.

    Raises:
        InvalidRequest: the form cannot be read, or a governing member is given twice.
    """
    if not is_form(content_type):
        return edit_request(body, model=model, ask_for_usage=ask_for_usage)
    for part in form_parts(body, content_type):
        if part.name == "model" and not part.is_file:
            if "\r" in model or "\n" in model:
                raise InvalidRequest("The model's name cannot be sent in a form.", param="model")
            return splice(body, [(part.value, model.encode())])
    raise InvalidRequest("The field 'model' is missing.", param="model")
