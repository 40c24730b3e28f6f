"""The codecs of all dialects."""

from adapters.wire.anthropic_messages.dialect import AnthropicMessagesCodec
from adapters.wire.bedrock_converse.dialect import BedrockConverseCodec
from adapters.wire.gemini_generate.dialect import GeminiCodec
from adapters.wire.openai_chat.dialect import OpenAIChatCodec
from adapters.wire.openai_relay.dialect import OpenAIRelayCodec
from adapters.wire.openai_relay.kept_responses import KeptResponseCodec
from adapters.wire.openai_responses.dialect import OpenAIResponsesCodec
from entrypoints.gateway.dialects import Dialects


def build_dialects() -> Dialects:
    """Return one codec per dialect; they hold no state."""
    return Dialects(
        openai_chat=OpenAIChatCodec(),
        openai_responses=OpenAIResponsesCodec(),
        anthropic=AnthropicMessagesCodec(),
        gemini=GeminiCodec(),
        gemini_array=lambda: GeminiCodec(array=True),
        bedrock=BedrockConverseCodec(),
        kept_response=KeptResponseCodec(),
        relay=OpenAIRelayCodec,
    )
