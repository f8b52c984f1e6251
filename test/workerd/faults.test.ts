// Proves what must hold when pieces fail: frames cut anywhere, storage that throws, odd credentials, paths that would climb.
import { afterEach, describe, expect, it, vi } from "vitest";
import { bindings, chat, completion, createTenant, refund, request, upstream } from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

const frame = (more: object): string =>
  `data: ${JSON.stringify({ id: "c", model: "m", choices: [{ index: 0, delta: { content: "tok" }, finish_reason: null }], usage: null, ...more })}\n\n`;
const STREAM = `${frame({})}${frame({})}${frame({})}${frame({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 3 } })}data: [DONE]\n\n`;

/** A stream that arrives in these pieces. */
function streamed(pieces: readonly string[]): Response {
  const body = new ReadableStream({
    type: "bytes",
    async start(controller) {
      for (const piece of pieces) {
        controller.enqueue(new TextEncoder().encode(piece));
        await scheduler.wait(8);
      }
      controller.close();
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

function piecesOf(text: string, size: number): readonly string[] {
  return Array.from({ length: Math.ceil(text.length / size) }, (_, at) => text.slice(at * size, (at + 1) * size));
}

async function heldIn(tenant: string, session: string): Promise<number> {
  return (await bindings.SESSION_LEDGER.getByName(`${tenant}/${session}`).read()).state.session?.held.usd ?? -1;
}

describe("a stream", () => {
  it.each([
    {
      what: "whole frames, then pieces of 70 bytes",
      pieces: [frame({}), ...piecesOf(STREAM.slice(frame({}).length), 70)],
    },
    { what: "pieces of 7 bytes", pieces: piecesOf(STREAM, 7) },
    { what: "one piece", pieces: [STREAM] },
  ])("arrives whole without its usage frame when it comes in $what", async ({ pieces }) => {
    const tenant = await createTenant({});
    upstream(() => streamed(pieces));
    const text = await (await chat(tenant.agent, "s1", { stream: true })).text();
    expect(text).toBe(STREAM.replace(frame({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 3 } }), ""));
    await vi.waitFor(async () => expect(await heldIn(tenant.id, "s1")).toBe(0));
  });

  it("reaches a caller who asked for usage byte for byte", async () => {
    const tenant = await createTenant({});
    upstream(() => streamed(piecesOf(STREAM, 70)));
    expect(
      await (await chat(tenant.agent, "s1", { stream: true, stream_options: { include_usage: true } })).text(),
    ).toBe(STREAM);
  });

  it("that ends without usage costs its whole hold", async () => {
    const tenant = await createTenant({});
    upstream(() => streamed([frame({}), frame({})]));
    expect(await (await chat(tenant.agent, "s1", { stream: true })).text()).toContain('"code":"upstream_failed"');
    await vi.waitFor(async () => expect(await heldIn(tenant.id, "s1")).toBe(0));
    const { session } = (await bindings.SESSION_LEDGER.getByName(`${tenant.id}/s1`).read()).state;
    expect(session?.used.usd).toBeGreaterThan(250);
  });
});

describe("a model call", () => {
  it("that asks for more than can be held exactly is refused, and changes nothing", async () => {
    const tenant = await createTenant({});
    upstream(() => completion());
    for (const body of [
      { max_tokens: 1e308 },
      { max_tokens: 100_000, n: 128 },
      { model: "x".repeat(300) },
      { service_tier: "priority" },
    ]) {
      expect((await chat(tenant.agent, "s1", body)).status).toBe(400);
    }
    expect((await request("/v1/sessions/s1", tenant.agent)).status).toBe(404);
  });

  it("never hands the tenant's credential to the caller, though the provider echoes it", async () => {
    const tenant = await createTenant({});
    upstream((outgoing) =>
      Response.json({ error: { message: `bad key ${outgoing.headers.get("authorization") ?? ""}` } }, { status: 401 }),
    );
    const answer = await chat(tenant.agent, "s1");
    expect(answer.status).toBe(401);
    expect(await answer.text()).toContain("[scrubbed:credential]");
  });

  it("costs nothing and holds nothing when its credential cannot be read", async () => {
    const tenant = await createTenant({});
    const { sent } = upstream(() => completion());
    await request("/v1/secrets/upstream", "root-key-of-the-tests", {
      method: "DELETE",
      headers: { "interlock-tenant": tenant.id },
    });
    const answer = await chat(tenant.agent, "s1");
    expect(answer.status).toBe(502);
    expect(sent).toHaveLength(0);
    await vi.waitFor(async () => expect(await heldIn(tenant.id, "s1")).toBe(0));
  });
});

describe("a tool call", () => {
  it("whose URL argument would climb out of its path is not sent", async () => {
    const schema = {
      type: "object",
      properties: { amount_usd: { type: "number" }, id: { type: "string" } },
      required: ["amount_usd", "id"],
    };
    const tenant = await createTenant({}, { url: "https://tool.test/v1/customers/{id}/notes", input_schema: schema });
    const { sent } = upstream(() => Response.json({}));
    for (const id of ["..", ".", ""]) {
      const answer = await request("/v1/tool-calls", tenant.agent, {
        method: "POST",
        body: JSON.stringify({ tool_call: { name: "refund", args: { amount_usd: 1, id } } }),
      });
      expect(await answer.json()).toMatchObject({ code: "egress_blocked" });
    }
    expect(sent).toHaveLength(0);
  });

  it("keeps its outcome when its credential looks like any digits, and when its record cannot be finished", async () => {
    const tenant = await createTenant({});
    await request("/v1/secrets/upstream", "root-key-of-the-tests", {
      method: "PUT",
      headers: { "interlock-tenant": tenant.id },
      body: JSON.stringify({ value: "123456" }),
    });
    upstream(() => Response.json({ id: 1_234_567, note: "123456 is it" }, { status: 201 }));
    const answer = (await (await refund(tenant.agent, "s1", "k1")).json()) as { status: string; result: unknown };
    expect(answer).toMatchObject({
      status: "succeeded",
      result: { id: 1_234_567, note: "[scrubbed:credential] is it" },
    });
  });

  it("with text that has no UTF-8 form is refused by name", async () => {
    const tenant = await createTenant({});
    const answer = await request("/v1/tool-calls", tenant.agent, {
      method: "POST",
      body: '{"tool_call":{"name":"refund","args":{"amount_usd":1,"note":"\\ud800"}}}',
    });
    expect(await answer.json()).toMatchObject({ status: 400, errors: [{ path: "tool_call.args.note" }] });
  });
});
