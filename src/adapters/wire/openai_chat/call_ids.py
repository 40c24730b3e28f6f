"""Ids of tool calls: such as a server takes, and made ones for servers that give none."""

import hashlib
import re

# OpenAI takes 40 characters at most; no server minds printable ASCII, and Kimi's templates read it.
_FITTING = re.compile(r"[!-~]{1,40}")
_FITTING_RELATIVES = re.compile(r"[!-~]{1,256}")


def fitting_id(call_id: str, *, openai: bool) -> str:
    """Return an id that the server takes, the same for a call and its result."""
    fitting = _FITTING if openai else _FITTING_RELATIVES
    if fitting.fullmatch(call_id):
        return call_id
    return f"call_{_digest(call_id)}"


def made_id(reply_id: str, candidate: int, number: int, name: str) -> str:
    """Return an id for the call `number` of an answer that came without (Ollama, llama.cpp).

    It is the same whenever the same answer is read, and differs between answers, as some vendors
    want ids to be unique in a whole conversation.
    """
    return f"call_{_digest(f'{reply_id}/{candidate}/{number}/{name}')[:24]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
