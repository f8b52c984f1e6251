// Proves that state which another provider signed survives an Anthropic client's hands, whole and streamed.
import { describe, expect, it } from "vitest";
import { generateCodec } from "../../src/core/dialect/generate/codec.ts";
import { messagesCodec } from "../../src/core/dialect/messages/codec.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import { eventsOf } from "../../src/core/stream/events.ts";
import { bodyOf, FIELDS, MINTED, TARGET, valueOf } from "./messages-fixture.ts";
import { messagesWire } from "../../src/core/dialect/messages/wire.ts";

const SIGNATURE = "c2lnbmVkIGJ5IEdlbWluaQ==";
const ANSWER: JsonObject = {
  responseId: "r1",
  modelVersion: "gemini-3",
  candidates: [
    {
      index: 0,
      content: {
        role: "model",
        parts: [
          { text: "Two calls.", thought: true },
          { functionCall: { name: "weather", args: { city: "Bern" } }, thoughtSignature: SIGNATURE },
          { functionCall: { name: "now", args: {} } },
        ],
      },
      finishReason: "STOP",
    },
  ],
  usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 5, thoughtsTokenCount: 3, totalTokenCount: 18 },
};
const TOOLS = [
  { name: "weather", input_schema: { type: "object", properties: { city: { type: "string" } } } },
  { name: "now", input_schema: { type: "object" } },
];

/** What an Anthropic client sends next: the answer as it came, and the results of its calls. */
function nextRequest(content: readonly JsonObject[]): JsonObject {
  const results = content.flatMap((block) =>
    block["type"] === "tool_use" ? [{ type: "tool_result", tool_use_id: block["id"] ?? "", content: "done" }] : [],
  );
  return {
    model: "m",
    max_tokens: 1000,
    tools: TOOLS,
    messages: [
      { role: "user", content: "hi" },
      { role: "assistant", content },
      { role: "user", content: results },
    ],
  };
}

/** The content that Anthropic's client puts together from a stream. */
function streamedContent(text: string): readonly JsonObject[] {
  const blocks: Record<string, string | JsonObject>[] = [];
  for (const { data } of eventsOf(text)) {
    const event = JSON.parse(data) as {
      type: string;
      index: number;
      content_block: JsonObject;
      delta: Record<string, string>;
    };
    if (event.type === "content_block_start") blocks.push({ ...(event.content_block as Record<string, string>) });
    const last = blocks.at(-1);
    if (event.type !== "content_block_delta" || last === undefined) continue;
    const { type, ...grown } = event.delta;
    for (const [key, piece] of Object.entries(grown)) {
      const field = type === "input_json_delta" ? "json" : key;
      last[field] = (typeof last[field] === "string" ? last[field] : "") + piece;
    }
  }
  return blocks.map(({ json, ...block }) =>
    json === undefined ? block : { ...block, input: JSON.parse(String(json)) as JsonObject },
  );
}

function signatures(request: JsonObject): readonly unknown[] {
  const conversation = valueOf(messagesCodec.readRequest(request, FIELDS));
  const written = valueOf(generateCodec.writeRequest(conversation, { ...TARGET, model: "gemini-3" }));
  const contents = written["contents"] as readonly { role: string; parts: readonly JsonObject[] }[];
  return contents
    .flatMap(({ parts }) => parts)
    .filter((part) => part["functionCall"] !== undefined)
    .map((part) => [(part["functionCall"] as JsonObject)["name"], part["thoughtSignature"]]);
}

describe("Gemini's thought signatures with an Anthropic client", () => {
  it("go back with their calls after a whole answer", () => {
    const message = messagesCodec.writeReply(valueOf(generateCodec.readReply(ANSWER)), MINTED);
    expect(signatures(nextRequest(message["content"] as readonly JsonObject[]))).toEqual([
      ["weather", SIGNATURE],
      ["now", undefined],
    ]);
  });

  it("go back with their calls after a stream", () => {
    const reader = generateCodec.streamReader();
    const writer = messagesCodec.streamWriter(MINTED);
    const events = [...reader.push(JSON.stringify(ANSWER), ""), ...reader.end()];
    const content = streamedContent(events.map((event) => writer.write(event)).join(""));
    expect(content.map(({ type }) => type)).toEqual(["thinking", "tool_use", "redacted_thinking", "tool_use"]);
    expect(signatures(nextRequest(content))).toEqual([
      ["weather", SIGNATURE],
      ["now", undefined],
    ]);
  });

  it("never reach Anthropic", () => {
    const message = messagesCodec.writeReply(valueOf(generateCodec.readReply(ANSWER)), MINTED);
    const body = bodyOf(nextRequest(message["content"] as readonly JsonObject[]));
    const sent = messagesWire.edited(
      body,
      { ...FIELDS, model: "m" },
      { model: "claude", maxOutput: 1000, isOpenAi: false },
    );
    expect(sent).not.toContain(SIGNATURE);
    expect(JSON.parse(sent)).toMatchObject({
      model: "claude",
      messages: [
        {},
        {
          content: [
            { type: "tool_use", name: "weather" },
            { type: "tool_use", name: "now" },
          ],
        },
        {},
      ],
    });
  });
});
