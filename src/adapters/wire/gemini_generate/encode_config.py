"""Writing `generationConfig`.

https://ai.google.dev/api/generate-content#generationconfig
"""

from adapters.wire.gemini_generate.thinking import ModelTraits, write_thinking
from adapters.wire.reading import JsonObject
from domain.inference.request import InferenceRequest, ResponseFormat, Sampling

CONFIG = "generationConfig"


def write_config(
    request: InferenceRequest, model: ModelTraits, output_bound: int | None
) -> tuple[JsonObject, tuple[str, ...]]:
    """Return the configuration, and the canonical names of what it could not say."""
    config: JsonObject = {}
    dropped: tuple[str, ...] = ()
    if request.candidates != 1:
        config["candidateCount"] = request.candidates
    bound = request.max_output_tokens if output_bound is None else output_bound
    if bound is not None:
        config["maxOutputTokens"] = bound
    if request.stop:
        config["stopSequences"] = list(request.stop)
    config |= _sampling(request.sampling)
    if request.response_format is not None:
        config |= _format(request.response_format)
    if request.modalities:
        config["responseModalities"] = [modality.upper() for modality in request.modalities]
    if request.reasoning is not None:
        thinking = write_thinking(request.reasoning, model, request.source)
        dropped = thinking.dropped
        if thinking.config:
            config["thinkingConfig"] = thinking.config
    return config, dropped


def _sampling(sampling: Sampling) -> JsonObject:
    values: JsonObject = {
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "topK": sampling.top_k,
        "seed": sampling.seed,
        "frequencyPenalty": sampling.frequency_penalty,
        "presencePenalty": sampling.presence_penalty,
        "responseLogprobs": sampling.logprobs,
        "logprobs": sampling.top_logprobs or None,
    }
    return {name: value for name, value in values.items() if value is not None}


def _format(wanted: ResponseFormat) -> JsonObject:
    """Return the members for a response format. The schema is JSON Schema, so nothing is lost."""
    if wanted.kind == "text":
        return {"responseMimeType": "text/plain"}
    found: JsonObject = {"responseMimeType": "application/json"}
    if wanted.kind == "json_schema" and wanted.schema is not None:
        found["responseJsonSchema"] = wanted.schema
    return found
