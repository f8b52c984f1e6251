// Proves what is read out of event streams: frame boundaries however bytes are split, usage frames, ends and errors; and what is scrubbed.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NO_USAGE } from "../../src/core/budget/price.ts";
import { chatWire } from "../../src/core/dialect/chat/wire.ts";
import { isUsageOnlyFrame, lastBoundary } from "../../src/core/stream/frames.ts";
import { scrub, SCRUBBED } from "../../src/core/trace/scrub.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("frames", () => {
  it.each([
    ["data: 1\n\ndata: 2", 9],
    ["data: 1\r\n\r\n", 11],
    ["data: 1\n", 0],
    ["", 0],
    ["a\n\nb\n\n", 6],
    ["a\r\rb", 3],
  ])("end in %j at %i", (text, at) => expect(lastBoundary(bytes(text))).toBe(at));

  it("are cut at the same places however the bytes arrive", () => {
    const frame = fc.constantFrom('data: {"a":1}\n\n', ": ping\n\n", "event: x\r\ndata: y\r\n\r\n", "data: ü€😀\n\n");
    fc.assert(
      fc.property(
        fc.array(frame, { minLength: 1, maxLength: 8 }),
        fc.array(fc.nat(400), { maxLength: 6 }),
        (frames, cuts) => {
          const all = bytes(frames.join(""));
          const places = [...new Set([0, ...cuts.map((cut) => cut % all.length), all.length])].toSorted(
            (left, right) => left - right,
          );
          let rest = new Uint8Array();
          let passed = 0;
          for (let at = 1; at < places.length; at += 1) {
            const chunk = new Uint8Array([...rest, ...all.subarray(places[at - 1], places[at])]);
            const boundary = lastBoundary(chunk);
            passed += boundary;
            rest = chunk.slice(boundary);
          }
          expect(passed).toBe(all.length);
          expect(rest.length).toBe(0);
        },
      ),
    );
  });

  it("of usage alone are those without choices", () => {
    expect(isUsageOnlyFrame('data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n')).toBe(true);
    expect(isUsageOnlyFrame('data: {"choices":[{"index":0}],"usage":{"prompt_tokens":1}}\n\n')).toBe(false);
    expect(isUsageOnlyFrame('data: {"choices":[],"usage":null}\n\n')).toBe(false);
    expect(isUsageOnlyFrame("data: [DONE]\n\n")).toBe(false);
  });
});

describe("a chat stream", () => {
  const chunk = (more: object): string =>
    `data: ${JSON.stringify({ id: "c1", model: "m", choices: [{ index: 0, delta: { content: "x" }, finish_reason: null }], usage: null, ...more })}\n\n`;

  it("tells usage, ends and its marker", () => {
    const text =
      chunk({}) +
      chunk({}) +
      chunk({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }) +
      chunk({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } }) +
      "data: [DONE]\n\n";
    expect(chatWire.streamed(text)).toEqual({
      isDone: true,
      error: undefined,
      usage: { ...NO_USAGE, input: 3, output: 2 },
      model: "m",
      id: "c1",
      finishReasons: ["stop"],
    });
  });

  it("tells an error inside a 200, and that it was cut", () => {
    expect(chatWire.streamed(chunk({}) + 'data: {"error":{"message":"overloaded"}}\n\n')).toMatchObject({
      isDone: false,
      error: { message: "overloaded" },
      usage: undefined,
    });
    expect(chatWire.streamed(chunk({}).slice(0, 20))).toMatchObject({ isDone: false, usage: undefined });
  });

  it("shows by its first events whether it is an answer", () => {
    const role = chunk({ choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }] });
    expect(chatWire.opening("\uFEFF: hi\n\n")).toEqual({ type: "waiting" });
    expect(chatWire.opening(role)).toEqual({ type: "preamble" });
    expect(chatWire.opening(role + chunk({}).slice(0, 30))).toEqual({ type: "preamble" });
    expect(chatWire.opening(role + chunk({}))).toEqual({ type: "content" });
    expect(chatWire.opening(role + 'data: {"error":{"message":"full","type":"overloaded_error"}}\n\n')).toEqual({
      type: "error",
      error: { kind: "overloaded", message: "full", code: "overloaded_error" },
    });
  });

  it("is not fooled by the words in a text", () => {
    expect(
      chatWire.streamed(
        chunk({
          choices: [{ index: 0, delta: { content: '{"error": {"message": "no"}} "usage":{' }, finish_reason: null }],
        }),
      ),
    ).toMatchObject({ error: undefined, usage: undefined });
  });
});

describe("scrubbing", () => {
  it("removes a credential in every form it may turn up in, and leaves the rest", () => {
    const secret = 'sk-"live"/1234567+é';
    const plain = "sk-live-1234567890";
    for (const credential of [secret, plain]) {
      const record = JSON.stringify({
        a: credential,
        b: JSON.stringify({ c: credential }),
        d: encodeURIComponent(credential),
        e: "kept",
      });
      const out = scrub(record, [credential]);
      expect(out).not.toContain(credential);
      expect(JSON.parse(out)).toMatchObject({ a: SCRUBBED, e: "kept", d: SCRUBBED });
      expect(out).not.toContain(JSON.stringify(credential).slice(1, -1));
    }
    expect(scrub(`Basic ${btoa(plain)}`, [plain])).not.toContain(btoa(plain).replace(/=+$/, ""));
    expect(scrub("a short word", ["a"])).toBe("a short word");
  });
});
