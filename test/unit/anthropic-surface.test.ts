// Proves how refusals read to Anthropic clients, for every code there is, and how tokens are estimated where nobody counts them.
import { describe, expect, it } from "vitest";
import { estimateTokens } from "../../src/core/dialect/count-tokens/estimate.ts";
import { ERRORS, refuse, type ErrorCode } from "../../src/core/errors.ts";
import { anthropicError, anthropicErrorBody } from "../../src/http/anthropic/errors.ts";
import type { JsonObject } from "../../src/core/json/canonical.ts";
import { expectValid } from "./messages-fixture.ts";

// The catalogue's keys are its codes.
const CODES = Object.keys(ERRORS) as ErrorCode[];
const typeOf = (code: ErrorCode): unknown => (anthropicErrorBody(refuse(code, "d"))["error"] as { type: unknown }).type;

describe("a refusal in Anthropic's shape", () => {
  // Anthropic documents `request_too_large`, and its types leave it out.
  it.each(CODES.filter((code) => ERRORS[code].status !== 413))("is one of its errors: %s", (code) =>
    expectValid("AError", anthropicErrorBody(refuse(code, "d"), "tr_1")),
  );

  it("has a type by its status", () => {
    const types: Partial<Record<ErrorCode, string>> = {
      invalid_request: "invalid_request_error",
      unsupported: "invalid_request_error",
      unauthenticated: "authentication_error",
      policy_denied: "permission_error",
      halted: "permission_error",
      unknown_model: "not_found_error",
      body_too_large: "request_too_large",
      budget_exceeded: "rate_limit_error",
      upstream_failed: "api_error",
      provider_unavailable: "overloaded_error",
      upstream_timeout: "timeout_error",
      caller_left: "api_error",
      method_not_allowed: "invalid_request_error",
    };
    for (const [code, type] of Object.entries(types)) expect(typeOf(code as ErrorCode), code).toBe(type);
  });

  it("says what was wrong where, and whether to try again", async () => {
    const mistakes = [{ path: "tools.0", message: "runs at Anthropic" }];
    const refusal = refuse("unsupported", "tools.0: runs at Anthropic", {
      mistakes,
      extensions: { figure: 1 },
      retryAfterS: 7,
    });
    const response = anthropicError(refusal, "tr_1");
    expect(response.status).toBe(400);
    expect(Object.fromEntries(response.headers)).toEqual({
      "content-type": "application/json",
      "x-should-retry": "false",
      "retry-after": "7",
    });
    expect(await response.json()).toEqual({
      type: "error",
      error: { type: "invalid_request_error", message: "tools.0: runs at Anthropic" },
      request_id: "tr_1",
      interlock: { code: "unsupported", figure: 1, mistakes },
    });
    expect(anthropicError(refuse("provider_unavailable", "d")).headers.get("x-should-retry")).toBe("true");
  });

  it("of a thread says so in the words that make Anthropic's client send the whole conversation", () => {
    const refusal = refuse("unsupported", "d", { mistakes: [{ path: "thread", message: "m" }] });
    expect(anthropicErrorBody(refusal)["error"]).toMatchObject({
      details: { error_code: "thread_unsupported_request" },
    });
  });
});

describe("an estimate of tokens", () => {
  const estimate = (body: JsonObject): number => {
    const text = JSON.stringify(body);
    return estimateTokens(body, { text, bytes: new TextEncoder().encode(text).byteLength });
  };
  const ask = (content: string): number => estimate({ model: "m", messages: [{ role: "user", content }] });

  it("grows with the bytes of what is said, whatever the script", () => {
    expect(ask("word ".repeat(600))).toBeGreaterThan(1000);
    expect(ask("word ".repeat(600))).toBeLessThan(1050);
    expect(ask("词".repeat(1000))).toBeGreaterThan(950);
    expect(estimate({})).toBe(1);
  });

  it("counts system and tools, and neither the model nor anything else", () => {
    const tool = { name: "a", description: "x".repeat(300), input_schema: { type: "object" } };
    expect(estimate({ messages: [], system: "x".repeat(300), tools: [tool] })).toBeGreaterThan(200);
    expect(estimate({ messages: [], model: "x".repeat(3000), metadata: { user_id: "x".repeat(3000) } })).toBe(1);
  });

  it("counts images and documents by their kind, not by their bytes", () => {
    const data = "A".repeat(1_000_000);
    const image = { type: "image", source: { type: "base64", media_type: "image/png", data } };
    const pdf = { type: "document", source: { type: "base64", media_type: "application/pdf", data } };
    const withBlock = (block: typeof image): number => estimate({ messages: [{ role: "user", content: [block] }] });
    expect(withBlock(image)).toBeLessThan(1_700);
    expect(withBlock(pdf)).toBeGreaterThan(40_000);
    expect(withBlock(pdf)).toBeLessThan(41_000);
  });
});
