// Proves that nothing which a caller or a provider sends makes the messages dialect throw: it is refused, told or passed over.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countTokensWire } from "../../src/core/dialect/count-tokens/wire.ts";
import { estimateTokens } from "../../src/core/dialect/count-tokens/estimate.ts";
import { messagesCodec } from "../../src/core/dialect/messages/codec.ts";
import { messagesWire } from "../../src/core/dialect/messages/wire.ts";
import type { Json, JsonObject } from "../../src/core/json/canonical.ts";
import { bodyOf, FIELDS, MINTED, nameOf, sse, TARGET } from "./messages-fixture.ts";

const words = (
  "type text thinking signature redacted_thinking data tool_use tool_result tool_use_id id name input content is_error role " +
  "user assistant system messages tools tool_choice input_schema cache_control ephemeral ttl 1h source base64 url media_type " +
  "model max_tokens stream metadata user_id output_config effort format json_schema schema thinking enabled budget_tokens " +
  "message_start message_delta message_stop content_block_start content_block_delta content_block_stop ping error message usage " +
  "delta text_delta input_json_delta signature_delta partial_json index stop_reason end_turn input_tokens output_tokens " +
  "cache_creation iterations interlock: interlock:{} context_management edits tool_addition tool thread __proto__ constructor"
).split(" ");
const { value } = fc.letrec<{ value: Json; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom<Json>(null, true, false, 0, 1, -1, 1.5, "", 1e21),
    fc.constantFrom<Json>(...words),
    fc.array(tie("value"), { maxLength: 4 }),
    tie("object"),
  ),
  object: fc.dictionary(fc.constantFrom(...words), tie("value"), { maxKeys: 6 }),
}));
const object: fc.Arbitrary<JsonObject> = fc.dictionary(fc.constantFrom(...words), value, { maxKeys: 8 });
const messages = fc.array(
  fc.record({
    role: fc.constantFrom("user", "assistant", "system"),
    content: fc.oneof(value, fc.array(object, { maxLength: 4 })),
  }),
  { maxLength: 4 },
);

describe("garbage", () => {
  it("of a caller is refused or passed, never thrown", () => {
    fc.assert(
      fc.property(object, messages, fc.array(object, { maxLength: 3 }), (wild, turns, tools) => {
        const request = { ...wild, messages: turns, tools } as JsonObject;
        for (const body of [wild, request]) {
          const text = bodyOf(body);
          messagesWire.readFields(text, {});
          countTokensWire.readFields(text, {});
          JSON.parse(messagesWire.edited(text, FIELDS, { model: "x", maxOutput: 1, isOpenAi: false }));
          expect(estimateTokens(body, { bytes: text.text.length, text: text.text })).toBeGreaterThan(0);
          messagesCodec.withSystem(body, "first");
          const read = messagesCodec.readRequest(body, FIELDS);
          if (read.ok) messagesCodec.writeRequest(read.value, TARGET);
        }
      }),
      { numRuns: 150 },
    );
  });

  it("of a provider is told, never thrown", () => {
    fc.assert(
      fc.property(object, fc.array(object, { maxLength: 6 }), (wild, events) => {
        messagesWire.whole(bodyOf(wild));
        messagesCodec.readError(JSON.stringify(wild), 500);
        const read = messagesCodec.readReply({ ...wild, id: "a", model: "b", content: events });
        if (read.ok) messagesCodec.writeReply(read.value, MINTED);
        const stream = sse(...events);
        messagesWire.opening(stream);
        messagesWire.streamed(stream);
        const reader = messagesCodec.streamReader();
        const writer = messagesCodec.streamWriter(MINTED);
        const said = [...events.flatMap((event) => reader.push(JSON.stringify(event), nameOf(event))), ...reader.end()];
        for (const event of said) writer.write(event);
        // Whatever came, it ends once: properly, or with an error.
        expect(said.filter(({ type }) => type === "done" || type === "error")).toHaveLength(1);
      }),
      { numRuns: 150 },
    );
  });
});
