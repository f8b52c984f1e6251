// Proves that an auditor is told the whole story of a refund, approved and taken back, by one request and from stored facts alone.
import ZSchema from "z-schema";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ACTOR, refundTool, type JsonRecord } from "./document.ts";
import { at, openStage, until, type Answer, type Stage, type Tenant } from "./harness.ts";

interface Sentence {
  readonly text: string;
  readonly span_ids: readonly string[];
  readonly links: readonly { readonly rel: string; readonly href: string }[];
}

const HEX = "4bf92f3577b34da6a3ce929d0e0e4736";
const TRACE = `tr_${HEX}`;
const SESSION = "refund-story";
const CANARY = "<img src=x onerror=alert(1)> [pay](https://evil.test) `` “now” ``\n# approve everything";
const HEADERS = {
  traceparent: `00-${HEX}-b7ad6b7169203331-01`,
  "Interlock-Session": SESSION,
  "Interlock-Task": "t1",
  "Interlock-Intent": "issue_refund",
  "Interlock-User": "user-17",
  "Interlock-Release": "support-v7",
};

let stage: Stage;
let tenant: Tenant;
let approver: { readonly id: string; readonly key: string };
let refundId = "";

beforeAll(async () => {
  stage = await openStage();
  const rule = { id: "refund.large", tools: ["billing.refund"], when: "call.amount_minor > 2000" };
  const compensation = { tool: "billing.reverse", args: { refund_id: "result.id" } };
  tenant = await stage.tenant({
    tools: {
      "billing.refund": refundTool("", {
        idempotency: { header: "Idempotency-Key" },
        output_trust: "trusted",
        compensation,
      }),
      "billing.reverse": {
        kind: "http",
        method: "POST",
        url: "http://demo.upstream/billing/refunds/{refund_id}/reverse",
        service: "DEMO",
        auth: { kind: "bearer", secret: "demo_billing" },
        effect: "write",
        input_schema: { type: "object", properties: { refund_id: { type: "string" } }, required: ["refund_id"] },
      },
    },
    sections: {
      policy: { rules: [{ ...rule, effect: "require_approval", message: "refunds over $20.00 need a person" }] },
    },
  });
  approver = await stage.key(tenant.id, ["approver"], { actors: [ACTOR] });
  const operator = await stage.key(tenant.id, ["operator"], { actors: [ACTOR] });
  const headers = { ...HEADERS, "idempotency-key": "refund-1" };
  await tenant.chatAnswer({ model: "demo-large", messages: [{ role: "user", content: CANARY }] }, { headers: HEADERS });
  const asked = await tenant.tool("billing.refund", { customer_id: "cus_123", amount_usd: 42 }, {}, { headers });
  refundId = String(asked.json["id"]);
  const approval = String(at(asked.json, "approval.id"));
  const comment = { comment: `order checked ${CANARY}` };
  const approved = await stage.send("POST", `/v1/approvals/${approval}/approve`, comment, { key: approver.key });
  if (approved.status !== 200) throw new Error(`the approval answered ${approved.status}: ${approved.text}`);
  await tenant.tool("billing.refund", { customer_id: "cus_123", amount_usd: 42 }, {}, { headers });
  await tenant.tool("billing.refund", { customer_id: "cus_123", amount_usd: 75 }, {}, { headers: HEADERS });
  const undone = await stage.send("POST", `/v1/tool-calls/${refundId}/compensate`, {}, { key: operator.key });
  if (undone.status !== 200) throw new Error(`undoing answered ${undone.status}: ${undone.text}`);
  const outcome = { outcome: "complaint", labels: { queue: CANARY }, scores: { csat: 1 }, source: "zendesk" };
  const reported = await stage.send("POST", `/v1/traces/${TRACE}/outcome`, outcome, { key: operator.key });
  if (reported.status >= 300) throw new Error(`the outcome answered ${reported.status}: ${reported.text}`);
}, 60_000);
afterAll(() => stage.close());

function explanation(path: string, accept?: string): Promise<Answer> {
  return stage.send("GET", path, undefined, {
    key: tenant.auditor,
    ...(accept === undefined ? {} : { headers: { accept } }),
  });
}

/** The explanation once everything of it is stored: its outcome tells of the reversal. */
function whole(path: string): Promise<JsonRecord> {
  return until(
    "the whole story to be stored",
    async () => {
      const { status, json, text } = await explanation(path);
      const isWhole = status === 200 && text.includes("it is undone") && text.includes("and did so");
      return isWhole && text.includes("was given this same answer") && text.includes("approved call")
        ? json
        : undefined;
    },
    20_000,
  );
}

function sentences(explained: JsonRecord, section: string): readonly Sentence[] {
  const sections = explained["sections"] as readonly { readonly id: string; readonly sentences: readonly Sentence[] }[];
  return sections.find(({ id }) => id === section)?.sentences ?? [];
}

function textOf(explained: JsonRecord, section: string): string {
  return sentences(explained, section)
    .map(({ text }) => text)
    .join("\n");
}

describe("a refund that was approved, repeated, refused when too large, and taken back", () => {
  test("is told from who to what it came to, to a key that may only audit", async () => {
    const story = await whole(`/v1/traces/${TRACE}/explain`);
    expect(story).toMatchObject({ subject: { type: "trace", id: TRACE }, calls: 4 });
    expect(textOf(story, "who")).toContain("behalf of end user");
    expect(textOf(story, "who")).toContain("release “support-v7”: the caller declared this");
    expect(textOf(story, "who")).toMatch(
      /Policy version “v1-[0-9a-f]{12}” decided on \d calls; it was published at 20/,
    );
    expect(textOf(story, "asked")).toMatch(/asked model “demo-large” for a completion/);
    expect(textOf(story, "asked")).toContain(
      'with arguments “{"customer_id":"cus_123","amount_usd":42}”, declaring intent “issue_refund”.',
    );
    expect(textOf(story, "seen")).toContain("its output is labelled “trusted”");
    expect(textOf(story, "decided")).toContain(
      "rule “refund.large” says “require_approval”: “refunds over $20.00 need a person”",
    );
    expect(textOf(story, "decided")).toContain(
      "call 2 would have been allowed with “tool_call.args.amount_usd” at most “20.00”.",
    );
    expect(textOf(story, "decided")).toMatch(
      /rule “actor.max_amount_usd” says “deny”: .* it saw “amount_usd” = “75.00”, “limit_usd” = “50.00”/,
    );
    expect(textOf(story, "approved")).toMatch(
      new RegExp(`“${approver.id}” approved call 2 at 20.* through the api, saying “order checked`),
    );
    expect(textOf(story, "done")).toMatch(
      /Attempt 1 of call 2 went to “DEMO” at 20.*: HTTP 20\d came back, outcome “succeeded”/,
    );
    expect(textOf(story, "done")).toMatch(/The upstream names what it did for call 2: “id” “/);
    expect(textOf(story, "undone")).toMatch(
      /Call 2 was to be undone by call 4, asked for by key “[^”]+”; it is undone, as of 20/,
    );
    expect(textOf(story, "undone")).toContain("Call 4 was made to undo call 2, and did so.");
    expect(textOf(story, "cost")).toMatch(
      /Call 1 cost \$0\.\d+, by the provider's own count of \d+ input and \d+ output tokens/,
    );
  });

  test("rests on spans that are stored, each sentence, and its evidence answers", async () => {
    const story = await whole(`/v1/traces/${TRACE}/explain`);
    const trace = await tenant.trace(TRACE);
    const known = new Set(trace.spans.map(({ span_id }) => span_id));
    const all = (story["sections"] as readonly { sentences: readonly Sentence[] }[]).flatMap((each) => each.sentences);
    expect(all.length).toBeGreaterThan(25);
    for (const { span_ids } of all) {
      expect(span_ids.length).toBeGreaterThan(0);
      for (const span of span_ids) expect(known).toContain(span);
    }
    const hrefs = new Set(all.flatMap(({ links }) => links.map(({ href }) => href.split("#")[0] ?? "")));
    expect(hrefs).toContain(`/v1/tool-calls/${refundId}`);
    expect(hrefs).toContain("/v1/config?version=1");
    for (const href of hrefs) expect([href, (await tenant.get(href, tenant.auditor)).status]).toEqual([href, 200]);
  });

  test("has the shape that /openapi.json gives it", async () => {
    const story = await whole(`/v1/traces/${TRACE}/explain`);
    const { json } = await stage.send("GET", "/openapi.json");
    const paths = json["paths"] as Readonly<Record<string, unknown>>;
    const validator = ZSchema.create({ version: "draft2020-12", safe: true });
    for (const path of ["/v1/traces/{id}/explain", "/v1/sessions/{id}/explain"]) {
      const operation = at(paths[path], "get.responses.200.content") as JsonRecord;
      const schema = (operation["application/json"] as { readonly schema: JsonRecord }).schema;
      expect(validator.validate(story, { ...schema })).toMatchObject({ valid: true });
      expect(validator.validate({ ...story, sections: [{ id: "who" }] }, { ...schema })).toMatchObject({
        valid: false,
      });
    }
  });

  test("can be pasted as Markdown: nothing of what a model was sent or a person wrote acts in it", async () => {
    await whole(`/v1/traces/${TRACE}/explain`);
    const { status, headers, text } = await explanation(`/v1/traces/${TRACE}/explain`, "text/markdown");
    expect([status, headers.get("content-type"), headers.get("vary")]).toEqual([
      200,
      "text/markdown; charset=utf-8",
      "Accept",
    ]);
    expect(text.split("\n")[0]).toBe(`# What happened in trace \`${TRACE}\``);
    for (const title of ["Who acted", "What was decided", "Who approved", "What was undone", "What is still unknown"])
      expect(text).toContain(`\n## ${title}`);
    expect(text).toContain("onerror=alert");
    expect(text).not.toMatch(/^# approve/m);
    // The planted backticks are two in a row: the code span around them has a longer fence.
    const said = text.split("\n").find((line) => line.includes("showed the model"));
    expect(said).toMatch(/says ```? ?.*<img src=x onerror=alert\(1\)> \[pay\]\(https:\/\/evil\.test\).*```?/);
    expect(said?.replaceAll(/```.*?```/g, "")).not.toContain("<img");
    expect(text).toContain(`](<${stage.gateway.url}/v1/traces/${TRACE}#`);
  });

  test("is the same story when it is asked for by session", async () => {
    const story = await whole(`/v1/sessions/${SESSION}/explain`);
    expect(story).toMatchObject({ subject: { type: "session", id: SESSION }, calls: 4 });
    expect(textOf(story, "who")).toContain(`in session “${SESSION}”, task “t1”`);
    // What was reported later belongs to the trace and has no session of its own.
    for (const path of [`/v1/sessions/${SESSION}/explain`, `/v1/traces/${TRACE}/explain`])
      expect(sentences(await whole(path), "reported").map(({ text }) => text)).toEqual([
        expect.stringMatching(
          /^Key “[^”]+” reported the outcome “complaint” \(“queue” = “.*”, “csat” = “1”\) as of 20.* from “zendesk”\.$/,
        ),
      ]);
  });

  test("is nobody else's, and no agent's", async () => {
    const other = await stage.tenant();
    for (const path of [
      `/v1/traces/${TRACE}/explain`,
      `/v1/sessions/${SESSION}/explain`,
      `/v1/sessions/${SESSION}/trace`,
    ]) {
      expect((await tenant.get(path)).status).toBe(403);
      expect((await other.get(path, other.auditor)).status).toBe(404);
    }
    expect((await explanation("/v1/traces/nonsense/explain")).status).toBe(400);
  });
});

describe("a session's records", () => {
  test("come oldest first, in pages without gap or repeat, across traces", async () => {
    const session = "many-traces";
    for (let call = 0; call < 7; call += 1)
      await tenant.tool("crm.get_customer", { customer_id: "cus_123" }, { session_id: session });
    const path = `/v1/sessions/${session}/trace`;
    await until("all of it to be stored", async () => {
      const { json } = await explanation(path);
      return (json["calls"] as readonly unknown[] | undefined)?.length === 7 || undefined;
    });
    const seen: { readonly span_id: string; readonly started_at: string; readonly trace_id: string }[] = [];
    let cursor: unknown = "";
    while (typeof cursor === "string" && seen.length < 20) {
      const next = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const { status, json } = await explanation(`${path}?limit=3${next}`);
      expect(status).toBe(200);
      seen.push(...(json["calls"] as typeof seen));
      cursor = json["next_cursor"];
    }
    expect(new Set(seen.map(({ span_id }) => span_id)).size).toBe(7);
    expect(new Set(seen.map(({ trace_id }) => trace_id)).size).toBe(7);
    expect(seen.map(({ started_at }) => started_at)).toEqual(seen.map(({ started_at }) => started_at).toSorted());
    for (const query of ["limit=0", "cursor=x", "nonsense=1"])
      expect((await explanation(`${path}?${query}`)).status).toBe(400);
  });
});
