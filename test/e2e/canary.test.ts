// Plants personal data and credentials in every field of every surface, then looks for them in every byte that was kept.
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { readdirSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Canaries, filesUnder, opened } from "./canary.ts";
import { PRICE } from "./document.ts";
import { openStage, traceIdOf, until, type Answer, type Stage, type Tenant } from "./harness.ts";

const canaries = new Canaries();
const traces: { readonly id: string; readonly calls: number }[] = [];
let stage: Stage;
let tenant: Tenant;
let upstream: Server;
let people: { readonly approver: string; readonly operator: string };

beforeAll(async () => {
  stage = await openStage();
  upstream = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  const address = upstream.address();
  const origin = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  tenant = await stage.tenant({ sections: sectionsFor(origin) });
  const [approver, operator] = [await stage.key(tenant.id, ["approver"]), await stage.key(tenant.id, ["operator"])];
  people = { approver: approver.key, operator: operator.key };
});
afterAll(async () => {
  upstream.close();
  await stage.close();
});

function sectionsFor(origin: string): Readonly<Record<string, unknown>> {
  const model = (name: string): unknown => ({
    provider: "own",
    upstream: name,
    context: 8_000,
    max_output_tokens: 1_000,
    price: PRICE,
  });
  const tool = (name: string, more: Readonly<Record<string, unknown>> = {}): unknown => ({
    kind: "http",
    method: "POST",
    url: `${origin}/tools/${name}`,
    auth: { kind: "bearer", secret: "demo_billing" },
    effect: "write",
    repeat: "allow",
    timeout_ms: 2_000,
    input_schema: { type: "object" },
    ...more,
  });
  return {
    providers: { own: { kind: "openai-compatible", base_url: `${origin}/v1`, secret: "demo_model" } },
    models: { whole: model("whole"), stream: model("stream"), broken: model("broken") },
    tools: {
      "own.ok": tool("ok"),
      "own.fails": tool("fails"),
      "own.unknown": tool("unknown"),
      "own.read": tool("ok", { effect: "read" }),
      "own.asks": tool("ok"),
    },
    actors: {
      support_agent_v4: { scopes: ["*"], allowed_tools: ["*"], models: ["*"], budgets: { session: { usd: 5 } } },
    },
    policy: {
      rules: [{ id: "ask", tools: ["own.asks"], when: "true", effect: "require_approval", message: "ask somebody" }],
    },
    egress: { allow: [new URL(origin).host] },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks).toString("utf8");
  const json = (status: number, value: unknown): void => {
    response.writeHead(status, { "content-type": "application/json", "x-note": canaries.text("an upstream's header") });
    response.end(JSON.stringify(value));
  };
  const { url = "" } = request;
  if (url.startsWith("/tools/")) return answerTool(url, body, json);
  const { model } = JSON.parse(body) as { readonly model: string };
  if (model === "broken") return json(400, { error: { message: canaries.text("a model's error"), param: body } });
  const usage = { prompt_tokens: 50, completion_tokens: 50, total_tokens: 100 };
  const said = canaries.text(`the answer of ${model}`);
  if (model === "whole")
    return json(200, {
      id: "chatcmpl-1",
      object: "chat.completion",
      model: "whole",
      choices: [
        { index: 0, message: { role: "assistant", content: `${said}; you wrote ${body}` }, finish_reason: "stop" },
      ],
      usage,
    });
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const content of said.match(/.{1,5}/gs) ?? [])
    response.write(`data: ${JSON.stringify({ id: "c", model, choices: [{ index: 0, delta: { content } }] })}\n\n`);
  const args = JSON.stringify({ note: canaries.text("a tool call in a stream") });
  for (const part of args.match(/.{1,7}/gs) ?? [])
    response.write(
      `data: ${JSON.stringify({ id: "c", choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: part } }] } }] })}\n\n`,
    );
  response.write(`data: ${JSON.stringify({ id: "c", choices: [], usage })}\n\n`);
  response.end("data: [DONE]\n\n");
}

function answerTool(url: string, body: string, json: (status: number, value: unknown) => void): void {
  const note = canaries.text(`the answer of ${url}`);
  if (url.endsWith("/fails")) return json(422, { error: note, echo: body });
  if (url.endsWith("/unknown")) return json(500, { error: note, echo: body });
  return json(200, { id: "re_1", note, echo: body, [note]: note, within: JSON.stringify({ note }) });
}

/** Headers that a client sends besides what a call needs. */
const headersOf = (surface: string): Record<string, string> => ({
  "interlock-session": "s-canary",
  "interlock-intent": canaries.text(`Interlock-Intent of ${surface}`),
  "interlock-user-prompt": encodeURIComponent(canaries.text(`Interlock-User-Prompt of ${surface}`)),
  "interlock-user": canaries.value(`Interlock-User of ${surface}`, `user-${surface.replaceAll(/\W/g, "-")}-of-nobody`),
  "user-agent": canaries.text(`User-Agent of ${surface}`),
  cookie: `id=${canaries.text(`Cookie of ${surface}`)}`,
  referer: `https://x.example/?q=${encodeURIComponent(canaries.text(`Referer of ${surface}`))}`,
  "x-forwarded-for": canaries.text(`X-Forwarded-For of ${surface}`),
  tracestate: `x=${canaries.text(`tracestate of ${surface}`).replaceAll(/[,=]/g, " ")}`,
  baggage: canaries.text(`baggage of ${surface}`),
});

function noted(given: Answer, calls = 1): Answer {
  traces.push({ id: traceIdOf(given), calls });
  return given;
}

test("nothing of what was planted anywhere is found in anything that is kept", { timeout: 180_000 }, async () => {
  await modelCalls();
  await toolCalls();
  await peoplesWords();
  await agentsOwn();
  await refusedOnes();
  expect(canaries.planted.length).toBeGreaterThan(300);

  const exports: Buffer[] = [];
  for (const { id, calls } of traces) {
    await tenant.trace(id, calls);
    exports.push(Buffer.from((await tenant.get(`/v1/traces/${id}`, tenant.auditor)).text));
  }
  exports.push(Buffer.from((await tenant.get("/v1/traces?limit=200", tenant.auditor)).text));
  expect(Buffer.concat(exports).toString()).toContain("[email_address:");

  const found = [
    ...exports.flatMap((bytes) => canaries.foundIn("an export", bytes)),
    ...canaries.foundIn("the log", Buffer.from(stage.logs.join("\n"))),
    ...(await foundInBuckets()),
    ...(await foundInDatabase()),
  ];
  expect([...new Set(found)]).toEqual([]);

  // The same once more, in the bytes of the files: what was deleted or is not listed counts too.
  await stage.gateway.miniflare.dispose();
  const folders = readdirSync(stage.stateDir).filter((name) => /^(?:d1|r2|kv|queues?|cache|logs?)/.test(name));
  expect(folders.length).toBeGreaterThanOrEqual(3);
  const files = folders.flatMap((folder) => filesUnder(path.join(stage.stateDir, folder)));
  console.log(
    `canary: ${canaries.planted.length} planted; ${traces.length} traces, ${files.length} files looked through`,
  );
  expect(files.flatMap(({ name, bytes }) => canaries.foundIn(path.relative(stage.stateDir, name), bytes))).toEqual([]);
});

async function modelCalls(): Promise<void> {
  for (const model of ["whole", "stream", "broken"]) {
    const surface = `a call of ${model}`;
    const body = {
      model,
      stream: model === "stream",
      user: canaries.value(`user of ${surface}`, `somebody-${model}-at-home`),
      metadata: { note: canaries.text(`metadata of ${surface}`) },
      messages: [
        { role: "system", content: canaries.text(`system prompt of ${surface}`) },
        { role: "user", name: "x", content: [{ type: "text", text: canaries.text(`parts of ${surface}`) }] },
        {
          role: "assistant",
          tool_calls: [
            {
              id: "call_1",
              type: "function",
              function: {
                name: "f",
                arguments: JSON.stringify({ deep: { text: canaries.text(`arguments of ${surface}`) } }),
              },
            },
          ],
        },
        { role: "tool", tool_call_id: "call_1", content: canaries.text(`tool result of ${surface}`) },
      ],
    };
    noted(await tenant.chatAnswer(body, { headers: headersOf(surface) }));
  }
  noted(
    await tenant.chatAnswer(
      { model: canaries.text("a model's name"), messages: [] },
      { headers: headersOf("no model") },
    ),
  );
}

async function toolCalls(): Promise<void> {
  for (const name of ["own.ok", "own.fails", "own.unknown", "own.read"]) {
    const note = canaries.text(`arguments of ${name}`);
    const args = {
      note,
      list: [{ [note]: note }],
      text: JSON.stringify({ note }),
      url: `https://x.example/?q=${encodeURIComponent(note)}`,
    };
    const more = {
      intent: canaries.text(`intent of ${name}`),
      constraints: { allowed_tools: ["own.*", canaries.text(`constraints of ${name}`)] },
    };
    noted(await tenant.tool(name, args, more, { headers: headersOf(name) }));
  }
  noted(
    await tenant.tool(`x ${canaries.text("a tool's name").slice(0, 200)}`, {}, {}, { headers: headersOf("no tool") }),
  );
}

/** What people say of calls, switches and sessions. */
async function peoplesWords(): Promise<void> {
  for (const verdict of ["approve", "deny"] as const) {
    const asked = noted(
      await tenant.tool(
        "own.asks",
        { note: canaries.text(`an approval to ${verdict}`) },
        {},
        { headers: headersOf(verdict) },
      ),
      2,
    );
    expect(asked.status).toBe(202);
    const approval = (asked.json["approval"] as { readonly id: string }).id;
    const decided = await stage.send(
      "POST",
      `/v1/approvals/${approval}/${verdict}`,
      { comment: canaries.text(`comment to ${verdict}`) },
      { key: people.approver },
    );
    expect(decided.status).toBeLessThan(300);
  }
  const lost = noted(
    await tenant.tool("own.unknown", { note: canaries.text("a lost call") }, {}, { headers: headersOf("lost") }),
    2,
  );
  const resolved = await stage.send(
    "POST",
    `/v1/tool-calls/${(lost.json["tool_call"] as { readonly id: string }).id}/resolve`,
    { outcome: "succeeded", evidence: canaries.text("evidence"), result: { note: canaries.text("a resolved result") } },
    { key: people.operator },
  );
  expect(resolved.status, resolved.text).toBe(200);
  const set = await stage.send(
    "POST",
    "/v1/switches",
    { kind: "disable_writes", scope: { tool: "own.fails" }, reason: canaries.text("a switch") },
    { key: people.operator },
  );
  expect(set.status, set.text).toBe(201);
  const cleared = await stage.send(
    "DELETE",
    `/v1/switches/${String(set.json["id"])}`,
    { reason: canaries.text("a cleared switch") },
    { key: people.operator },
  );
  expect(cleared.status).toBe(200);
  const stopped = await stage.send(
    "POST",
    "/v1/sessions/s-canary/end",
    { reason: canaries.text("a stopped session").slice(0, 499) },
    { key: people.operator },
  );
  expect(stopped.status, stopped.text).toBeLessThan(300);
  noted(
    await tenant.chatAnswer(
      { model: "whole", messages: [{ role: "user", content: "hi" }] },
      { headers: headersOf("a stopped session") },
    ),
  );
}

/** Spans that an agent sends, whatever it calls their attributes, and what it reports of a trace. */
async function agentsOwn(): Promise<void> {
  const attribute = (key: string, of = key): unknown => ({
    key,
    value: { stringValue: canaries.text(`attribute ${of}`) },
  });
  const attributes = [
    ...["note", "gen_ai.input.messages", "interlock.act.by", "interlock.key.id", "gen_ai.tool.name"].map((key) =>
      attribute(key),
    ),
    attribute(canaries.text("an attribute's name"), "of that name"),
    { key: "gen_ai.conversation.id", value: { stringValue: canaries.email("a conversation") } },
    { key: "user.id", value: { stringValue: canaries.email("a user") } },
  ];
  const traceId = randomBytes(16).toString("hex");
  const now = `${Date.now()}000000`;
  const span = {
    traceId,
    spanId: randomBytes(8).toString("hex"),
    name: canaries.text("a span's name"),
    kind: 1,
    startTimeUnixNano: now,
    endTimeUnixNano: now,
    attributes,
    events: [{ timeUnixNano: now, name: canaries.text("an event"), attributes: [attribute("exception.message")] }],
    links: [{ traceId, spanId: randomBytes(8).toString("hex"), attributes: [attribute("a link")] }],
    status: { code: 2, message: canaries.text("a status") },
    traceState: `x=${canaries.email("a span's state")}`,
  };
  const scope = { name: canaries.text("a scope"), version: canaries.text("a version") };
  const resource = { attributes: [attribute("service.name"), attribute("host.name")] };
  const sent = await stage.send(
    "POST",
    "/v1/traces",
    { resourceSpans: [{ resource, scopeSpans: [{ scope, spans: [span] }] }] },
    { key: tenant.agent },
  );
  expect(sent.status, sent.text).toBe(200);
  traces.push({ id: `tr_${traceId}`, calls: 1 });
  const [told] = traces;
  const report = (body: unknown): Promise<Answer> =>
    stage.send("POST", `/v1/traces/${told?.id}/outcome`, body, { key: people.operator });
  const reported = await report({ outcome: "escalated", comment: canaries.text("an outcome") });
  expect(reported.status, reported.text).toBeLessThan(300);
  // Labels are columns, not words.
  expect((await report({ labels: { note: canaries.email("a label") } })).status).toBe(400);
}

/** Fields that take no words: what stands in them is refused, and kept nowhere either. */
async function refusedOnes(): Promise<void> {
  const fields = [
    "interlock-session",
    "interlock-task",
    "interlock-release",
    "interlock-actor",
    "interlock-confidence",
    "interlock-confirmed",
  ];
  for (const field of fields) {
    const value = canaries.email(field);
    const refused = await tenant.chatAnswer({ model: "whole", messages: [] }, { headers: { [field]: value } });
    expect(refused.status, field).toBeGreaterThanOrEqual(400);
  }
  for (const more of [{ session_id: "x" }, { task_id: "x" }, { trace_id: "x" }, { actor: "x" }]) {
    const [field = ""] = Object.keys(more);
    const refused = await tenant.tool("own.ok", {}, { [field]: canaries.text(field) });
    expect(refused.status, field).toBeGreaterThanOrEqual(400);
  }
  const key = canaries.email("Idempotency-Key");
  expect((await tenant.tool("own.ok", {}, {}, { headers: { "idempotency-key": key } })).status).toBe(400);
  for (const at of ["/v1/traces/", "/v1/tool-calls/", "/v1/approvals/", "/v1/nothing/"])
    await tenant.get(
      `${at}${encodeURIComponent(canaries.text(at))}?x=${encodeURIComponent(canaries.text(`${at} query`))}`,
      tenant.auditor,
    );
  await stage.send("POST", "/v1/tool-calls", canaries.text("a body that is no JSON"), { key: tenant.agent });
  await stage.send("POST", "/v1/chat/completions", canaries.text("another"), {
    key: canaries.email("a key"),
  });
}

async function foundInBuckets(): Promise<readonly string[]> {
  const bucket = await stage.gateway.miniflare.getR2Bucket("BLOBS", "gateway");
  const kv = await stage.gateway.miniflare.getKVNamespace("CONFIG", "gateway");
  const found: string[] = [];
  const { objects } = await bucket.list();
  expect(objects.length).toBeGreaterThan(0);
  for (const { key } of objects) {
    const object = await bucket.get(key);
    const bytes = Buffer.from((await object?.arrayBuffer()) ?? new ArrayBuffer(0));
    found.push(...canaries.foundIn(key, Buffer.concat([Buffer.from(key), opened(bytes)])));
  }
  const { keys } = await kv.list();
  for (const { name } of keys)
    found.push(...canaries.foundIn(name, Buffer.from(`${name} ${(await kv.get(name, "text")) ?? ""}`)));
  return found;
}

async function foundInDatabase(): Promise<readonly string[]> {
  const database = await stage.gateway.miniflare.getD1Database("DB", "gateway");
  const { results } = await database
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table'")
    .all<{ name: string }>();
  const found: string[] = [];
  for (const { name } of results.filter(
    (table) => !table.name.startsWith("_cf") && !table.name.startsWith("sqlite_"),
  )) {
    const rows = await until(
      `rows of ${name}`,
      async () => (await database.prepare(`SELECT * FROM "${name}"`).all()).results,
    );
    found.push(...canaries.foundIn(`D1 ${name}`, Buffer.from(JSON.stringify(rows))));
  }
  return found;
}
