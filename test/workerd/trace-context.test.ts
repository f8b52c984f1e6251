// Proves that the caller's trace goes on to models and tools: its trace id, a parent of our own, and the state of others.
import { afterEach, describe, expect, it, vi } from "vitest";
import { completion, createTenant, request, upstream } from "./tenant.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

const HEX = "12345678901234567890123456789012";
const PARENT = "1234567890123456";

async function sentFor(headers: Readonly<Record<string, string>>): Promise<readonly Headers[]> {
  const tenant = await createTenant({});
  const { sent } = upstream((outgoing) =>
    new URL(outgoing.url).host === "model.test" ? completion() : Response.json({ ok: true }),
  );
  const chat = { model: "m", messages: [{ role: "user", content: "hi" }], max_tokens: 10 };
  const call = { tool_call: { name: "refund", args: { amount_usd: 5 } } };
  for (const [path, body] of [
    ["/v1/chat/completions", chat],
    ["/v1/tool-calls", call],
  ] as const) {
    const answer = await request(path, tenant.agent, { method: "POST", headers, body: JSON.stringify(body) });
    expect(answer.status).toBe(200);
    await answer.text();
  }
  const own = sent.filter(({ url }) => ["model.test", "tool.test"].includes(new URL(url).host));
  expect(own).toHaveLength(2);
  return own.map((outgoing) => outgoing.headers);
}

describe("what goes on", () => {
  it("the trace id, the flags and the state, with a parent of our own for each request", async () => {
    const sent = await sentFor({ traceparent: `00-${HEX}-${PARENT}-03`, tracestate: "foo=1, bar=2" });
    const parents = sent.map((headers) => {
      const [version, traceHex, spanId, flags] = (headers.get("traceparent") ?? "").split("-");
      expect([version, traceHex, flags]).toEqual(["00", HEX, "03"]);
      expect(headers.get("tracestate")).toBe("foo=1,bar=2");
      return spanId;
    });
    expect(new Set([...parents, PARENT]).size).toBe(3);
  });

  it("no state without a valid traceparent, nor one that cannot be parsed", async () => {
    for (const headers of [
      { tracestate: "foo=1" },
      { traceparent: `00-${"0".repeat(32)}-${PARENT}-01`, tracestate: "foo=1" },
      { traceparent: `00-${HEX}-${PARENT}-01`, tracestate: "FOO=1" },
    ]) {
      for (const sent of await sentFor(headers)) {
        expect(sent.get("tracestate")).toBeNull();
        expect(sent.get("traceparent")).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]$/);
      }
    }
  });
});
