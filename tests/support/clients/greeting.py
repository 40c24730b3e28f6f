"""One question by the official SDK of each API, and the text of the answer."""

from collections.abc import Callable
from typing import Any, cast

from anthropic import Anthropic
from anthropic.types import Message
from google.genai import Client
from openai import OpenAI
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from tests.support.clients.aws_sdk import assemble, bedrock_client
from tests.support.clients.travel import Place

BOUND = 200


def chat(place: Place, asked: str, *, stream: bool) -> str:
    """Ask with Chat Completions."""
    with OpenAI(base_url=f"{place.url}/v1", api_key=place.key, max_retries=0) as client:
        question: Any = {
            "model": place.model,
            "messages": [{"role": "user", "content": asked}],
        }
        if not stream:
            completion = cast("ChatCompletion", client.chat.completions.create(**question))
            return completion.choices[0].message.content or ""
        with client.chat.completions.stream(**question) as events:
            whole = cast("ChatCompletion", events.get_final_completion())
            return whole.choices[0].message.content or ""


def responses(place: Place, asked: str, *, stream: bool) -> str:
    """Ask with Responses."""
    with OpenAI(base_url=f"{place.url}/v1", api_key=place.key, max_retries=0) as client:
        question: Any = {"model": place.model, "input": asked, "store": False}
        if not stream:
            response = cast("Response", client.responses.create(**question))
            return response.output_text
        with client.responses.stream(**question) as events:
            return events.get_final_response().output_text


def messages(place: Place, asked: str, *, stream: bool) -> str:
    """Ask with Messages."""
    with Anthropic(base_url=place.url, api_key=place.key, max_retries=0) as client:
        question: Any = {
            "model": place.model,
            "max_tokens": BOUND,
            "messages": [{"role": "user", "content": asked}],
        }
        if not stream:
            answer = cast("Message", client.messages.create(**question))
            return "".join(block.text for block in answer.content if block.type == "text")
        with client.messages.stream(**question) as events:
            return events.get_final_text()


def gemini(place: Place, asked: str, *, stream: bool) -> str:
    """Ask with generateContent."""
    client = Client(api_key=place.key, http_options={"base_url": place.url})
    try:
        if not stream:
            return client.models.generate_content(model=place.model, contents=asked).text or ""
        chunks = client.models.generate_content_stream(model=place.model, contents=asked)
        return "".join(chunk.text or "" for chunk in chunks)
    finally:
        client.close()


def converse(place: Place, asked: str, *, stream: bool) -> str:
    """Ask with Converse."""
    client = bedrock_client(place)
    question: Any = {
        "modelId": place.model,
        "messages": [{"role": "user", "content": [{"text": asked}]}],
    }
    try:
        if stream:
            blocks, _, _ = assemble(client.converse_stream(**question)["stream"])
        else:
            blocks = client.converse(**question)["output"]["message"]["content"]
        return "".join(block.get("text", "") for block in blocks)
    finally:
        client.close()


ASK: dict[str, Callable[..., str]] = {
    "chat": chat,
    "responses": responses,
    "messages": messages,
    "gemini": gemini,
    "converse": converse,
}
