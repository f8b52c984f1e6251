// Proves masking where records leave: tokens that join and open, looks that are on record first, raw records that go, nothing kept when in doubt.
import { afterEach, describe, expect, it, test, vi } from "vitest";
import { MaskingKeyStore } from "../../src/adapters/kv/masking-keys.ts";
import { kvSecrets } from "../../src/adapters/kv/secrets.ts";
import { r2RawStore } from "../../src/adapters/r2/raw-records.ts";
import { sivTokens } from "../../src/core/guard/mask-tokens.ts";
import {
  bindings,
  chat,
  completion,
  createKey,
  createTenant,
  refund,
  request,
  upstream,
  type TestTenant,
} from "./tenant.ts";

const EMAIL = "jane.doe@example.com";
const CARD = "4111 1111 1111 1111";
const AWS = ["AK", "IA", "QYLPMN5HFIQR7XYA"].join("");

afterEach(() => vi.restoreAllMocks());

const withTrace = (trace: unknown): Promise<TestTenant> => createTenant({}, {}, { sections: { trace } });

interface Trace {
  readonly calls: readonly { readonly kind: string }[];
  readonly spans: readonly { readonly name: string; readonly attributes: Readonly<Record<string, unknown>> }[];
  readonly payloads: readonly { readonly name: string; readonly body: string | null; readonly omitted?: string }[];
}

/** A stored trace once it has so many calls, and its text. */
function traced(tenant: TestTenant, id: string, calls = 1): Promise<Trace & { readonly text: string }> {
  return vi.waitFor(
    async () => {
      const answer = await request(`/v1/traces/${id}`, tenant.auditor);
      expect(answer.status).toBe(200);
      const text = await answer.text();
      const trace = JSON.parse(text) as Trace;
      expect(trace.calls.length).toBeGreaterThanOrEqual(calls);
      return { ...trace, text };
    },
    { timeout: 15_000, interval: 50 },
  );
}

/** A model call whose prompt and answer name somebody; the id of its trace. */
async function said(tenant: TestTenant, more: Readonly<Record<string, unknown>> = {}): Promise<string> {
  upstream(() => completion());
  const answer = await chat(tenant.agent, "s", {
    messages: [{ role: "user", content: `write to ${EMAIL}, card ${CARD}, key ${AWS}` }],
    ...more,
  });
  expect(answer.status).toBe(200);
  await answer.text();
  return answer.headers.get("interlock-trace-id") ?? "";
}

function reveal(key: string, body: unknown): Promise<Response> {
  return request("/v1/traces/reveal", key, { method: "POST", body: JSON.stringify(body) });
}

describe("a token", () => {
  it("stands for the same value in every record, and an auditor who says why opens it", async () => {
    const tenant = await withTrace({});
    const [one, two] = [await traced(tenant, await said(tenant)), await traced(tenant, await said(tenant))];
    const tokensIn = (text: string): readonly string[] => text.match(/\[email_address:[\w-]+\]/g) ?? [];
    expect(tokensIn(one.text)[0]).toBe(tokensIn(two.text)[0]);
    expect(one.text).not.toMatch(/jane|4111 1111|IAQYLP/);
    expect(one.text).toContain("[secret:aws-access-key]");
    const token = tokensIn(one.text)[0] ?? "";
    const opened = await reveal(tenant.auditor, {
      tokens: [token, "[email_address:AAAAAAAAAAAAAAAAAAAAAAAA]"],
      reason: "case 7",
    });
    expect(opened.headers.get("cache-control")).toBe("no-store");
    expect(await opened.json()).toEqual({
      values: [
        { token, value: EMAIL },
        { token: "[email_address:AAAAAAAAAAAAAAAAAAAAAAAA]", value: null },
      ],
    });
    const other = await withTrace({});
    expect(await (await reveal(other.auditor, { tokens: [token], reason: "case 7" })).json()).toMatchObject({
      values: [{ value: null }],
    });
  });

  it("is opened by nobody else, for no reason, or off the record", async () => {
    const tenant = await withTrace({});
    const body = { tokens: ["[email_address:AAAAAAAAAAAAAAAAAAAAAAAA]"], reason: "case 7" };
    const operator = await createKey(tenant.id, ["operator"]);
    expect((await reveal(operator, body)).status).toBe(403);
    expect((await reveal(tenant.agent, body)).status).toBe(403);
    expect((await reveal(tenant.auditor, { ...body, reason: " " })).status).toBe(400);
    vi.spyOn(bindings.TRACES, "send").mockRejectedValue(new Error("queue away"));
    vi.spyOn(bindings.SESSION_LEDGER, "getByName").mockImplementation(() => {
      throw new Error("ledger away");
    });
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const refused = await reveal(tenant.auditor, body);
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ code: "trace_store_down" });
  });
});

describe("raw records", () => {
  it("are kept where the tenant wants them, encrypted, and each look at them is in the trace", async () => {
    const tenant = await withTrace({ raw: { days: 3 } });
    const id = await said(tenant);
    expect((await traced(tenant, id)).text).not.toContain("jane");
    const answer = await request(`/v1/traces/${id}/raw?reason=incident%2012`, tenant.auditor);
    expect(answer.status).toBe(200);
    const text = await answer.text();
    expect(text).toContain(EMAIL);
    // Credentials are not kept even so.
    expect(text).not.toContain(AWS);
    const objects = await bindings.BLOBS.list({ prefix: `raw/${tenant.id}/` });
    expect(objects.objects).toHaveLength(1);
    expect(await (await bindings.BLOBS.get(objects.objects[0]?.key ?? ""))?.text()).not.toContain("jane");
    const { spans } = await traced(tenant, id, 2);
    const look = spans.find(({ name }) => name === "reveal raw revealed");
    expect(look?.attributes).toMatchObject({ "interlock.act.reason": "incident 12" });
    expect((await request(`/v1/traces/${id}/raw`, tenant.auditor)).status).toBe(400);
    expect((await request(`/v1/traces/${id}/raw?reason=why`, tenant.agent)).status).toBe(403);
  });

  it("are not kept otherwise, and go when their time is over", async () => {
    const tenant = await withTrace({});
    const id = await said(tenant);
    await traced(tenant, id);
    expect((await request(`/v1/traces/${id}/raw?reason=why`, tenant.auditor)).status).toBe(404);
    expect((await bindings.BLOBS.list({ prefix: `raw/${tenant.id}/` })).objects).toEqual([]);

    const system = { now: () => Date.now(), randomHex: (bytes: number) => "ab".repeat(bytes) };
    const store = r2RawStore(
      bindings.BLOBS,
      new MaskingKeyStore(bindings.CONFIG, { current: rootOf(7), previous: undefined }, system),
    );
    const day = 86_400_000;
    const hex = "4bf92f3577b34da6a3ce929d0e0e4736";
    const record = { v: 1, index: { tenant: tenant.id, trace_hex: hex, span_id: "a" }, spans: [], payloads: [] };
    // As much of a record as the store reads.
    await store.put(record as unknown as Parameters<typeof store.put>[0], Date.now() + day);
    expect(await store.read(tenant.id, hex, Date.now())).toHaveLength(1);
    expect(await store.read(tenant.id, hex, Date.now() + day)).toEqual([]);
    expect(await store.purge(tenant.id, Date.now() + day / 2, 10)).toBe(0);
    expect(await store.purge(tenant.id, Date.now() + 2 * day, 10)).toBe(1);
    await store.put(record as unknown as Parameters<typeof store.put>[0], Date.now() + day);
    expect(await store.remove(tenant.id, hex, await store.days(tenant.id))).toBe(1);
    expect(await store.read(tenant.id, hex, Date.now())).toEqual([]);
  });
});

test("no message to any queue holds what was masked", async () => {
  const sent: string[] = [];
  for (const queue of [bindings.TRACES, bindings.NOTICES, bindings.CALLS]) {
    const send = queue.send.bind(queue);
    vi.spyOn(queue, "send").mockImplementation((body, options) => {
      sent.push(JSON.stringify(body));
      return send(body, options);
    });
  }
  const tenant = await withTrace({});
  await traced(tenant, await said(tenant));
  expect(sent.join("")).toContain("[email_address:");
  expect(sent.join("")).not.toMatch(/jane|4111 1111|IAQYLP/);
});

describe("bodies", () => {
  it("are left out by sampling, but not of what went wrong or writes", async () => {
    const tenant = await withTrace({ sampling: { payloads: 0 } });
    const dropped = await traced(tenant, await said(tenant));
    expect(dropped.payloads.map(({ body, omitted }) => [body, omitted])).toEqual([
      [null, "sampled out"],
      [null, "sampled out"],
    ]);
    upstream(() => Response.json({ error: { message: `no such ${EMAIL}` } }, { status: 400 }));
    const failed = await chat(tenant.agent, "s");
    const kept = await traced(tenant, failed.headers.get("interlock-trace-id") ?? "");
    expect(kept.payloads.every(({ body }) => body !== null)).toBe(true);
    upstream(() => Response.json({ id: "re_1" }, { status: 201 }));
    const written = await refund(tenant.agent, "s", "k-1");
    const write = await traced(tenant, written.headers.get("interlock-trace-id") ?? "");
    expect(write.payloads.every(({ body }) => body !== null)).toBe(true);
  });

  it("are kept by a rule's own share", async () => {
    const tenant = await withTrace({ sampling: { payloads: 0, rules: [{ model: ["m"], payloads: 1 }] } });
    const { payloads } = await traced(tenant, await said(tenant));
    expect(payloads.every(({ body }) => body !== null)).toBe(true);
  });

  it("follow the tenant's paths, detectors and patterns", async () => {
    const tenant = await withTrace({
      masking: {
        detectors: { email_address: false },
        always: ["request.metadata.name"],
        patterns: { badge: "BDG-[0-9]{4}" },
      },
    });
    const { payloads } = await traced(tenant, await said(tenant, { metadata: { name: "Jo Low", badge: "BDG-1234" } }));
    const body = payloads.find(({ name }) => name === "request")?.body ?? "";
    expect(body).toContain(EMAIL);
    expect(body).toMatch(/"name":"\[value:[\w-]+\]","badge":"\[badge:[\w-]+\]"/);
  });

  it("become digests where the tenant's key cannot be had", async () => {
    const tenant = await withTrace({});
    vi.spyOn(bindings.CONFIG, "list").mockRejectedValue(new Error("KV away"));
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const id = await said(tenant, { padding: "x".repeat(300) });
    const { payloads, text } = await traced(tenant, id);
    expect(text).not.toMatch(/jane|4111 1111/);
    expect(payloads.map(({ body, omitted }) => [body, omitted])).toEqual([
      [null, "could not be masked"],
      [null, "could not be masked"],
    ]);
  });
});

describe("an id that tells who somebody is", () => {
  it.each([
    ["Interlock-Session", { "interlock-session": "c-4111111111111111" }],
    ["Interlock-Task", { "interlock-task": "DE89370400440532013000" }],
    ["Interlock-Release", { "interlock-release": AWS }],
  ])("is refused in %s, which is named", async (path, headers) => {
    const tenant = await withTrace({});
    const answer = await request("/v1/chat/completions", tenant.agent, {
      method: "POST",
      headers,
      body: JSON.stringify({ model: "m", messages: [] }),
    });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toContain(path);
  });

  it("is refused as an idempotency key and as a trace id", async () => {
    const tenant = await withTrace({});
    const post = (headers: Readonly<Record<string, string>>, more: object): Promise<Response> =>
      request("/v1/tool-calls", tenant.agent, {
        method: "POST",
        headers,
        body: JSON.stringify({ tool_call: { name: "refund", args: { amount_usd: 1 } }, ...more }),
      });
    const key = await post({ "idempotency-key": EMAIL }, {});
    expect([key.status, (await key.json<{ code: string }>()).code]).toEqual([400, "idempotency_key_invalid"]);
    const trace = await post({}, { trace_id: "tr_4111111111111111" });
    expect([trace.status, await trace.text()]).toEqual([400, expect.stringContaining("trace_id")]);
  });
});

function rootOf(fill: number): string {
  return btoa(String.fromCharCode(...new Uint8Array(32).fill(fill)));
}

describe("a masking key", () => {
  it("is made once, wrapped anew under another root key, and opens what it made before", async () => {
    const tenant = `masked-${crypto.randomUUID().slice(0, 8)}`;
    let ids = 0;
    const system = { now: () => Date.now(), randomHex: (bytes: number) => String((ids += 1)).padStart(bytes * 2, "0") };
    const at = (current: string, previous?: string): MaskingKeyStore =>
      new MaskingKeyStore(bindings.CONFIG, { current, previous }, system);
    const first = at(rootOf(1));
    const made = await Promise.all([first.keysOf(tenant), first.keysOf(tenant), first.keysOf(tenant)]);
    expect(made[1]).toEqual(made[0]);
    const token = sivTokens(made[0] ?? []).seal("user", "u-1");
    const stored = await bindings.CONFIG.list({ prefix: `maskkey/${tenant}/` });
    expect(stored.keys).toHaveLength(1);
    const roots = { current: rootOf(2), previous: rootOf(1) };
    await kvSecrets(bindings.CONFIG, roots, system).rotate(tenant, { newKey: true });
    expect(sivTokens(await at(rootOf(2)).keysOf(tenant)).open(token)).toBe("u-1");
    await expect(at(rootOf(1)).keysOf(tenant)).rejects.toThrow();
  });
});
