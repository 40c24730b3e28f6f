// The package `@anthropic-ai/sdk`.

import Anthropic from "@anthropic-ai/sdk";

import { main, spoken, tour, travel } from "./travel.mjs";

class Messages {
  constructor({ url, key, model }) {
    this.client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0, timeout: 30_000 });
    this.model = model;
  }

  async request(stream, parameters) {
    const body = { model: this.model, max_tokens: 4096, ...parameters };
    if (!stream) return this.client.messages.create(body);
    return this.client.messages.stream(body).finalMessage();
  }

  tour(stream) {
    const source = { type: "base64", media_type: "image/png", data: tour.picture };
    const messages = [
      {
        role: "user",
        content: [{ type: "image", source }, { type: "text", text: tour.question }],
      },
    ];
    const tools = tour.tools.map(({ name, description, schema }) => ({
      name, description, input_schema: schema,
    }));
    return travel({
      ask: async () => {
        const message = await this.request(stream, {
          system: tour.system,
          messages,
          tools,
          thinking: { type: "enabled", budget_tokens: 2048 },
        });
        messages.push({ role: "assistant", content: message.content });
        const of = (type) => message.content.filter((block) => block.type === type);
        const calls = of("tool_use").map((block) => [block.id, block.name, block.input]);
        const text = of("text").map((block) => block.text).join("");
        const thought = of("thinking").map((block) => block.thinking).join("");
        const { usage } = message;
        const cached = usage.cache_read_input_tokens ?? 0;
        const input = usage.input_tokens + cached + (usage.cache_creation_input_tokens ?? 0);
        return [spoken(text, calls, thought, input, usage.output_tokens, cached), calls];
      },
      give: (results) =>
        messages.push({
          role: "user",
          content: results.map(([id, , text]) => ({
            type: "tool_result", tool_use_id: id, content: text,
          })),
        }),
      follow: () => messages.push({ role: "user", content: tour.followUp }),
    });
  }

  async describe(stream) {
    const message = await this.request(stream, {
      messages: [{ role: "user", content: tour.describe }],
      output_config: { format: { type: "json_schema", schema: tour.citySchema } },
    });
    return JSON.parse(message.content.find((block) => block.type === "text").text);
  }
}

await main({ "@anthropic-ai/sdk": Messages });
