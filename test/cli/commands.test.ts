// Proves every command end to end: the CLI as a child process against the real local gateway.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { stringify } from "yaml";
import { startLocal, type LocalGateway } from "../../demo/local/gateway.ts";
import { seed, type DemoKeys } from "../../demo/local/seed.ts";
import { runCli, type CliRun, type CliSetting } from "./run-cli.ts";
import { between } from "./stand-in.ts";

let gateway: LocalGateway;
let keys: DemoKeys;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "interlock-cli-"));
  gateway = await startLocal({ port: 0, stateDir: path.join(folder, "state"), onLog: () => undefined });
  keys = await seed(gateway, path.join(folder, "state"));
  await ok(["tenants", "create", "acme", "--name", "Acme Ltd"]);
}, 180_000);

afterAll(async () => {
  await gateway.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Runs as the root key on tenant "acme", unless told otherwise. */
function cli(args: readonly string[], more: Partial<CliSetting> = {}): Promise<CliRun> {
  const env = { INTERLOCK_URL: gateway.url, INTERLOCK_KEY: keys.admin, INTERLOCK_TENANT: "acme", ...more.env };
  return runCli(args, { cwd: folder, ...more, env });
}

async function ok(args: readonly string[], more: Partial<CliSetting> = {}): Promise<CliRun> {
  const run = await cli(args, more);
  expect(run, args.join(" ")).toMatchObject({ code: 0 });
  return run;
}

async function write(name: string, document: unknown): Promise<string> {
  await writeFile(path.join(folder, name), typeof document === "string" ? document : stringify(document));
  return name;
}

function documentOf(maxAmount: number): unknown {
  return {
    egress: { allow: ["api.acme.example"] },
    tools: {
      "billing.refund": {
        kind: "http",
        method: "POST",
        url: "https://api.acme.example/refunds",
        effect: "write",
        amount: { field: "amount_usd", currency: "USD" },
        input_schema: { type: "object", properties: { amount_usd: { type: "number" } } },
      },
    },
    actors: { clerk: { allowed_tools: ["billing.refund"], max_amount_usd: maxAmount } },
  };
}

function policyOf(maxAmount: number): { readonly policy: object; readonly tools: object } {
  const rules = [{ id: "huge", when: "call.amount_minor > 100000", effect: "deny" }];
  const document = documentOf(maxAmount) as { readonly tools: Readonly<Record<string, object>> };
  const input_schema = {
    type: "object",
    properties: { amount_usd: { type: "number" } },
    required: ["amount_usd"],
  };
  const tools = { "billing.refund": { ...document.tools["billing.refund"], input_schema } };
  return { ...document, tools, policy: { rules } };
}

test("tenants: created once, and only by the root key", async () => {
  const created = await ok(["tenants", "create", "globex"]);
  expect(created.stdout).toBe('created tenant "globex" (globex)\n');
  const again = await cli(["tenants", "create", "globex"]);
  expect(again).toMatchObject({ code: 1, stdout: "", stderr: 'already_exists: tenant "globex" exists already\n' });
  const auditor = await cli(["tenants", "create", "initech"], {
    env: { INTERLOCK_KEY: keys.auditor, INTERLOCK_TENANT: "" },
  });
  expect(auditor.code).toBe(1);
  expect(auditor.stderr).toMatch(/^role_missing: /);
  const malformed = await cli(["tenants", "create", "In itech"]);
  expect(malformed.stderr).toMatch(/^invalid_request: .*\n {2}id: expected/);
});

test("secrets: read from stdin or the environment, listed by name, removed", async () => {
  await ok(["secrets", "put", "crm"], { input: "s3cret-value-of-crm\n" });
  const put = await ok(["secrets", "put", "billing", "--from-env", "BILLING"], { env: { BILLING: "s3cret-billing" } });
  expect(put.stdout).toBe('stored secret "billing"\n');
  expect((await ok(["secrets", "list"])).stdout).toBe("billing\ncrm\n");
  expect((await ok(["secrets", "remove", "crm"])).stdout).toBe('removed secret "crm"\n');
  expect(JSON.parse((await ok(["secrets", "list", "--json"])).stdout)).toEqual({ data: [{ name: "billing" }] });
  const gone = await cli(["secrets", "remove", "crm"]);
  expect(gone).toMatchObject({ code: 1, stderr: 'not_found: secret "crm" is not here\n' });
});

test.each([
  [["put", "crm"], { input: "" }, /stdin is empty/],
  [["put", "crm"], { input: Uint8Array.of(0xff, 0xfe) }, /UTF-8/],
  [["put", "crm", "--from-env", "NOT_SET"], {}, /NOT_SET is not set/],
  [["put", "crm", "the-value"], {}, /too many arguments/],
  [["put", ".."], { input: "x" }, /name: expected/],
  [["remove", "../keys"], {}, /name: expected/],
])("secrets %j %j is a usage error", async (args, setting: Partial<CliSetting>, message) => {
  const run = await cli(["secrets", ...args], setting);
  expect(run.code).toBe(2);
  expect(run.stderr).toMatch(message);
});

test("keys: created with only the key on stdout, listed, used, revoked", async () => {
  const flags = ["--role", "agent", "--role", "auditor", "--actor", "clerk", "--scope", "*", "--name", "nightly run"];
  const created = await ok(["keys", "create", ...flags]);
  expect(created.stdout).toMatch(/^ilk_[0-9a-f]{48}\n$/);
  expect(created.stderr).toMatch(/^created key_\w+: roles agent,auditor; actors clerk; scopes \*\n.*only this once/);
  const key = created.stdout.trim();
  const id = /key_\w+/.exec(created.stderr)?.[0] ?? "";
  const listed = await ok(["keys", "list"]);
  expect(listed.stdout).toMatch(new RegExp(`${id} +nightly run +agent,auditor +clerk +\\* +20`));
  expect(listed.stdout).not.toContain(key);
  const asKey = { env: { INTERLOCK_KEY: key, INTERLOCK_TENANT: "" } };
  expect((await cli(["keys", "list"], asKey)).stderr).toMatch(/^role_missing: /);
  expect((await ok(["keys", "revoke", id])).stdout).toBe(`revoked ${id}\n`);
  expect(await cli(["keys", "list"], asKey)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^unauthenticated: /),
  });
  expect(await cli(["keys", "revoke", id])).toMatchObject({ code: 1, stderr: `not_found: key "${id}" is not here\n` });
});

test("keys: --json has the whole answer, and wrong roles or ids are usage errors", async () => {
  const created = JSON.parse((await ok(["keys", "create", "--role", "operator", "--json"])).stdout);
  expect(created).toMatchObject({
    id: expect.stringMatching(/^key_/),
    key: expect.stringMatching(/^ilk_/),
    tenant: "acme",
  });
  const listed = JSON.parse((await ok(["keys", "list", "--json"])).stdout);
  expect(listed.data).toEqual(expect.arrayContaining([expect.objectContaining({ id: created.id })]));
  expect(await cli(["keys", "create"])).toMatchObject({ code: 2, stderr: expect.stringContaining("--role") });
  expect(await cli(["keys", "create", "--role", "boss"])).toMatchObject({ code: 2 });
  const pasted = await cli(["keys", "revoke", created.key]);
  expect(pasted.code).toBe(2);
  expect(pasted.stdout + pasted.stderr).not.toContain(created.key);
});

test("config: first version, unchanged, dry run, next version, and each read back", async () => {
  const tenant = { env: { INTERLOCK_TENANT: "globex" } };
  await cli(["tenants", "create", "globex"]);
  expect(await cli(["config", "get"], tenant)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^not_found: /),
  });
  const first = await write("first.yaml", documentOf(50));
  expect((await ok(["config", "check", first], tenant)).stdout).toBe(
    [
      "ok: first.yaml can be published",
      "3 changes:",
      '  widens   tool "billing.refund" (write) is added',
      '  widens   actor "clerk" (on billing.refund) is added',
      "  widens   egress: allow gains api.acme.example",
      "",
    ].join("\n"),
  );
  expect((await ok(["config", "apply", "--dry-run", first], tenant)).stdout).toBe(
    "would publish version 1:\n  + actors.clerk\n  ~ egress.allow\n  + tools.billing.refund\n",
  );
  const applied = await ok(["config", "apply", first], tenant);
  expect(applied.stdout).toMatch(/^published version 1 \(policy version v1-[0-9a-f]{12}\)\n$/);
  expect((await ok(["config", "apply", first], tenant)).stdout).toMatch(/^unchanged: version 1 \(v1-/);

  const second = await write("second.json", JSON.stringify(documentOf(75), null, "\t"));
  const dry = await ok(["config", "apply", second, "--dry-run", "--json"], tenant);
  expect(JSON.parse(dry.stdout)).toMatchObject({ status: "would_publish", version: 2, changes: ["~ actors.clerk"] });
  const published = JSON.parse((await ok(["--json", "config", "apply", second], tenant)).stdout);
  expect(published).toMatchObject({ status: "published", version: 2, policy_version: expect.stringMatching(/^v2-/) });

  const yaml = (await ok(["config", "get"], tenant)).stdout;
  expect(yaml).toMatch(/^# version 2 \(v2-[0-9a-f]{12}\), published 20\S+ by root\n/);
  await write("read-back.yaml", yaml);
  expect((await ok(["config", "apply", "read-back.yaml"], tenant)).stdout).toMatch(/^unchanged: version 2 /);
  const old = await ok(["config", "get", "--version", "1", "--json"], tenant);
  expect(JSON.parse(old.stdout).actors.clerk.max_amount_usd).toBe(50);
  const toFile = await ok(["config", "get", "--version", "1", "-o", "old.yaml"], tenant);
  expect(toFile).toMatchObject({ stdout: "", stderr: "wrote version 1 to old.yaml\n" });
  expect(await readFile(path.join(folder, "old.yaml"), "utf8")).toContain("max_amount_usd: 50");
  expect(await cli(["config", "get", "--version", "9"], tenant)).toMatchObject({ code: 1 });
  expect(await cli(["config", "get", "--version", "x"], tenant)).toMatchObject({ code: 2 });
});

test("config test: rules and policy tests run here, without a gateway or a key", async () => {
  const document = policyOf(50);
  const tests = [
    {
      name: "small",
      call: { actor: "clerk", tool: "billing.refund", args: { amount_usd: 5 } },
      expect: { effect: "allow" },
    },
  ];
  const offline = { env: { INTERLOCK_KEY: "", INTERLOCK_URL: "http://127.0.0.1:9" } };
  const good = await write("tested.yaml", { ...document, policy: { ...document.policy, tests } });
  expect((await ok(["config", "test", good], offline)).stdout).toBe("ok: 1 policy test passed in tested.yaml\n");
  const wrong = [{ ...tests[0], expect: { effect: "deny", reasons: ["nothing"] } }];
  const bad = await write("failing.yaml", { ...document, policy: { ...document.policy, tests: wrong } });
  const failed = await cli(["config", "test", bad], offline);
  expect(failed).toMatchObject({ code: 1, stderr: "1 mistake in failing.yaml\n" });
  expect(failed.stdout).toMatch(
    /^policy\.tests\.0: test "small": expected deny, is allow; missing reason "nothing"; .*\(line \d+\)\n$/,
  );
  const json = JSON.parse((await ok(["config", "test", good, "--json"], offline)).stdout);
  expect(json).toEqual({ ok: true, tests: 1, warnings: [], unchecked: [] });
});

test("config diff, replay and rollback: what changes, what would have changed, and back", async () => {
  await ok(["tenants", "create", "umbrella"]);
  const tenant = { env: { INTERLOCK_TENANT: "umbrella" } };
  await ok(["config", "apply", await write("p1.yaml", policyOf(50))], tenant);
  await ok(["config", "apply", await write("p2.yaml", policyOf(75))], tenant);
  const compared = await ok(["config", "diff", "v1", "v2"], tenant);
  expect(compared.stdout).toMatch(
    /^1 change:\n {2}widens {3}actor "clerk": max_amount_usd rises from 50 to 75\ndecisions that differ/,
  );
  expect(compared.stdout).toContain("  deny → allow  billing.refund as clerk, args.amount_usd = 50.01\n");
  expect((await ok(["config", "diff", "v1"], tenant)).stdout).toBe(compared.stdout);
  expect((await ok(["config", "diff", "p2.yaml"], tenant)).stdout).toBe(
    "no change against the version it is compared with\n",
  );
  expect((await ok(["config", "diff", "p1.yaml", "v1"], tenant)).stdout).toMatch(/^no change/);
  const replayed = JSON.parse((await ok(["config", "replay", "p1.yaml", "--from", "7d", "--json"], tenant)).stdout);
  expect(replayed).toMatchObject({ read: 0, changed: 0, newly_allowed_writes: { count: 0, needs_review: false } });
  expect(await cli(["config", "replay", "p1.yaml", "--from", "soon"], tenant)).toMatchObject({ code: 2 });
  expect(await cli(["config", "replay", "p1.yaml", "--fail-on", "x"], tenant)).toMatchObject({ code: 2 });
  const back = await ok(["config", "rollback", "v1", "--reason", "too generous"], tenant);
  expect(back.stdout).toMatch(/^published version 3 \(policy version v3-[0-9a-f]{12}\): the document of version 1\n$/);
  expect((await ok(["config", "diff", "v1", "v3"], tenant)).stdout).toMatch(/^no change/);
  expect(await cli(["config", "rollback", "9"], tenant)).toMatchObject({
    code: 1,
    stderr: "not_found: no config version 9\n",
  });
  expect(await cli(["config", "rollback", "latest"], tenant)).toMatchObject({ code: 2 });
});

test("config replay: recorded calls under a stricter and a wider policy", async () => {
  const asAdmin = { env: { INTERLOCK_TENANT: "demo" } };
  const yaml = (await ok(["config", "get"], asAdmin)).stdout;
  const call = await fetch(`${keys.url}/v1/tool-calls`, {
    method: "POST",
    headers: { authorization: `Bearer ${keys.agent}`, "content-type": "application/json" },
    body: JSON.stringify({
      tool_call: { name: "billing.refund", args: { customer_id: "cus_123", amount_usd: 31.25 } },
    }),
  });
  expect(call.status).toBe(200);
  const stricter = await write("stricter.yaml", yaml.replace("max_amount_usd: 50", "max_amount_usd: 30"));
  const args = ["config", "replay", stricter, "--tool", "billing.refund"];
  await vi.waitFor(async () => {
    const found = JSON.parse((await ok([...args, "--json"], asAdmin)).stdout);
    expect(found.transitions).toContainEqual(expect.objectContaining({ from: "allow", to: "deny" }));
  }, 20_000);
  const shown = await cli([...args, "--fail-on", "any"], asAdmin);
  expect(shown.code).toBe(1);
  expect(shown.stdout).toMatch(/\ndecisions:\n {2}allow → deny +\d+ +\$31\.25\n/);
  expect(shown.stderr).toMatch(/^\d+ decisions? would change\n$/);
  expect((await ok([...args, "--fail-on", "newly_allowed"], asAdmin)).stdout).not.toContain("NEEDS A REVIEWER");
});

test("config check: every mistake with its path and its line; exit 1", async () => {
  const file = await write(
    "wrong.yaml",
    [
      "tools:",
      "  billing.refund:",
      "    kind: http",
      "    method: POST",
      "    url: https://elsewhere.example/refunds",
      "    effect: write",
      "    input_schema: { type: object, properties: { amount_usd: { type: number } } }",
      "    amount: { field: amount_us, currency: USD }",
      "actors:",
      "  clerk:",
      "    allowed_tools:",
      "      - billing.refund",
      "      - biling.refund",
      "",
    ].join("\n"),
  );
  const run = await cli(["config", "check", file]);
  expect(run.code).toBe(1);
  expect(run.stderr).toBe("3 mistakes in wrong.yaml\n");
  const lines = run.stdout.trim().split("\n").toSorted();
  expect(lines).toEqual([
    expect.stringMatching(/^actors\.clerk\.allowed_tools\.1: .*billing\.refund.* \(line 13\)$/),
    expect.stringMatching(/^tools\.billing\.refund\.amount\.field: .*amount_usd.* \(line 8\)$/),
    expect.stringMatching(/^tools\.billing\.refund\.url: host "elsewhere\.example" .* \(line 5\)$/),
  ]);
  const json = JSON.parse((await cli(["config", "check", file, "--json"])).stdout);
  expect(json).toMatchObject({ ok: false, mistakes: expect.arrayContaining([expect.objectContaining({ line: 13 })]) });
  const applied = await cli(["config", "apply", file]);
  expect(applied).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("(line 13)\n") });
});

test("config check: unknown fields, syntax errors and lost digits are mistakes; an unreadable file is a usage error", async () => {
  const unknown = await cli(["config", "check", await write("unknown.yaml", "actors:\n  a:\n    scope: [x]\n")]);
  expect(unknown).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^actors\.a\.scope: .*"scopes".* \(line 3\)\n$/),
  });
  const empty = await cli(["config", "check", await write("empty.yaml", "# nothing\n")]);
  expect(empty).toMatchObject({ code: 1, stdout: expect.stringMatching(/^document: /) });
  const syntax = await cli(["config", "check", await write("syntax.yaml", "actors: {}\nactors: {}\n")]);
  expect(syntax).toMatchObject({ code: 1, stdout: "document: Map keys must be unique (line 2)\n" });
  const digits = "actors:\n  a: { budgets: { session: { tokens: 9007199254740993 } } }\n";
  const inexact = await cli(["config", "check", await write("digits.yaml", digits)]);
  expect(inexact.stdout).toMatch(/^actors\.a\.budgets\.session\.tokens: .* \(line 2\)\n$/);
  expect(await cli(["config", "check", "not-there.yaml"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("not-there.yaml"),
  });
  expect(await cli(["config", "apply"])).toMatchObject({ code: 2 });
});

test("config apply: whoever published in between is not overwritten", async () => {
  await ok(["tenants", "create", "hooli"]);
  const tenant = { env: { INTERLOCK_TENANT: "hooli" } };
  const mine = await write("mine.yaml", documentOf(10));
  const theirs = [await write("theirs.yaml", documentOf(20)), await write("theirs-next.yaml", documentOf(30))];
  for (const [at, their] of theirs.entries()) {
    const racing = await between(
      gateway.url,
      (request) => request.method === "GET",
      () => ok(["config", "apply", their], tenant),
    );
    const run = await cli(["config", "apply", mine], { env: { ...tenant.env, INTERLOCK_URL: racing.url } });
    await racing.stop();
    expect(run).toMatchObject({ code: 1, stdout: "" });
    expect(run.stderr).toMatch(/^precondition_failed: someone published[^\n]*\n[^\n]*config get[^\n]*apply again\n$/);
    expect(JSON.parse((await ok(["config", "apply", mine, "--dry-run", "--json"], tenant)).stdout)).toMatchObject({
      version: at + 2,
    });
  }
});

test("trace show: waits for records on their way, then tells call, decision, arguments and cost", async () => {
  const hex = "5e".repeat(16);
  const call = (args: unknown): Promise<Response> =>
    fetch(`${keys.url}/v1/tool-calls`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${keys.agent}`,
        "content-type": "application/json",
        traceparent: `00-${hex}-00000000000000a1-01`,
      },
      body: JSON.stringify({ intent: "issue_refund", tool_call: { name: "billing.refund", args } }),
    });
  expect((await call({ customer_id: "cus_123", amount_usd: 12.5 })).status).toBe(200);
  expect((await call({ customer_id: "cus_123", amount_usd: 75 })).status).toBe(403);
  const asAuditor = { env: { INTERLOCK_KEY: keys.auditor, INTERLOCK_TENANT: "" } };
  expect((await ok(["trace", "show", `tr_${hex}`], asAuditor)).stdout).toMatch(/^trace tr_(5e){16}\n/);
  // Records may arrive one by one.
  await vi.waitFor(async () => {
    const { stdout } = await ok(["trace", "show", hex, "--json"], asAuditor);
    expect(JSON.parse(stdout).calls).toHaveLength(2);
  }, 20_000);
  const shown = await ok(["trace", "show", `tr_${hex}`], asAuditor);
  expect(shown.stdout).toMatch(/^trace tr_(5e){16}\nbegan 20.* · 2 calls · session tr_\S+ · actor support_agent_v4 · /);
  expect(shown.stdout).toMatch(/├─ \d\d:\d\d:\d\d\.\d{3}Z {2}execute_tool {2}billing\.refund {2}succeeded {2}allow/);
  expect(shown.stdout).toMatch(/└─ .* denied +deny +\$0\.00 {2}\d+ ms {2}no seq {2}policy_denied/);
  expect(shown.stdout).toContain("deny   actor.max_amount_usd: 75.00 USD is over the actor's limit of 50.00 USD");
  expect(shown.stdout).toContain('arguments {"customer_id":"cus_123","amount_usd":12.5}');
  expect(shown.stdout).toMatch(/result \{"id":"re_\w+"/);
  expect(shown.stdout).toMatch(/\ntotal \$0\.00\n$/);
  expect((await ok(["trace", "show", hex, "--full"], asAuditor)).stdout).toContain('"amount_usd": 12.5');
  const json = JSON.parse((await ok(["trace", "show", hex, "--json"], asAuditor)).stdout);
  expect(json).toMatchObject({ trace_id: `tr_${hex}`, calls: [{ status: "succeeded" }, { status: "denied" }] });
});

test("traces explain, sessions explain: Markdown for people, the document for machines", async () => {
  const hex = "5f".repeat(16);
  const denied = await fetch(`${keys.url}/v1/tool-calls`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${keys.agent}`,
      "content-type": "application/json",
      "interlock-session": "explained",
      traceparent: `00-${hex}-00000000000000a1-01`,
    },
    body: JSON.stringify({ tool_call: { name: "billing.refund", args: { customer_id: "cus_123", amount_usd: 75 } } }),
  });
  expect(denied.status).toBe(403);
  const asAuditor = { env: { INTERLOCK_KEY: keys.auditor, INTERLOCK_TENANT: "" } };
  const trace = await ok(["traces", "explain", `tr_${hex}`], asAuditor);
  expect(trace.stdout).toMatch(/^# What happened in trace `tr_(5f){16}`\n/);
  expect(trace.stdout).toContain("rule `actor.max_amount_usd` says `deny`");
  expect(trace.stdout).toContain("would have been allowed with `tool_call.args.amount_usd` at most `45.00`");
  const session = JSON.parse((await ok(["sessions", "explain", "explained", "--json"], asAuditor)).stdout);
  expect(session).toMatchObject({ subject: { type: "session", id: "explained" }, calls: 1 });
  expect(await cli(["traces", "explain", "nonsense"])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("tr_"),
  });
  expect((await cli(["sessions", "explain", "nobody"], asAuditor)).stderr).toMatch(/^not_found: session /);
});

test("trace show: what is not there is given up after three seconds; what is no trace id is a usage error", async () => {
  const started = Date.now();
  const run = await cli(["trace", "show", `tr_${"7f".repeat(16)}`]);
  expect(run).toMatchObject({ code: 1, stdout: "", stderr: expect.stringMatching(/^not_found: trace /) });
  expect(Date.now() - started).toBeGreaterThan(2_900);
  expect(await cli(["trace", "show", "nonsense"])).toMatchObject({ code: 2, stderr: expect.stringContaining("tr_") });
  const asAgent = { env: { INTERLOCK_KEY: keys.agent, INTERLOCK_TENANT: "" } };
  expect((await cli(["trace", "show", "7f".repeat(16)], asAgent)).stderr).toMatch(/^role_missing: /);
});

test("no key, no tenant, an unknown tenant, another tenant's key, an unknown key: each says what is wrong", async () => {
  expect(await cli(["keys", "list"], { env: { INTERLOCK_KEY: "" } })).toMatchObject({
    code: 2,
    stderr: "no API key: pass --key <key>, or set INTERLOCK_KEY\n",
  });
  const noTenant = await cli(["keys", "list"], { env: { INTERLOCK_TENANT: "" } });
  expect(noTenant).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/--tenant <id>, or set INTERLOCK_TENANT\n$/),
  });
  const unknown = await cli(["--tenant", "nobody", "config", "apply", await write("any.yaml", documentOf(1))]);
  expect(unknown).toMatchObject({ code: 1, stderr: 'not_found: no tenant "nobody"\n' });
  const other = await cli(["config", "get"], { env: { INTERLOCK_KEY: keys.auditor } });
  expect(other).toMatchObject({ code: 1, stderr: expect.stringMatching(/^role_missing: .*"demo"/) });
  const key = "ilk_0000000000000000000000000000";
  const wrong = await cli(["keys", "list", "--key", key]);
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringMatching(/^unauthenticated: /) });
  expect(wrong.stderr).not.toContain(key);
});

test("a gateway that is not there could not run; a command that is not there is a usage error", async () => {
  const gone = await cli(["config", "check", await write("any.yaml", documentOf(1)), "--url", "http://127.0.0.1:9"]);
  expect(gone).toMatchObject({ code: 3, stdout: "", stderr: expect.stringContaining("could not reach") });
  for (const args of [[], ["bogus"], ["keys"], ["keys", "list", "--bogus"], ["keys", "list", "--url", "nowhere"]])
    expect(await cli(args), args.join(" ")).toMatchObject({ code: 2 });
  const help = await ok(["config", "apply", "--help"]);
  expect(help.stdout).toContain("INTERLOCK_KEY");
  expect(help.stdout).not.toContain(keys.admin);
});
