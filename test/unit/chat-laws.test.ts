// Proves the laws of a dialect on chat completions.
import fc from "fast-check";
import { describe } from "vitest";
import { chatCodec } from "../../src/core/dialect/chat/codec.ts";
import { chatWire } from "../../src/core/dialect/chat/wire.ts";
import { complaints } from "../demo/vendor-schemas.ts";
import { FIELDS, IMAGE_DATA, MINTED, TARGET } from "./chat-fixture.ts";
import { provesLaws } from "./dialect-laws.ts";

const SCHEMAS = {
  request: "CreateChatCompletionRequest",
  reply: "CreateChatCompletionResponse",
  event: "CreateChatCompletionStreamResponse",
  error: "ErrorResponse",
} as const;
const share = fc.integer({ min: 0, max: 20 }).map((tenths) => tenths / 10);

describe("chat completions", () => {
  provesLaws({
    codec: chatCodec,
    wire: chatWire,
    target: TARGET,
    fields: FIELDS,
    minted: MINTED,
    replyId: `chatcmpl-${MINTED.seed}`,
    complaints: (what, value) => complaints("openai", SCHEMAS[what], value),
    can: {
      toolName: /^[A-Za-z0-9_-]{1,64}$/,
      hasSystemAnywhere: true,
      hasFailedResults: false,
      media: [
        { type: "image", source: { type: "url", url: "https://pictures.example/cat.png" }, detail: "low" },
        { type: "image", source: { type: "base64", mediaType: "image/png", data: IMAGE_DATA } },
        { type: "document", source: { type: "base64", mediaType: "application/pdf", data: "JVBERi0=" }, name: "a.pdf" },
        { type: "audio", mediaType: "audio/wav", data: "UklGRg==" },
      ],
      wishes: {
        toolChoice: fc.constantFrom(
          { type: "auto" as const },
          { type: "none" as const },
          { type: "required" as const },
          { type: "tool" as const, name: "look-up" },
        ),
        parallelToolCalls: fc.boolean(),
        temperature: share,
        topP: share.map((each) => each / 2),
        seed: fc.nat(),
        frequencyPenalty: share.map((each) => each - 1),
        presencePenalty: share.map((each) => each - 1),
        stop: fc.array(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }),
        output: fc.constantFrom(
          { type: "json" as const },
          { type: "json_schema" as const, name: "city", schema: { type: "object" }, strict: true },
        ),
        reasoning: fc.constantFrom(
          ...(["none", "minimal", "low", "medium", "high", "xhigh"] as const).map((effort) => ({ effort })),
        ),
        user: fc.string({ minLength: 1, maxLength: 8 }),
      },
      parts: "grouped",
      replyTypes: ["reasoning", "text", "refusal", "tool_call"],
      signed: [{ origin: "generate", value: "c2lnbmF0dXJl" }],
      finishes: ["stop", "length", "filtered", "tool_calls"],
      buckets: ["input", "cacheRead", "cacheWrite", "inputAudio", "output", "outputAudio", "reasoning"],
    },
  });
});
