"""What a model on Bedrock takes, as far as its id tells.

Converse is one API for models of many vendors, each with wishes of its own in
`additionalModelRequestFields`. The ids of application inference profiles, provisioned and imported
models tell nothing: there only what Converse itself has a member for is sent.
https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html
"""

from enum import Enum, auto

from msgspec import Struct

from adapters.wire.anthropic_messages.models import ModelRules, rules_for


class Family(Enum):
    """Vendors' families that have wishes of their own."""

    CLAUDE = auto()
    NOVA = auto()
    GPT = auto()
    OTHER = auto()
    UNKNOWN = auto()


class BedrockModel(Struct, frozen=True):
    """A model: its family, and Anthropic's rules if it is a Claude."""

    family: Family
    claude: ModelRules

    @property
    def is_claude(self) -> bool:
        """Whether it is one of Anthropic's."""
        return self.family is Family.CLAUDE

    @property
    def caches(self) -> bool:
        """Takes cache points: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html ."""
        return self.family in {Family.CLAUDE, Family.NOVA, Family.UNKNOWN}

    @property
    def caches_tools(self) -> bool:
        """Takes cache points among the tools."""
        return self.caches and self.family is not Family.NOVA

    @property
    def structured(self) -> bool:
        """Can be held to a JSON schema."""
        if self.is_claude:
            return self.claude.structured
        return self.family is not Family.NOVA


_OPAQUE = (
    "application-inference-profile/",
    "provisioned-model/",
    "custom-model",
    "imported-model/",
    "prompt-router/",
    ":prompt/",
    ":endpoint/",
)


def model_for(name: str) -> BedrockModel:
    """Return what the id of a model, an inference profile or an ARN tells."""
    text = name.lower()
    family = Family.OTHER
    if "claude" in text:
        family = Family.CLAUDE
    elif any(mark in text for mark in _OPAQUE):
        family = Family.UNKNOWN
    elif "amazon.nova" in text:
        family = Family.NOVA
    elif "openai." in text:
        family = Family.GPT
    return BedrockModel(family, rules_for(text))
