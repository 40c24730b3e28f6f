// The package `ai` with its providers; it runs the loop of tools itself.

import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogleGenerativeAI } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, isStepCount, jsonSchema, Output, streamText, tool } from "ai";

import { main, runTool, spoken, tour } from "./travel.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;

const tools = Object.fromEntries(
  tour.tools.map(({ name, description, schema }) => [
    name,
    tool({
      description,
      inputSchema: jsonSchema(schema),
      execute: async (input) => runTool(name, input),
    }),
  ]),
);

class Vercel {
  constructor(place) {
    this.model = this.connect(place);
    this.bound = { maxOutputTokens: 4096 };
  }

  async run(stream, parameters) {
    const asked = { model: this.model, maxRetries: 0, ...this.bound, ...parameters };
    if (!stream) return generateText(asked);
    let failure;
    const result = streamText({
      ...asked,
      onError: ({ error }) => {
        failure = error;
      },
    });
    await result.consumeStream();
    if (failure) throw failure;
    return {
      steps: await result.steps,
      responseMessages: await (result.responseMessages ?? (await result.response).messages),
      output: parameters.output ? await result.output : undefined,
    };
  }

  async tour(stream) {
    const messages = [
      {
        role: "user",
        content: [
          { type: "text", text: tour.question },
          { type: "file", data: tour.picture, mediaType: "image/png" },
        ],
      },
    ];
    const asked = {
      instructions: tour.system,
      tools,
      stopWhen: isStepCount(6),
      providerOptions: this.thinking(),
    };
    const first = await this.run(stream, { ...asked, messages });
    const given = first.responseMessages ?? first.response.messages;
    messages.push(...given, { role: "user", content: tour.followUp });
    const second = await this.run(stream, { ...asked, messages });
    return [...first.steps, ...second.steps].map((step) => this.heard(step));
  }

  heard(step) {
    const { usage } = step;
    return spoken(
      step.text,
      step.toolCalls.map((call) => [call.toolCallId, call.toolName, call.input]),
      step.reasoningText ?? "",
      usage.inputTokens,
      usage.outputTokens,
      usage.inputTokenDetails.cacheReadTokens ?? null,
    );
  }

  async describe(stream) {
    const output = Output.object({ schema: jsonSchema(tour.citySchema), name: "city" });
    const result = await this.run(stream, { prompt: tour.describe, output });
    return result.output;
  }
}

// Whatever it knows no model for by name gets the older `max_tokens`, which OpenAI's own models refuse.
class Unbound extends Vercel {
  constructor(place) {
    super(place);
    this.bound = {};
  }
}

class VercelChat extends Unbound {
  connect({ url, key, model }) {
    return createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).chat(model);
  }

  thinking() {
    return { openai: { reasoningEffort: "medium", forceReasoning: true } };
  }
}

class VercelResponses extends Vercel {
  connect({ url, key, model }) {
    return createOpenAI({ baseURL: `${url}/v1`, apiKey: key }).responses(model);
  }

  thinking() {
    return {
      openai: {
        reasoningEffort: "medium",
        reasoningSummary: "auto",
        store: false,
        include: ["reasoning.encrypted_content"],
        forceReasoning: true,
      },
    };
  }
}

class VercelAnthropic extends Vercel {
  connect({ url, key, model }) {
    return createAnthropic({ baseURL: `${url}/v1`, apiKey: key })(model);
  }

  thinking() {
    return { anthropic: { thinking: { type: "enabled", budgetTokens: 2048 } } };
  }
}

class VercelGoogle extends Vercel {
  connect({ url, key, model }) {
    return createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey: key })(model);
  }

  thinking() {
    return { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 2048 } } };
  }
}

class VercelBedrock extends Vercel {
  connect({ url, key, model }) {
    const connect = createAmazonBedrock({ region: "eu-central-1", baseURL: url, apiKey: key });
    return connect(`anthropic.${model}`);
  }

  thinking() {
    return { bedrock: { reasoningConfig: { type: "enabled", budgetTokens: 2048 } } };
  }
}

class VercelCompatible extends Unbound {
  connect({ url, key, model }) {
    return createOpenAICompatible({
      name: "gateway",
      baseURL: `${url}/v1`,
      apiKey: key,
      includeUsage: true,
      supportsStructuredOutputs: true,
    })(model);
  }

  thinking() {
    return { gateway: { reasoningEffort: "medium" } };
  }
}

await main({
  "ai with @ai-sdk/openai, Chat Completions": VercelChat,
  "ai with @ai-sdk/openai, Responses": VercelResponses,
  "ai with @ai-sdk/anthropic": VercelAnthropic,
  "ai with @ai-sdk/google": VercelGoogle,
  "ai with @ai-sdk/amazon-bedrock": VercelBedrock,
  "ai with @ai-sdk/openai-compatible": VercelCompatible,
});
