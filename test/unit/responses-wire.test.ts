// Answers and streams of Responses that pass through: usage, ends, first content, and how a broken stream is ended.
import { describe, expect, test } from "vitest";
import { responsesWire } from "../../src/core/dialect/responses/wire.ts";
import { NO_USAGE } from "../../src/core/budget/price.ts";
import { eventsOf } from "../../src/core/stream/events.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import { bodyOf, call, expectValid, message, REASONING, replyEvents, response, streamOf } from "./responses-fixture.ts";

const BUCKETS = { ...NO_USAGE, input: 6, cacheRead: 30, cacheWrite: 4, output: 20, reasoning: 8 };
const BROKEN = { code: "upstream_failed", message: "It broke." };

describe("what was said", () => {
  test("whole", () => {
    expect(responsesWire.whole(bodyOf(response({ output: [message("hi")] })))).toEqual({
      usage: BUCKETS,
      model: "gpt-5.4",
      id: "resp_1",
      finishReasons: ["completed"],
      error: undefined,
    });
    const cut = response({ status: "incomplete", incomplete_details: { reason: "max_output_tokens" } });
    expect(responsesWire.whole(bodyOf(cut)).finishReasons).toEqual(["max_output_tokens"]);
    const failed = response({ status: "failed", error: { code: "rate_limit_exceeded", message: "slow" } });
    expect(responsesWire.whole(bodyOf(failed)).error).toMatchObject({ kind: "rate_limit", message: "slow" });
    expect(
      responsesWire.whole(bodyOf({ error: { type: "invalid_request_error", message: "no" } })).error,
    ).toMatchObject({
      kind: "invalid_request",
    });
    expect(responsesWire.whole(bodyOf({}))).toMatchObject({ usage: undefined, finishReasons: [] });
  });

  test("a stream, its middle lost or its last blank line missing", () => {
    const text = streamOf([REASONING, message('a text that quotes "response.failed" and goes on '.repeat(20))]);
    const said = {
      usage: BUCKETS,
      model: "gpt-5.4",
      id: "resp_1",
      finishReasons: ["completed"],
      error: undefined,
      isDone: true,
    };
    expect(responsesWire.streamed(text)).toMatchObject(said);
    expect(responsesWire.streamed(text.trimEnd())).toMatchObject(said);
    expect(responsesWire.streamed(text.slice(0, 900) + text.slice(-3500))).toMatchObject(said);
  });

  test("a stream that failed, and one that was cut", () => {
    const failed = streamOf([message("hi")], {
      status: "failed",
      error: { code: "server_error", message: "it broke" },
    });
    expect(responsesWire.streamed(failed)).toMatchObject({ isDone: true, error: { message: "it broke" } });
    const [cut = ""] = streamOf([message("hi")]).split("event: response.completed");
    expect(responsesWire.streamed(cut)).toMatchObject({
      isDone: false,
      usage: undefined,
      id: "resp_1",
      error: undefined,
    });
  });
});

describe("what a stream's beginning shows", () => {
  const frames = (text: string): readonly string[] => text.split(/(?<=\n\n)/);
  const shown = (text: string): readonly string[] =>
    frames(text).map((_, at, all) => responsesWire.opening(all.slice(0, at + 1).join("")).type);

  test("nothing until there is something to see", () => {
    expect(responsesWire.opening("event: response.created\ndata: {")).toEqual({ type: "waiting" });
    expect(shown(streamOf([message("hi")])).slice(0, 5)).toEqual([
      "preamble",
      "preamble",
      "preamble",
      "preamble",
      "content",
    ]);
    expect(shown(streamOf([REASONING])).slice(0, 5)).toEqual([
      "preamble",
      "preamble",
      "preamble",
      "preamble",
      "content",
    ]);
    expect(shown(streamOf([call(1, "{}")])).slice(0, 3)).toEqual(["preamble", "preamble", "content"]);
    expect(shown(streamOf([])).at(-1)).toBe("content");
  });

  test("an error before content is that error", () => {
    const [first = ""] = frames(streamOf([]));
    const error = { type: "error", code: "server_error", message: "no", param: null };
    expect(responsesWire.opening(`${first}event: error\ndata: ${JSON.stringify(error)}\n\n`)).toMatchObject({
      type: "error",
      error: { kind: "server", message: "no" },
    });
    const failed = streamOf([], { status: "failed", error: { code: "rate_limit_exceeded", message: "slow" } });
    expect(responsesWire.opening(failed)).toMatchObject({ type: "error", error: { kind: "rate_limit" } });
  });
});

describe("how a broken stream ends", () => {
  test("with a failed response of what was over, at every place where it can be cut", () => {
    const whole = streamOf([REASONING, message("hello"), call(1, '{"q":1}')]);
    const end = whole.indexOf("event: response.completed");
    for (let at = 0; at < end; at += 7) {
      const text = whole.slice(0, at);
      const closed = text + responsesWire.closing(BROKEN, responsesWire.streamed(text));
      const last = eventsOf(closed).at(-1);
      const event = JSON.parse(last?.data ?? "{}") as JsonObject;
      expectValid("ResponseStreamEvent", event);
      expect(closed).not.toContain("event: response.completed");
      const hasBegun = responsesWire.streamed(text).id !== undefined;
      expect(event["type"]).toBe(hasBegun ? "response.failed" : "error");
      expect(replyEvents(closed).at(-1)).toMatchObject({ type: "error" });
    }
    const text = whole.slice(0, end);
    const event = JSON.parse(
      eventsOf(responsesWire.closing(BROKEN, responsesWire.streamed(text))).at(-1)?.data ?? "{}",
    ) as JsonObject;
    expect(event).toMatchObject({
      response: {
        id: "resp_1",
        status: "failed",
        error: { code: "server_error", message: "It broke. (upstream_failed)" },
      },
      sequence_number: eventsOf(text).length,
    });
    expect((event["response"] as JsonObject)["output"]).toHaveLength(3);
  });

  test("not at all where it has ended", () => {
    expect(responsesWire.closing(BROKEN, responsesWire.streamed(streamOf([message("hi")])))).toBe("");
  });
});
