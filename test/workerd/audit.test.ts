// Proves the audit chain inside workerd: every act reaches it once, whoever appends at once, whatever is cut off in between.
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { AuditEvent } from "../../src/core/audit/event.ts";
import { compose } from "../../src/compose.ts";
import { indexTraces } from "../../src/jobs/trace-index.ts";
import { actRecord, actTrace, type Act } from "../../src/core/trace/act.ts";
import type { TraceRecord } from "../../src/core/trace/record.ts";
import type { Env } from "../../src/env.ts";
import { verifyAudit } from "../../src/gateway/verify-audit.ts";
import { listAudit } from "../../src/gateway/read-audit.ts";
import { approvalRule, approve, asked, decide, withApprovals } from "./people.ts";
import { bindings, createKey, createTenant, request, upstream } from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

const { ports } = compose(env as unknown as Env);

/** A chain of its own: no tenant has to exist for it. */
function freshTenant(): string {
  return `chain-${crypto.randomUUID().slice(0, 8)}`;
}

function act(tenant: string, number: number): TraceRecord {
  const what: Act = {
    tenant,
    kind: "key",
    traceHex: actTrace("key", tenant, String(number)),
    session: null,
    actor: null,
    subject: `key_${number}`,
    status: "created",
    by: "key_admin",
    reason: "a text that must not stand in the chain",
  };
  return actRecord(what, { spanId: number.toString(16).padStart(16, "0"), now: 1_800_000_000_000 + number });
}

interface Sent {
  readonly acked: boolean;
  readonly retried: boolean;
}

/** Consumes messages of these records, as the queue would hand them over. */
async function consume(records: readonly TraceRecord[], over: typeof ports = ports): Promise<Sent> {
  const sent = { acked: false, retried: false };
  await indexTraces(over, [
    {
      body: records.map((record) => JSON.stringify(record)).join("\n"),
      timestamp: new Date(),
      attempts: 1,
      ack: () => (sent.acked = true),
      retry: () => (sent.retried = true),
    },
  ]);
  return sent;
}

/** The ports over a database whose transactions come to this. */
function withBatch(batch: () => Promise<never>): typeof ports {
  const DB = new Proxy(bindings.DB, {
    get: (target, name) => {
      const member: unknown = name === "batch" ? batch : Reflect.get(target, name);
      return typeof member === "function" ? (member.bind(target) as unknown) : member;
    },
  });
  return compose({ ...(env as unknown as Env), DB }).ports;
}

async function eventsOf(tenant: string): Promise<readonly AuditEvent[]> {
  const { entries } = await listAudit(ports, tenant, { limit: 200 });
  return entries.map(({ event }) => event).toReversed();
}

async function expectWhole(tenant: string, count: number): Promise<void> {
  const report = await verifyAudit(ports, tenant, 1);
  expect(report).toMatchObject({ ok: true, events: count, head: { seq: count }, problems: [], next: null });
  const events = await eventsOf(tenant);
  expect(events.map(({ seq }) => seq)).toEqual(Array.from({ length: count }, (_, at) => at + 1));
  expect(new Set(events.map(({ on }) => `${on["trace"]}/${on["span"]}`)).size).toBe(count);
}

describe("appending", () => {
  it("chains what a batch tells, signed; what comes again is not told again", async () => {
    const tenant = freshTenant();
    const records = [1, 2, 3].map((number) => act(tenant, number));
    expect(await consume(records)).toEqual({ acked: true, retried: false });
    expect(await consume(records)).toEqual({ acked: true, retried: false });
    expect(await consume([...records, act(tenant, 4)])).toMatchObject({ acked: true });
    await expectWhole(tenant, 4);
    expect(JSON.stringify(await eventsOf(tenant))).not.toContain("must not stand");
  });

  it("by many consumers at once, each with records of its own and some of the others', leaves one chain", async () => {
    const tenant = freshTenant();
    const batches = Array.from({ length: 6 }, (_, batch) =>
      Array.from({ length: 5 }, (_, at) => act(tenant, (batch * 4 + at) % 24)),
    );
    const deliver = async (batch: readonly TraceRecord[]): Promise<void> => {
      while (!(await consume(batch)).acked);
    };
    await Promise.all([...batches, ...batches].map(deliver));
    await expectWhole(tenant, 24);
  });

  it("that dies between object and transaction leaves no gap: the batch comes again and is chained where it belongs", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const tenant = freshTenant();
    await consume([act(tenant, 1)]);
    const dying = withBatch(() => Promise.reject(new Error("D1 is overloaded")));
    expect(await consume([act(tenant, 2), act(tenant, 3)], dying)).toEqual({ acked: false, retried: true });
    await expectWhole(tenant, 1);
    const objects = async (): Promise<number> =>
      (await bindings.BLOBS.list({ prefix: `audit/${tenant}/` })).objects.length;
    expect(await objects()).toBe(2);
    await consume([act(tenant, 4)]);
    await consume([act(tenant, 2), act(tenant, 3)]);
    await expectWhole(tenant, 4);
    expect((await eventsOf(tenant)).map(({ on }) => on["subject"])).toEqual(["key_1", "key_4", "key_2", "key_3"]);
  });

  it("does not answer for a chain that others keep appending to: the batch comes again", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const tenant = freshTenant();
    const batch = vi.fn<() => Promise<never>>(() =>
      Promise.reject(new Error("D1_ERROR: UNIQUE constraint failed: audit_segments.tenant, audit_segments.first_seq")),
    );
    expect(await consume([act(tenant, 1)], withBatch(batch))).toEqual({ acked: false, retried: true });
    expect(batch.mock.calls.length).toBeGreaterThan(2);
    await expectWhole(tenant, 0);
  });
});

describe("the signing key", () => {
  it("is the one of AUDIT_KEY where it is set: RFC 8032 test 1's seed gives its public key", async () => {
    const seed = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    const { auditSigner } = compose({ ...(env as unknown as Env), AUDIT_KEY: seed }).ports;
    const xs = (await auditSigner.keys()).map(({ x }) => x);
    expect(xs).toContain("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
  });

  it("can be replaced: what both have signed verifies as one chain, and both stay published", async () => {
    const tenant = freshTenant();
    await consume([act(tenant, 1)]);
    const renewed = compose({ ...(env as unknown as Env), AUDIT_KEY: btoa("k".repeat(32)) }).ports;
    await consume([act(tenant, 2)], renewed);
    await expectWhole(tenant, 2);
    const signed = await ports.audit.segments(tenant, { fromSeq: 1, limit: 10 });
    const ids = signed.map(({ checkpoint }) => checkpoint.key_id);
    expect(new Set(ids).size).toBe(2);
    expect((await ports.auditSigner.keys()).map(({ kid }) => kid)).toEqual(expect.arrayContaining(ids));
  });

  it("signs nothing for a checkpoint that was changed, or spelled otherwise", async () => {
    const tenant = freshTenant();
    await consume([act(tenant, 1)]);
    const [signed] = await ports.audit.segments(tenant, { fromSeq: 1, limit: 1 });
    if (signed === undefined) throw new Error("no segment");
    const keys = await ports.auditSigner.keys();
    expect(await ports.auditSigner.isSigned(signed, keys)).toBe(true);
    const { checkpoint, signature } = signed;
    for (const wrong of [
      { checkpoint: { ...checkpoint, at: checkpoint.at + 1 }, signature },
      { checkpoint, signature: `${signature}=` },
      { checkpoint, signature: "" },
      { checkpoint: { ...checkpoint, key_id: "none" }, signature },
    ])
      expect(await ports.auditSigner.isSigned(wrong, keys)).toBe(false);
  });
});

describe("tampering with what is stored is found", () => {
  async function chainOf(count: number): Promise<{ readonly tenant: string; readonly keys: readonly string[] }> {
    const tenant = freshTenant();
    for (let at = 0; at < count; at += 1) await consume([act(tenant, at * 2), act(tenant, at * 2 + 1)]);
    const { objects } = await bindings.BLOBS.list({ prefix: `audit/${tenant}/` });
    return { tenant, keys: objects.map(({ key }) => key) };
  }

  async function problemsOf(tenant: string): Promise<readonly string[]> {
    const { ok, problems } = await verifyAudit(ports, tenant, 1);
    expect(ok).toBe(problems.length === 0);
    return problems.map(({ seq, kind }) => `${kind} ${seq}`);
  }

  it("an object's event, changed", async () => {
    const { tenant, keys } = await chainOf(3);
    const text = (await (await bindings.BLOBS.get(keys[1] ?? ""))?.text()) ?? "";
    await bindings.BLOBS.put(keys[1] ?? "", text.replace('"key_admin"', '"key_clerk"'));
    expect(await problemsOf(tenant)).toEqual(["changed 3"]);
  });

  it("an object, gone", async () => {
    const { tenant, keys } = await chainOf(3);
    await bindings.BLOBS.delete(keys[1] ?? "");
    expect(await problemsOf(tenant)).toContain("removed 3");
  });

  it("a row, gone from the midst, or changed", async () => {
    const { tenant } = await chainOf(3);
    const row = "tenant = ? AND first_seq = 3";
    await bindings.DB.prepare(`UPDATE audit_segments SET last_seq = last_seq - 1 WHERE ${row}`).bind(tenant).run();
    expect(await problemsOf(tenant)).toContain("bad_signature 3");
    const forged = `UPDATE audit_segments SET last_seq = 4, checkpoint = replace(checkpoint, '"at":1', '"at":2') WHERE ${row}`;
    await bindings.DB.prepare(forged).bind(tenant).run();
    expect(await problemsOf(tenant)).toContain("bad_signature 4");
    await bindings.DB.prepare(`DELETE FROM audit_segments WHERE ${row}`).bind(tenant).run();
    expect(await problemsOf(tenant)).toContain("removed 3");
  });

  it("the beginning, gone with its row and its object", async () => {
    const { tenant, keys } = await chainOf(3);
    await bindings.BLOBS.delete(keys[0] ?? "");
    await bindings.DB.prepare("DELETE FROM audit_segments WHERE tenant = ? AND first_seq = 1").bind(tenant).run();
    expect(await problemsOf(tenant)).toEqual(["removed 1", "bad_checkpoint 1"]);
    expect((await verifyAudit(ports, tenant, 3)).ok).toBe(false);
  });

  it("a chain longer than one answer, in the stretch where it was changed", async () => {
    const tenant = freshTenant();
    for (let at = 1; at <= 103; at += 1) await consume([act(tenant, at)]);
    const first = await verifyAudit(ports, tenant, 1);
    expect(first).toMatchObject({ ok: true, events: 100, next: 101 });
    expect(await verifyAudit(ports, tenant, first.next ?? 0)).toMatchObject({ ok: true, events: 3, next: null });
    // A stretch follows the row before it.
    await bindings.DB.prepare("UPDATE audit_segments SET last_hash = ? WHERE tenant = ? AND first_seq = 100")
      .bind("f".repeat(64), tenant)
      .run();
    expect((await verifyAudit(ports, tenant, 101)).problems).toContainEqual(
      expect.objectContaining({ seq: 101, kind: "bad_checkpoint" }),
    );
  });
});

describe("acts reach the chain", () => {
  /** Lets the tenant's ledger and the call's object tell what they have kept, and waits for these kinds. */
  async function settled(tenant: string, kinds: readonly string[]): Promise<readonly AuditEvent[]> {
    const ledger = (bindings.TENANT_LEDGER as unknown as DurableObjectNamespace).getByName(tenant);
    return vi.waitFor(
      async () => {
        await runDurableObjectAlarm(ledger);
        const events = await eventsOf(tenant);
        for (const kind of kinds)
          expect(events.map((each) => `${each.kind} ${String(each.what["status"])}`)).toContain(kind);
        return events;
      },
      { timeout: 15_000, interval: 200 },
    );
  }

  /** What an object has kept is what the gateway records: one key, so that both are stored once. */
  async function expectSame(tenant: string, kept: TraceRecord["index"]): Promise<void> {
    await vi.waitFor(async () => {
      const { rows } = await ports.index.list(tenant, { kind: kept.kind, limit: 10 });
      const { trace_hex, span_id, started_at } = kept;
      expect(rows).toContainEqual(expect.objectContaining({ trace_hex, span_id, started_at }));
    }, 10_000);
  }

  it("tenant, config, keys and secrets, each once, with no key's text in it", async () => {
    const tenant = await createTenant({});
    const asRoot = (path: string, method: string, body?: unknown): Promise<Response> =>
      request(path, "root-key-of-the-tests", {
        method,
        headers: { "interlock-tenant": tenant.id },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    const created = await asRoot("/v1/keys", "POST", { tenant: tenant.id, roles: ["auditor"] });
    const { id } = await created.json<{ id: string }>();
    expect((await asRoot(`/v1/keys/${id}`, "DELETE")).status).toBe(204);
    expect((await asRoot(`/v1/keys/${id}`, "DELETE")).status).toBe(404);
    expect((await asRoot("/v1/secrets/rotate", "POST", {})).status).toBe(200);
    expect((await asRoot("/v1/secrets/upstream", "DELETE")).status).toBe(204);
    const events = await settled(tenant.id, [
      "config created",
      "config published",
      "key created",
      "key revoked",
      "secret stored",
      "secret rotated",
      "secret removed",
    ]);
    expect(events.filter(({ on }) => on["subject"] === id).map(({ what }) => what["status"])).toEqual([
      "created",
      "revoked",
    ]);
    expect(events.find(({ what }) => what["status"] === "published")?.what).toMatchObject({ version: 1 });
    expect(JSON.stringify(events)).not.toMatch(/ilk_|sk-upstream/);
    await expectWhole(tenant.id, events.length);
  });

  it("a switch set and cleared, told by ledger and gateway, once each", async () => {
    const tenant = await createTenant({});
    const operator = await createKey(tenant.id, ["operator"]);
    const set = await request("/v1/switches", operator, {
      method: "POST",
      body: JSON.stringify({ kind: "halt", reason: "it misbehaves" }),
    });
    const { id } = await set.json<{ id: string }>();
    const ledger = (bindings.TENANT_LEDGER as unknown as DurableObjectNamespace).getByName(tenant.id);
    const kept = await runInDurableObject(ledger, (_, state) =>
      state.storage.sql.exec<{ body: string }>("SELECT body FROM outbox").toArray(),
    );
    const told = kept.map(({ body }) => (JSON.parse(body) as TraceRecord).index).find(({ kind }) => kind === "switch");
    // Where it has been sent already, it stands in the chain below, once.
    if (told !== undefined) await expectSame(tenant.id, told);
    await request(`/v1/switches/${id}`, operator, { method: "DELETE" });
    const events = await settled(tenant.id, ["switch set", "switch cleared"]);
    const both = events.filter(({ kind }) => kind === "switch");
    expect(both).toHaveLength(2);
    for (const event of both) expect(event.on).toMatchObject({ switch: id, subject: "halt" });
    expect(JSON.stringify(both)).not.toContain("misbehaves");
  });

  it("a switch whose gateway died before it could record it, from its ledger", async () => {
    const tenant = await createTenant({});
    await bindings.TENANT_LEDGER.getByName(tenant.id).setSwitch(
      { id: "sw_1", kind: "halt", scope: {}, reason: "for jane@example.com", set_by: "key_x", expires_at: null },
      { spanId: "00000000000000aa", now: 1_800_000_000_000 },
    );
    const events = await settled(tenant.id, ["switch set"]);
    expect(events.find(({ kind }) => kind === "switch")).toMatchObject({ who: "key_x", on: { switch: "sw_1" } });
  });

  it("a key whose making nobody ended, as one of unknown outcome", async () => {
    const tenant = freshTenant();
    const stub = (bindings.TENANT_LEDGER as unknown as DurableObjectNamespace).getByName(tenant);
    await bindings.TENANT_LEDGER.getByName(tenant).beginAct(act(tenant, 7));
    const clock = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 61_000);
    await runInDurableObject(stub, () => undefined);
    await runDurableObjectAlarm(stub);
    clock.mockRestore();
    await vi.waitFor(async () => {
      expect((await eventsOf(tenant))[0]).toMatchObject({ kind: "key", what: { status: "unknown" }, who: "key_admin" });
    }, 10_000);
  });

  it("a decision, and two people's votes, each told by gateway and call under one id", async () => {
    const people = await withApprovals(approvalRule({ count: 2 }));
    upstream(() => Response.json({ ok: true }));
    const { approval, call } = await asked(people.agent);
    expect((await approve(people.ann, approval, { comment: "ask jane@example.com" })).status).toBe(200);
    expect((await approve(people.ann, approval)).status).toBe(409);
    expect((await approve(people.ben, approval)).status).toBe(200);
    const stub = (bindings.TOOL_CALL as unknown as DurableObjectNamespace).getByName(`${people.id}/${call}`);
    await runDurableObjectAlarm(stub);
    const events = await settled(people.id, ["decision pending_approval", "decision succeeded", "approval approved"]);
    const votes = events.filter(({ kind }) => kind === "approval");
    expect(votes.map(({ what }) => what["status"])).toEqual(["approved", "refused", "approved"]);
    expect(votes[0]?.who).not.toBe(votes[2]?.who);
    for (const vote of votes) expect(vote.on).toMatchObject({ call, approval, subject: "refund" });
    const waited = events.find(({ what }) => what["status"] === "pending_approval");
    expect(waited?.what).toMatchObject({
      effect: "require_approval",
      rules: expect.arrayContaining(["over-50"]) as unknown,
    });
    expect(JSON.stringify(events)).not.toContain("jane@");
    await expectWhole(people.id, events.length);
  });

  it("a vote whose gateway died before it could record it, from the call", async () => {
    const people = await withApprovals();
    const { approval, call } = await asked(people.agent);
    expect((await decide(people.ann, approval, "deny", { comment: "no" })).status).toBe(200);
    const stub = (bindings.TOOL_CALL as unknown as DurableObjectNamespace).getByName(`${people.id}/${call}`);
    const kept = await runInDurableObject(stub, (_, state) =>
      state.storage.sql.exec<{ body: string }>("SELECT body FROM outbox").toArray(),
    );
    expect(kept).toHaveLength(1);
    expect(JSON.parse(kept[0]?.body ?? "{}")).toMatchObject({ index: { kind: "approval", status: "denied" } });
    expect(kept[0]?.body).not.toContain("comment");
    const { index } = JSON.parse(kept[0]?.body ?? "{}") as TraceRecord;
    await expectSame(people.id, index);
  });
});
