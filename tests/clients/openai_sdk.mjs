// The package `openai`, with both of its APIs.

import OpenAI from "openai";

import { main, spoken, tour, travel } from "./travel.mjs";

const PICTURE = `data:image/png;base64,${tour.picture}`;
const FORMAT = { name: "city", schema: tour.citySchema, strict: true };

function connect({ url, key }) {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0, timeout: 30_000 });
}

class Chat {
  constructor(place) {
    this.client = connect(place);
    this.model = place.model;
  }

  async request(stream, parameters) {
    const body = { model: this.model, max_completion_tokens: 4096, ...parameters };
    const completions = this.client.chat.completions;
    if (!stream) return completions.create(body);
    const events = completions.stream({ ...body, stream_options: { include_usage: true } });
    return events.finalChatCompletion();
  }

  tour(stream) {
    const messages = [
      { role: "system", content: tour.system },
      {
        role: "user",
        content: [
          { type: "text", text: tour.question },
          { type: "image_url", image_url: { url: PICTURE } },
        ],
      },
    ];
    const tools = tour.tools.map(({ name, description, schema }) => ({
      type: "function",
      function: { name, description, parameters: schema },
    }));
    return travel({
      ask: async () => {
        const completion = await this.request(stream, {
          messages, tools, reasoning_effort: "medium",
        });
        const { message } = completion.choices[0];
        messages.push({
          role: "assistant", content: message.content, tool_calls: message.tool_calls,
        });
        const calls = (message.tool_calls ?? []).map((call) => [
          call.id, call.function.name, JSON.parse(call.function.arguments),
        ]);
        const { usage } = completion;
        const cached = usage.prompt_tokens_details?.cached_tokens ?? null;
        return [
          spoken(
            message.content ?? "", calls, null, usage.prompt_tokens, usage.completion_tokens, cached,
          ),
          calls,
        ];
      },
      give: (results) => {
        for (const [id, , text] of results) {
          messages.push({ role: "tool", tool_call_id: id, content: text });
        }
      },
      follow: () => messages.push({ role: "user", content: tour.followUp }),
    });
  }

  async describe(stream) {
    const completion = await this.request(stream, {
      messages: [{ role: "user", content: tour.describe }],
      response_format: { type: "json_schema", json_schema: FORMAT },
    });
    return JSON.parse(completion.choices[0].message.content);
  }
}

class Responses {
  constructor(place) {
    this.client = connect(place);
    this.model = place.model;
  }

  async request(stream, parameters) {
    const body = { model: this.model, store: false, max_output_tokens: 4096, ...parameters };
    if (!stream) return this.client.responses.create(body);
    return this.client.responses.stream(body).finalResponse();
  }

  tour(stream) {
    const input = [
      {
        role: "user",
        content: [
          { type: "input_text", text: tour.question },
          { type: "input_image", image_url: PICTURE, detail: "auto" },
        ],
      },
    ];
    const tools = tour.tools.map(({ name, description, schema }) => ({
      type: "function", name, description, parameters: schema, strict: false,
    }));
    return travel({
      ask: async () => {
        const response = await this.request(stream, {
          instructions: tour.system,
          input,
          tools,
          include: ["reasoning.encrypted_content"],
          reasoning: { effort: "medium", summary: "auto" },
        });
        let thought = "";
        let text = "";
        const calls = [];
        for (const item of response.output) {
          const { parsed_arguments: _, ...given } = item;
          input.push(given);
          if (item.type === "reasoning") thought += item.summary.map((part) => part.text).join("");
          if (item.type === "message") text += item.content.map((part) => part.text).join("");
          if (item.type === "function_call") {
            calls.push([item.call_id, item.name, JSON.parse(item.arguments)]);
          }
        }
        const { usage } = response;
        const cached = usage.input_tokens_details.cached_tokens;
        return [
          spoken(text, calls, thought, usage.input_tokens, usage.output_tokens, cached), calls,
        ];
      },
      give: (results) => {
        for (const [id, , text] of results) {
          input.push({ type: "function_call_output", call_id: id, output: text });
        }
      },
      follow: () => input.push({ role: "user", content: tour.followUp }),
    });
  }

  async describe(stream) {
    const response = await this.request(stream, {
      input: tour.describe,
      text: { format: { type: "json_schema", ...FORMAT } },
    });
    return JSON.parse(response.output.find((item) => item.type === "message").content[0].text);
  }
}

await main({ "openai, Chat Completions": Chat, "openai, Responses": Responses });
