// Proves approvals inside workerd, through the app: one call is bound, people decide, the gateway executes it once.
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  approvalRule,
  approve,
  asked,
  decide,
  done,
  inspect,
  publish,
  refunds,
  refusal,
  RULE,
  withApprovals,
  type Call,
} from "./people.ts";
import { asRoot, bindings, createKey, refund, request, upstream } from "./tenant.ts";

afterEach(() => vi.restoreAllMocks());

/** Makes the approval's time be over, without its alarm. */
async function letTimePass(tenant: string, call: string): Promise<void> {
  const stub = (bindings.TOOL_CALL as unknown as DurableObjectNamespace).getByName(`${tenant}/${call}`);
  await runInDurableObject(stub, (_, state) => {
    const [row] = state.storage.sql.exec<{ body: string }>("SELECT body FROM state").toArray();
    const record = JSON.parse(row?.body ?? "{}") as { approval: { expiresAt: number } };
    record.approval.expiresAt = Date.now() - 1;
    state.storage.sql.exec("UPDATE state SET body = ?", JSON.stringify(record));
  });
  await evictDurableObject(stub);
}

describe("an approval", () => {
  it("is asked for, shown with the exact arguments, given by another key, and executed once by the gateway", async () => {
    const { agent, ann } = await withApprovals();
    const bodies: unknown[] = [];
    const { sent } = upstream(async (outgoing) => {
      bodies.push(await outgoing.json());
      return done();
    });
    const { approval, call } = await asked(agent, "k1", 60.25);
    expect(refunds(sent)).toHaveLength(0);
    const shown = await inspect(ann, approval);
    expect(shown).toMatchObject({
      id: approval,
      kind: "approval",
      status: "pending",
      args: { amount_usd: 60.25 },
      requirements: [{ rule_id: "over-50", roles: ["approver"], count: 1 }],
      votes: [],
      tool_call: { id: call, status: "pending_approval" },
    });
    const answer = await approve(ann, approval, { comment: "checked", digest: shown["digest"] });
    expect(answer.status).toBe(200);
    expect(await answer.json<Call>()).toMatchObject({ id: call, status: "succeeded", result: { id: "re_1" } });
    expect(refunds(sent)).toHaveLength(1);
    expect(bodies).toEqual([{ amount_usd: 60.25 }]);
    expect(await (await refund(agent, "s2", "k1", 60.25)).json<Call>()).toMatchObject({
      id: call,
      status: "succeeded",
    });
    expect(await inspect(ann, approval)).toMatchObject({
      status: "approved",
      votes: [{ comment: "checked", via: "api" }],
    });
    expect(await refusal(approve(ann, approval))).toMatchObject({ status: 409, code: "approval_resolved" });
    expect(refunds(sent)).toHaveLength(1);
  });

  it("given 20 times at once has one effect", async () => {
    const { agent, ann, ben } = await withApprovals();
    const { sent } = upstream(async () => {
      await scheduler.wait(20);
      return done();
    });
    const { approval } = await asked(agent);
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) => approve(at % 2 === 0 ? ann : ben, approval)),
    );
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(1);
    expect(refunds(sent)).toHaveLength(1);
  });

  it("binds the arguments to the cent: another amount is another call, under the same key a conflict", async () => {
    const { agent, ann } = await withApprovals();
    const { sent } = upstream(done);
    const { approval } = await asked(agent, "k1", 60);
    expect(await refusal(refund(agent, "s1", "k1", 60.01))).toMatchObject({
      status: 422,
      code: "idempotency_key_reused",
    });
    const other = await asked(agent, "k2", 60.01);
    expect(other.approval).not.toBe(approval);
    await approve(ann, approval);
    expect(await inspect(ann, other.approval)).toMatchObject({ status: "pending" });
    expect(refunds(sent)).toHaveLength(1);
  });

  it("is refused to its requester, to other roles, to the root key, and to who has no right to decide", async () => {
    const tenant = await withApprovals();
    upstream(done);
    const both = await createKey(tenant.id, ["agent", "approver"]);
    const { approval } = await asked(both);
    expect(await refusal(approve(both, approval))).toMatchObject({ status: 403, code: "approver_is_requester" });
    expect(await refusal(approve(tenant.operator, approval))).toMatchObject({
      status: 403,
      code: "approver_not_addressed",
    });
    expect(await refusal(approve(tenant.agent, approval))).toMatchObject({ status: 403, code: "role_missing" });
    const asAdmin = request(`/v1/approvals/${approval}/approve`, "root-key-of-the-tests", {
      method: "POST",
      headers: { "interlock-tenant": tenant.id },
    });
    expect(await refusal(asAdmin)).toMatchObject({ status: 403, code: "role_missing" });
    const stranger = await withApprovals();
    expect(await refusal(approve(stranger.ann, approval))).toMatchObject({ status: 404, code: "not_found" });
  });

  it("of a group is given by keys with that group's scope", async () => {
    const { id, agent, ann } = await withApprovals(approvalRule({ roles: ["finance"] }));
    upstream(done);
    const { approval } = await asked(agent);
    expect(await refusal(approve(ann, approval))).toMatchObject({ code: "approver_not_addressed" });
    const finance = await createKey(id, ["approver"], ["approve:finance"]);
    expect((await approve(finance, approval)).status).toBe(200);
  });

  it("of two people is not given by one who votes twice", async () => {
    const { agent, ann, ben } = await withApprovals(approvalRule({ count: 2 }));
    const { sent } = upstream(done);
    const { approval } = await asked(agent);
    expect(await (await approve(ann, approval)).json<Call>()).toMatchObject({ status: "pending_approval" });
    expect(await refusal(approve(ann, approval))).toMatchObject({ status: 409, code: "approval_repeated" });
    expect(refunds(sent)).toHaveLength(0);
    expect(await (await approve(ben, approval)).json<Call>()).toMatchObject({ status: "succeeded" });
    expect(refunds(sent)).toHaveLength(1);
  });

  it("is void once the policy has changed: votes are gone, and what is seen next can be approved", async () => {
    const { id, agent, ann, ben } = await withApprovals(approvalRule({ count: 2 }));
    const { sent } = upstream(done);
    const { approval } = await asked(agent);
    const before = await inspect(ann, approval);
    await approve(ann, approval);
    await publish(id, approvalRule({ count: 2, roles: ["approver", "operator"] }));
    await vi.waitFor(async () => {
      expect(await refusal(approve(ben, approval))).toMatchObject({ status: 409, code: "approval_stale" });
    });
    const after = await inspect(ann, approval);
    expect(after).toMatchObject({ status: "pending", votes: [], requirements: [{ roles: ["approver", "operator"] }] });
    expect(after["digest"]).not.toBe(before["digest"]);
    expect(await refusal(approve(ben, approval, { digest: before["digest"] }))).toMatchObject({
      code: "approval_stale",
    });
    expect(await inspect(ann, approval)).toMatchObject({ votes: [] });
    await approve(ben, approval, { digest: after["digest"] });
    expect(await (await approve(ann, approval)).json<Call>()).toMatchObject({ status: "succeeded" });
    expect(refunds(sent)).toHaveLength(1);
  });

  it("ends where the policy has come to deny the call", async () => {
    const { id, agent, ann } = await withApprovals();
    const { sent } = upstream(done);
    const { approval, call } = await asked(agent);
    await publish(id, { policy: { rules: [{ ...RULE, effect: "deny" }] } });
    await vi.waitFor(async () => {
      expect(await refusal(approve(ann, approval))).toMatchObject({ status: 409, code: "approval_stale" });
    });
    expect(await inspect(ann, approval)).toMatchObject({
      status: "superseded",
      tool_call: { id: call, status: "denied" },
    });
    expect(refunds(sent)).toHaveLength(0);
  });

  it("is over after a denial, which needs a comment and reaches the agent", async () => {
    const { agent, ann, ben } = await withApprovals();
    const { sent } = upstream(done);
    const { approval } = await asked(agent);
    for (const body of [undefined, {}, { comment: " " }]) {
      const refused = await refusal(decide(ann, approval, "deny", body));
      expect(refused).toMatchObject({ status: 400, code: "invalid_request", errors: [{ path: "comment" }] });
    }
    const denied = await decide(ann, approval, "deny", { comment: "not this customer" });
    expect(await denied.json<Call>()).toMatchObject({ status: "approval_denied", approval: { status: "denied" } });
    expect(await refusal(approve(ben, approval))).toMatchObject({
      code: "approval_resolved",
      approval_status: "denied",
    });
    const again = await refund(agent, "s1", "k1", 60);
    expect(again.status).toBe(403);
    expect(await again.json()).toMatchObject({
      code: "approval_denied",
      detail: expect.stringContaining("not this customer") as unknown,
    });
    expect(refunds(sent)).toHaveLength(0);
  });

  it("is over after its time, whether or not the alarm has rung", async () => {
    const { id, agent, ann } = await withApprovals();
    const { sent } = upstream(done);
    const { approval, call } = await asked(agent);
    await letTimePass(id, call);
    expect(await refusal(approve(ann, approval))).toMatchObject({ status: 403, code: "approval_expired" });
    expect(await inspect(ann, approval)).toMatchObject({ status: "expired" });
    expect(await refusal(refund(agent, "s1", "k1", 60))).toMatchObject({ status: 403, code: "approval_expired" });
    expect(refunds(sent)).toHaveLength(0);
  });

  it("is withdrawn by its agent or an operator, never by an agent of another actor", async () => {
    const { id, agent, ann, operator } = await withApprovals();
    upstream(done);
    const { approval } = await asked(agent);
    const created = await asRoot(id, "/v1/keys", "POST", {
      tenant: id,
      roles: ["agent"],
      actors: ["other"],
      scopes: [],
    });
    const { key: stranger } = await created.json<{ key: string }>();
    expect(await refusal(decide(stranger, approval, "withdraw"))).toMatchObject({ status: 404 });
    expect(await refusal(decide(ann, approval, "withdraw"))).toMatchObject({ code: "role_missing" });
    const withdrawn = await decide(agent, approval, "withdraw");
    expect(await withdrawn.json<Call>()).toMatchObject({ status: "approval_withdrawn" });
    expect(await refusal(approve(ann, approval))).toMatchObject({
      code: "approval_resolved",
      approval_status: "withdrawn",
    });
    expect(await refusal(refund(agent, "s1", "k1", 60))).toMatchObject({ code: "approval_withdrawn" });
    const second = await asked(agent, "k2");
    expect((await decide(operator, second.approval, "withdraw")).status).toBe(200);
  });

  it("refuses unknown fields, and digests that are none", async () => {
    const { agent, ann } = await withApprovals();
    upstream(done);
    const { approval } = await asked(agent);
    expect(await refusal(approve(ann, approval, { coment: "x" }))).toMatchObject({
      status: 400,
      errors: [{ path: "coment" }],
    });
    expect(await refusal(approve(ann, approval, { digest: "x" }))).toMatchObject({ errors: [{ path: "digest" }] });
  });

  it("is answered to who waits for it", async () => {
    const { agent, ann } = await withApprovals();
    upstream(done);
    const { approval, call } = await asked(agent);
    const waiting = request(`/v1/tool-calls/${call}?wait=20`, agent);
    const watching = request(`/v1/approvals/${approval}?wait=20`, ann);
    await scheduler.wait(50);
    const startedAt = Date.now();
    await approve(ann, approval);
    expect(await (await waiting).json<Call>()).toMatchObject({ status: "succeeded", result: { id: "re_1" } });
    expect(await (await watching).json()).toMatchObject({ status: "approved" });
    expect(Date.now() - startedAt).toBeLessThan(5_000);
    const short = await asked(agent, "k2");
    expect(await (await request(`/v1/tool-calls/${short.call}?wait=0.1`, agent)).json<Call>()).toMatchObject({
      status: "pending_approval",
    });
  });
});

describe("the inbox", () => {
  it("lists by status, newest first, page by page, and shows as expired what is over", async () => {
    const { id, agent, ann } = await withApprovals();
    upstream(done);
    const made: string[] = [];
    for (const key of ["k1", "k2", "k3", "k4", "k5"]) {
      made.push((await asked(agent, key)).approval);
      await scheduler.wait(2);
    }
    await approve(ann, made[0] ?? "");
    await decide(ann, made[1] ?? "", "deny", { comment: "no" });
    await bindings.DB.prepare("UPDATE approvals SET expires_at = 1 WHERE tenant = ? AND id = ?")
      .bind(id, made[2])
      .run();
    const list = async (
      query: string,
    ): Promise<{ data: { id: string; status: string }[]; next_cursor: string | null }> =>
      (await request(`/v1/approvals?${query}`, ann)).json();
    const newestFirst = made.toReversed();
    expect((await list("")).data.map((each) => each.id)).toEqual(newestFirst);
    expect((await list("status=pending")).data.map((each) => each.id)).toEqual([made[4], made[3]]);
    expect((await list("status=expired")).data).toMatchObject([{ id: made[2], status: "expired" }]);
    expect((await list("status=approved")).data.map((each) => each.id)).toEqual([made[0]]);
    expect((await list("status=denied")).data.map((each) => each.id)).toEqual([made[1]]);
    const walked: string[] = [];
    for (let cursor: string | null = ""; cursor !== null;) {
      const page = await list(`limit=2${cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`}`);
      walked.push(...page.data.map((each) => each.id));
      cursor = page.next_cursor;
    }
    expect(walked).toEqual(newestFirst);
    const stranger = await withApprovals();
    expect(await (await request("/v1/approvals", stranger.ann)).json()).toEqual({ data: [], next_cursor: null });
  });

  it.each([
    { query: "status=open", path: "status" },
    { query: "limit=0", path: "limit" },
    { query: "limit=many", path: "limit" },
    { query: "statuss=pending", path: "statuss" },
  ])("refuses ?$query and names $path", async ({ query, path }) => {
    const { ann } = await withApprovals();
    expect(await refusal(request(`/v1/approvals?${query}`, ann))).toMatchObject({ status: 400, errors: [{ path }] });
  });
});

describe("a draft", () => {
  it("is listed, and executed by whoever approves it", async () => {
    const { agent, operator } = await withApprovals({}, { tier: "draft_only" });
    const { sent } = upstream(done);
    const drafted = await (await refund(agent, "s1", "k1", 5)).json<Call>();
    expect(drafted).toMatchObject({ status: "drafted", approval: { status: "pending", kind: "draft" } });
    const inbox = await (await request("/v1/approvals?status=pending", operator)).json<{ data: unknown[] }>();
    expect(inbox.data).toMatchObject([{ id: drafted.approval?.id, kind: "draft" }]);
    const executed = await approve(operator, drafted.approval?.id ?? "");
    expect(await executed.json<Call>()).toMatchObject({ status: "succeeded" });
    expect(refunds(sent)).toHaveLength(1);
  });
});

describe("a kill switch while a call waits", () => {
  const set = async (tenant: string, kind: string): Promise<string> =>
    (await (await asRoot(tenant, "/v1/switches", "POST", { kind, reason: "incident 7" })).json<{ id: string }>()).id;

  it.each([
    { kind: "disable_writes", code: "writes_disabled", status: 409 },
    { kind: "halt", code: "halted", status: 403 },
  ])("$kind keeps it from being approved, not from being denied, and it waits on", async ({ kind, code, status }) => {
    const { id, agent, ann } = await withApprovals();
    const { sent } = upstream(done);
    const first = await asked(agent);
    const second = await asked(agent, "k2");
    const killSwitch = await set(id, kind);
    await vi.waitFor(async () => expect(await refusal(approve(ann, first.approval))).toMatchObject({ status, code }), {
      timeout: 4_000,
      interval: 200,
    });
    expect(await inspect(ann, first.approval)).toMatchObject({ status: "pending", votes: [] });
    expect((await decide(ann, second.approval, "deny", { comment: "no" })).status).toBe(200);
    await request(`/v1/switches/${killSwitch}`, "root-key-of-the-tests", {
      method: "DELETE",
      headers: { "interlock-tenant": id },
    });
    await vi.waitFor(async () => expect((await approve(ann, first.approval)).status).toBe(200), {
      timeout: 4_000,
      interval: 200,
    });
    expect(refunds(sent)).toHaveLength(1);
  });
});
