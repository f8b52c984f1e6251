// Proves that the audit chain holds from outside: acts of every kind, verified over the API and offline, tampering found.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli, type CliRun } from "../cli/run-cli.ts";
import type { JsonRecord } from "./document.ts";
import { at, openStage, until, type Stage, type Tenant } from "./harness.ts";

let stage: Stage;
let tenant: Tenant;
let operator: string;
let folder: string;

interface Entry {
  readonly event: { readonly seq: number; readonly kind: string; readonly what: JsonRecord };
}

const KINDS = [
  "config created",
  "config published",
  "key created",
  "secret stored",
  "decision succeeded",
  "decision denied",
  "switch set",
  "switch cleared",
  "session ended",
];

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "interlock-audit-"));
  stage = await openStage();
  tenant = await stage.tenant();
  operator = (await stage.key(tenant.id, ["operator"])).key;
  const init = { headers: { "Interlock-Session": "audited" } };
  await tenant.tool("crm.get_customer", { customer_id: "cus_123" }, {}, init);
  await tenant.tool("billing.refund", { customer_id: "cus_123", amount_usd: 75 }, {}, init);
  await tenant.chatAnswer({ model: "demo-small", messages: [{ role: "user", content: "hello" }] }, init);
  const set = await stage.send("POST", "/v1/switches", { kind: "disable_writes", reason: "look" }, { key: operator });
  await stage.send("DELETE", `/v1/switches/${String(set.json["id"])}`, undefined, { key: operator });
  await stage.send("POST", "/v1/sessions/audited/end", { reason: "over" }, { key: operator });
  await until("all acts to be chained", async () => {
    const seen = (await entries()).map(({ event }) => `${event.kind} ${String(event.what["status"])}`);
    return KINDS.every((kind) => seen.includes(kind)) || undefined;
  });
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await stage.close();
});

async function entries(query = ""): Promise<readonly Entry[]> {
  const { json } = await tenant.get(`/v1/audit?limit=200${query}`, tenant.auditor);
  return (json["data"] ?? []) as readonly Entry[];
}

function cli(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliRun> {
  const known = { INTERLOCK_URL: stage.gateway.url, INTERLOCK_KEY: tenant.auditor };
  return runCli(args, { cwd: folder, env: { ...known, ...env } });
}

/** Without a gateway: nothing listens there. */
const OFFLINE = { INTERLOCK_URL: "http://127.0.0.1:9", INTERLOCK_KEY: "" };

test("every kind of act is there once, numbered without a gap, found by kind, author and time", async () => {
  const all = await entries();
  expect(all.map(({ event }) => event.seq)).toEqual(all.map((_, index) => all.length - index));
  const switches = await entries("&kind=switch");
  expect(switches.map(({ event }) => event.what["status"])).toEqual(["cleared", "set"]);
  const who = String(at(switches[0], "event.who"));
  expect((await entries(`&who=${who}`)).map(({ event }) => event.kind).toSorted()).toEqual([
    "session",
    "switch",
    "switch",
  ]);
  expect(await entries("&to=2020-01-01T00:00:00Z")).toEqual([]);
  expect((await entries("&from=2020-01-01T00:00:00Z")).length).toBe(all.length);
  const page = await tenant.get("/v1/audit?limit=2", tenant.auditor);
  const next = await tenant.get(`/v1/audit?limit=2&cursor=${String(page.json["next_cursor"])}`, tenant.auditor);
  expect((next.json["data"] as readonly Entry[]).map(({ event }) => event.seq)).toEqual([
    all.length - 2,
    all.length - 3,
  ]);
  const wrong = await tenant.get("/v1/audit?kind=nonsense&limt=3", tenant.auditor);
  expect([wrong.status, wrong.json["code"]]).toEqual([400, "invalid_request"]);
  expect(wrong.text).toContain('did you mean \\"limit\\"');
});

test("verifies over the API, and another tenant's chain is not seen", async () => {
  const { json } = await tenant.get("/v1/audit/verify", tenant.auditor);
  const count = (await entries()).length;
  expect(json).toMatchObject({ ok: true, events: count, from_seq: 1, problems: [], next: null, head: { seq: count } });
  const verified = await cli(["audit", "verify"]);
  expect(verified).toMatchObject({ code: 0, stderr: "" });
  expect(verified.stdout).toMatch(new RegExp(`^ok: ${count} events, entries 1 to ${count}, hash [0-9a-f]{64}\\n$`));
  const other = await stage.tenant();
  const seen = await other.get("/v1/audit?limit=200", other.auditor);
  expect(seen.text).not.toContain(tenant.id);
});

test("an export verifies offline with pinned keys; every way of spoiling it is found, with its exit code", async () => {
  const file = path.join(folder, "export.ndjson");
  const keysFile = path.join(folder, "keys.json");
  const pinFile = path.join(folder, "pin.json");
  expect(await cli(["audit", "export", "--out", file])).toMatchObject({ code: 0 });
  writeFileSync(keysFile, (await tenant.get("/v1/audit/keys", tenant.auditor)).text);
  writeFileSync(pinFile, (await tenant.get("/v1/audit/verify", tenant.auditor)).text);
  const verify = (name = file, more: readonly string[] = ["--keys", keysFile, "--pin", pinFile]): Promise<CliRun> =>
    cli(["audit", "verify", "--file", name, ...more], OFFLINE);
  const count = (await entries()).length;
  const good = await verify();
  expect(good).toMatchObject({ code: 0, stderr: "" });
  expect(good.stdout).toContain(`${count} events, entries 1 to ${count}`);
  expect((await verify(file, [])).stdout).toContain("keys from the file itself");
  const text = readFileSync(file, "utf8");
  expect(text).not.toMatch(/ilk_|hello|"look"|"over"|cus_123/);
  const spoilt = path.join(folder, "spoilt.ndjson");
  writeFileSync(spoilt, text.replace('"status":"denied"', '"status":"allowed"'));
  const changed = await verify(spoilt);
  expect(changed.code).toBe(1);
  expect(changed.stderr).toMatch(/problem.*not as it was written\n {2}entry \d+: changed: /);
  const lines = text.trimEnd().split("\n");
  writeFileSync(spoilt, `${lines.slice(0, -3).join("\n")}\n`);
  expect(await verify(spoilt)).toMatchObject({ code: 1, stderr: expect.stringContaining("removed") as unknown });
  const json = await cli(["audit", "verify", "--file", spoilt, "--json"], OFFLINE);
  expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, tenant: tenant.id });
  writeFileSync(
    keysFile,
    JSON.stringify({ keys: [{ kty: "OKP", crv: "Ed25519", x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }] }),
  );
  expect(await verify()).toMatchObject({ code: 1, stderr: expect.stringContaining("bad_signature") as unknown });
  expect(await verify(path.join(folder, "none"))).toMatchObject({ code: 3 });
  writeFileSync(keysFile, "nonsense");
  expect(await verify()).toMatchObject({ code: 3, stderr: expect.stringContaining("is no JSON") as unknown });
});

test("a window of time is exported with its segments whole, and verifies from its pinned start", async () => {
  const { id } = await stage.key(tenant.id, ["auditor"]);
  const late = await until("the late act", async () =>
    (await entries("&kind=key")).find(({ event }) => at(event, "on.subject") === id),
  );
  const { text } = await tenant.get(`/v1/audit/export?from=${String(at(late, "event.at"))}`, tenant.auditor);
  const start = JSON.parse(text.split("\n")[0] ?? "{}") as { readonly from_seq: number };
  expect(start.from_seq).toBeGreaterThan(1);
  const file = path.join(folder, "window.ndjson");
  writeFileSync(file, text);
  expect((await cli(["audit", "verify", "--file", file], OFFLINE)).stdout).toMatch(/^ok: /);
  expect((await tenant.get("/v1/audit/export?from=yesterday", tenant.auditor)).status).toBe(400);
});

test("an event is proven without any other; a proof of something else does not hold", async () => {
  const seq = (await entries("&kind=decision")).at(-1)?.event.seq ?? 0;
  const proven = await cli(["audit", "proof", String(seq)]);
  expect(proven).toMatchObject({ code: 0, stderr: "" });
  const proof = JSON.parse(proven.stdout) as JsonRecord;
  expect(proof).toMatchObject({ event: { seq, kind: "decision", tenant: tenant.id } });
  const proofFile = path.join(folder, "proof.json");
  const keysFile = path.join(folder, "proof-keys.json");
  writeFileSync(keysFile, (await tenant.get("/v1/audit/keys", tenant.auditor)).text);
  writeFileSync(proofFile, proven.stdout);
  const verify = (): Promise<CliRun> => cli(["audit", "verify", "--proof", proofFile, "--keys", keysFile], OFFLINE);
  expect(await verify()).toMatchObject({ code: 0 });
  writeFileSync(proofFile, proven.stdout.replace('"decision"', '"approval"'));
  expect(await verify()).toMatchObject({ code: 1 });
  expect((await tenant.get("/v1/audit/999999/proof", tenant.auditor)).status).toBe(404);
  expect((await tenant.get("/v1/audit/0/proof", tenant.auditor)).status).toBe(400);
});

test("what an operator changes in the bucket is found and located, by the gateway and in an export", async () => {
  const bucket = await stage.gateway.miniflare.getR2Bucket("BLOBS", "gateway");
  const listed = await bucket.list({ prefix: `audit/${tenant.id}/` });
  const bodies = await Promise.all(
    listed.objects.map(async ({ key }) => ({ key, text: (await (await bucket.get(key))?.text()) ?? "" })),
  );
  const target = bodies.find(({ text }) => text.includes('"status":"denied"'));
  if (target === undefined) throw new Error("no object tells of the denial");
  await bucket.put(target.key, target.text.replace('"status":"denied"', '"status":"succeeded"'));
  const [, seq = ""] = /"seq":(\d+)[^\n]*"status":"denied"/.exec(target.text) ?? [];
  const { json } = await tenant.get("/v1/audit/verify", tenant.auditor);
  expect(json).toMatchObject({ ok: false, problems: [{ seq: Number(seq), kind: "changed" }] });
  const verified = await cli(["audit", "verify"]);
  expect(verified.code).toBe(1);
  expect(verified.stderr).toContain(`entry ${seq}: changed`);
  const exported = await cli(["audit", "export"]);
  const file = path.join(folder, "tampered.ndjson");
  writeFileSync(file, exported.stdout);
  expect((await cli(["audit", "verify", "--file", file], OFFLINE)).stderr).toContain(`entry ${seq}: changed`);
  await bucket.put(target.key, target.text);
  expect((await tenant.get("/v1/audit/verify", tenant.auditor)).json).toMatchObject({ ok: true });
});

test("audit list shows a table, and JSON for machines", async () => {
  const listed = await cli(["audit", "list", "--kind", "switch"]);
  expect(listed.stdout).toMatch(
    /^SEQ +AT +KIND +WHO +SUBJECT +STATUS +TRACE\n\d+ +\S+ +switch +key_\w+ +disable_writes +cleared/,
  );
  expect(JSON.parse((await cli(["audit", "list", "--json", "--limit", "1"])).stdout)).toMatchObject({ data: [{}] });
  expect((await cli(["audit", "list", "--kind", "nonsense"])).code).toBe(2);
});
