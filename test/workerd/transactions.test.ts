// Proves that unknown outcomes are settled by evidence alone, that held calls can be taken back, and that calls are undone once.
import { afterEach, describe, expect, it, vi } from "vitest";
import { act, Bank, createPayer, errand, makeDue, pay, read, TOOLS, used, stopPayers } from "./payments.ts";
import { asRoot, bindings, createKey, request, testConfig } from "./tenant.ts";

afterEach(async () => {
  await stopPayers();
  vi.restoreAllMocks();
});

describe("an outcome that is unknown", () => {
  it("is found by its probe, keeps its charge, and answers repeats with what the probe found", async () => {
    const payer = await createPayer();
    const bank = new Bank();
    bank.loses = () => true;
    const first = await pay(payer, "ann");
    expect([first.http, first.tool_call?.status]).toEqual([504, "unknown"]);
    const id = first.tool_call?.id ?? "";
    expect(await used(payer)).toBe("5.00");
    await errand(payer, id, "settle");
    expect(await read(payer, id)).toMatchObject({
      status: "succeeded",
      result: { id: "p_ann" },
      resolution: { by: "probe", evidence: "find answered, and size(result.data) == 1" },
    });
    expect(await pay(payer, "ann")).toMatchObject({ http: 200, replayed: true, result: { id: "p_ann" } });
    expect(bank.log).toEqual(["pay ann"]);
    expect(await used(payer)).toBe("5.00");
  });

  it("has failed only once two probes found nothing, and its charge goes back", async () => {
    const payer = await createPayer();
    const bank = new Bank();
    bank.meddle = (path) => (path === "/pay" ? Promise.reject(new Error("lost on the way")) : undefined);
    const id = (await pay(payer, "ben")).tool_call?.id ?? "";
    await errand(payer, id, "settle");
    // The same message once more is not a second look.
    await errand(payer, id, "settle");
    expect(await read(payer, id)).toMatchObject({ status: "unknown" });
    await makeDue(payer, id);
    await errand(payer, id, "settle");
    expect(await read(payer, id)).toMatchObject({ status: "failed", resolution: { by: "probe" } });
    expect(await used(payer)).toBe("0.00");
  });

  it.each([
    ["a probe that fails", 500],
    ["a probe that is not let in", 403],
  ])("stays unknown after %s", async (_, status) => {
    const payer = await createPayer();
    const bank = new Bank();
    bank.loses = () => true;
    bank.meddle = (path) => (path === "/find" ? Response.json({ data: [] }, { status }) : undefined);
    const id = (await pay(payer, "cy")).tool_call?.id ?? "";
    await errand(payer, id, "settle");
    await errand(payer, id, "settle");
    expect(await read(payer, id)).toMatchObject({ status: "unknown" });
  });

  it("is not probed while a switch halts the probe's tool", async () => {
    const payer = await createPayer();
    const bank = new Bank();
    bank.loses = () => true;
    const id = (await pay(payer, "dee")).tool_call?.id ?? "";
    await request("/v1/switches", payer.operator, {
      method: "POST",
      body: JSON.stringify({ kind: "halt", scope: { tool: "find" }, reason: "down" }),
    });
    await errand(payer, id, "settle");
    expect(await read(payer, id)).toMatchObject({ status: "unknown" });
  });

  it("is asked for by the call's own alarm, over the queue", async () => {
    const payer = await createPayer();
    new Bank().loses = () => true;
    const id = (await pay(payer, "eve")).tool_call?.id ?? "";
    await makeDue(payer, id, true);
    await vi.waitFor(async () => expect(await read(payer, id)).toMatchObject({ status: "succeeded" }), 5_000);
  });

  it("is repeated to an upstream that knows the key, where its tool says so", async () => {
    const { probe: _, ...without } = TOOLS.pay;
    const payer = await createPayer({ pay: { ...without, settle: "repeat" } });
    const bank = new Bank();
    bank.loses = () => true;
    const id = (await pay(payer, "fay")).tool_call?.id ?? "";
    bank.loses = () => false;
    await errand(payer, id, "settle");
    expect(await read(payer, id)).toMatchObject({ status: "succeeded", resolution: { by: "repeat" } });
    expect(bank.log).toEqual(["pay fay"]);
  });

  it("is settled by its repeat and by nobody's word while the repeat is on its way", async () => {
    const { probe: _, ...without } = TOOLS.pay;
    const payer = await createPayer({ pay: { ...without, settle: "repeat" } });
    const bank = new Bank();
    bank.loses = () => true;
    const id = (await pay(payer, "hal")).tool_call?.id ?? "";
    bank.loses = () => false;
    const body = JSON.stringify({ outcome: "failed", evidence: "not on the statement" });
    const said: string[] = [];
    bank.meddle = async () => {
      const answer = await request(`/v1/tool-calls/${id}/resolve`, payer.operator, { method: "POST", body });
      said.push(`${answer.status} ${(await answer.json<{ code?: string }>()).code ?? ""}`);
      return undefined;
    };
    await errand(payer, id, "settle");
    expect(said).toEqual(["409 call_in_flight"]);
    expect(await read(payer, id)).toMatchObject({ status: "succeeded", resolution: { by: "repeat" } });
  });

  it("is not repeated in a session that a person has ended: the repeat may be the first that arrives", async () => {
    const { probe: _, ...without } = TOOLS.pay;
    const payer = await createPayer({ pay: { ...without, settle: "repeat" } });
    const bank = new Bank();
    bank.meddle = () => Promise.reject(new Error("lost on the way"));
    const id = (await pay(payer, "eli")).tool_call?.id ?? "";
    bank.meddle = () => undefined;
    const body = JSON.stringify({ reason: "enough" });
    const ended = await request("/v1/sessions/s1/end", payer.operator, { method: "POST", body });
    expect(ended.status).toBe(200);
    await errand(payer, id, "settle");
    expect(await read(payer, id)).toMatchObject({ status: "unknown" });
    expect(bank.log).toEqual([]);
  });

  it("is resolved by an operator with evidence, once; by nobody else", async () => {
    const { probe: _, ...without } = TOOLS.pay;
    const payer = await createPayer({ pay: without });
    new Bank().loses = () => true;
    const id = (await pay(payer, "gus")).tool_call?.id ?? "";
    await errand(payer, id, "settle");
    expect(await read(payer, id)).toMatchObject({ status: "unknown" });
    const word = { outcome: "succeeded", evidence: "seen in the ledger", result: { id: "p_gus" } };
    expect(await act(payer.agent, id, "resolve", word)).toMatchObject({ http: 403, code: "role_missing" });
    expect(await act(payer.operator, id, "resolve", { outcome: "succeeded" })).toMatchObject({ http: 400 });
    expect(await act(payer.operator, id, "resolve", { ...word, more: 1 })).toMatchObject({ http: 400 });
    expect(await act(payer.operator, id, "resolve", word)).toMatchObject({
      http: 200,
      status: "succeeded",
      result: { id: "p_gus" },
      resolution: { by: "person", evidence: "seen in the ledger" },
    });
    expect(await act(payer.operator, id, "resolve", { outcome: "failed", evidence: "no" })).toMatchObject({
      http: 409,
      code: "outcome_known",
    });
    expect(await act(payer.operator, id, "compensate")).toMatchObject({ status: "compensated" });
  });

  it("is listed by status", async () => {
    const payer = await createPayer();
    new Bank().loses = (to) => to === "hal";
    const id = (await pay(payer, "hal")).tool_call?.id ?? "";
    const done = (await pay(payer, "ida")).id;
    const list = async (query: string): Promise<readonly string[]> => {
      const answer = await request(`/v1/tool-calls?${query}`, payer.operator);
      return (await answer.json<{ data: readonly { id: string }[] }>()).data.map((each) => each.id);
    };
    expect(await list("status=unknown")).toEqual([id]);
    await vi.waitFor(async () => expect(await list("status=succeeded&tool=pay&actor=agent")).toEqual([done]), 10_000);
    await errand(payer, id, "settle");
    expect(await list("status=unknown")).toEqual([]);
    expect((await request("/v1/tool-calls?status=odd", payer.operator)).status).toBe(400);
    const stranger = await createPayer();
    const others = await request("/v1/tool-calls", stranger.agent);
    expect(await others.json()).toMatchObject({ data: [] });
  });
});

describe("a call that is held", () => {
  const held = { pay: { ...TOOLS.pay, hold_s: 600 } };

  it("is charged, sent once its time has come, and not before", async () => {
    const payer = await createPayer(held);
    const bank = new Bank();
    const first = await pay(payer, "ann");
    expect(first).toMatchObject({ http: 202, status: "held", attempts: 0 });
    expect(first.held_until).toBeDefined();
    expect(await used(payer)).toBe("5.00");
    await errand(payer, first.id, "send");
    expect(bank.log).toEqual([]);
    await makeDue(payer, first.id, true);
    await vi.waitFor(async () => expect(await read(payer, first.id)).toMatchObject({ status: "succeeded" }), 5_000);
    await errand(payer, first.id, "send");
    expect(bank.log).toEqual(["pay ann"]);
    expect(await used(payer)).toBe("5.00");
    expect(await act(payer.agent, first.id, "withdraw")).toMatchObject({ http: 409, code: "call_sent" });
  });

  it("is taken back until then, and its charge goes back", async () => {
    const payer = await createPayer(held);
    const bank = new Bank();
    const { id } = await pay(payer, "ben");
    expect(await act(payer.agent, id, "withdraw")).toMatchObject({ http: 200, status: "withdrawn" });
    expect(await used(payer)).toBe("0.00");
    await makeDue(payer, id);
    await errand(payer, id, "send");
    expect(bank.log).toEqual([]);
    expect(await pay(payer, "ben")).toMatchObject({ http: 403, code: "call_withdrawn" });
    const { json } = { json: await (await request("/v1/sessions/s1", payer.agent)).json<Record<string, unknown>>() };
    expect(json["counters"]).toMatchObject({ failures: 0 });
  });

  it("is denied where the policy changed meanwhile, costs nothing, and may be asked for again", async () => {
    const payer = await createPayer(held);
    const bank = new Bank();
    const { id } = await pay(payer, "cy");
    const rule = { id: "none", tools: ["pay"], effect: "require_approval", message: "people first" };
    await republish(payer.id, held, { policy: { rules: [rule] } });
    await makeDue(payer, id);
    await errand(payer, id, "send");
    expect(await read(payer, id)).toMatchObject({ status: "denied", decision: { effect: "require_approval" } });
    expect(await used(payer)).toBe("0.00");
    expect(await pay(payer, "cy")).toMatchObject({ http: 202, status: "pending_approval" });
    expect(bank.log).toEqual([]);
  });

  it("is not sent while its session is paused, and goes when that is over", async () => {
    const payer = await createPayer(held);
    const bank = new Bank();
    const { id } = await pay(payer, "dee");
    await request("/v1/sessions/s1/pause", payer.operator, {
      method: "POST",
      body: JSON.stringify({ reason: "look" }),
    });
    await makeDue(payer, id);
    await errand(payer, id, "send");
    expect(await read(payer, id)).toMatchObject({ status: "held" });
    expect(bank.log).toEqual([]);
    await request("/v1/sessions/s1/resume", payer.operator, { method: "POST" });
    await errand(payer, id, "send");
    await vi.waitFor(async () => expect(await read(payer, id)).toMatchObject({ status: "succeeded" }), 5_000);
    expect(bank.log).toEqual(["pay dee"]);
  });

  it("is denied where a switch halts it by then", async () => {
    const payer = await createPayer(held);
    const bank = new Bank();
    const { id } = await pay(payer, "eve");
    await request("/v1/switches", payer.operator, {
      method: "POST",
      body: JSON.stringify({ kind: "halt", scope: { tool: "pay" }, reason: "stop" }),
    });
    await makeDue(payer, id);
    await errand(payer, id, "send");
    expect(await read(payer, id)).toMatchObject({ status: "denied" });
    expect(bank.log).toEqual([]);
  });
});

describe("a call that is undone", () => {
  it("is undone once, by a call of its own whose id follows from it", async () => {
    const payer = await createPayer();
    const bank = new Bank();
    const { id } = await pay(payer, "ann");
    const answers = await Promise.all(Array.from({ length: 8 }, () => act(payer.agent, id, "compensate")));
    expect(new Set(answers.map((each) => each.http))).toEqual(new Set([200]));
    const undone = await act(payer.agent, id, "compensate");
    expect(undone).toMatchObject({
      status: "compensated",
      result: { id: "p_ann" },
      compensation: { status: "succeeded" },
    });
    expect(bank.log).toEqual(["pay ann", "reverse p_ann"]);
    const child = await read(payer, undone.compensation?.id ?? "");
    expect(child).toMatchObject({ status: "succeeded", compensates: id, tool: { name: "reverse" } });
  });

  it("waits where the policy wants people for the undoing, and is undone when they approve", async () => {
    const rule = { id: "people", tools: ["reverse"], effect: "require_approval", message: "people first" };
    const payer = await createPayer({}, { sections: { policy: { rules: [rule] } } });
    const bank = new Bank();
    const { id } = await pay(payer, "ben");
    const asked = await act(payer.operator, id, "compensate");
    expect(asked).toMatchObject({ status: "compensating", compensation: { status: "pending_approval" } });
    const child = await read(payer, asked.compensation?.id ?? "");
    const approval = `/v1/approvals/${child.approval?.id ?? ""}/approve`;
    expect((await request(approval, payer.operator, { method: "POST" })).status).toBe(403);
    expect((await request(approval, await createKey(payer.id, ["approver"]), { method: "POST" })).status).toBe(200);
    await vi.waitFor(async () => expect(await read(payer, id)).toMatchObject({ status: "compensated" }), 5_000);
    expect(bank.log).toEqual(["pay ben", "reverse p_ben"]);
  });

  it("says that it was not where the tool or the policy refused, and can be tried again", async () => {
    const payer = await createPayer();
    const bank = new Bank();
    const { id } = await pay(payer, "cy");
    bank.meddle = (path) => (path === "/reverse" ? Response.json({}, { status: 422 }) : undefined);
    const failed = await act(payer.agent, id, "compensate");
    expect(failed).toMatchObject({ http: 200, status: "compensation_failed", compensation: { status: "failed" } });
    bank.meddle = () => undefined;
    expect(await act(payer.agent, id, "compensate")).toMatchObject({ status: "compensation_failed" });
    const again = await act(payer.agent, id, "compensate", { retry: true });
    expect(again).toMatchObject({ status: "compensated" });
    expect(again.compensation?.id).not.toBe(failed.compensation?.id);
    expect(bank.log).toEqual(["pay cy", "reverse p_cy"]);
  });

  it("is gone on with by the queue where its gateway died between order and call", async () => {
    const payer = await createPayer();
    const bank = new Bank();
    const { id } = await pay(payer, "dee");
    const stub = bindings.TOOL_CALL.getByName(`${payer.id}/${id}`);
    const args = { payment: "p_dee", to: "dee", reason: "r" };
    await stub.compensate(
      { tool: "reverse", args, principal: { key_id: "k", roles: ["agent"], scopes: ["*"] } },
      false,
    );
    await errand(payer, id, "compensate");
    await errand(payer, id, "compensate");
    expect(await read(payer, id)).toMatchObject({ status: "compensated" });
    expect(bank.log).toEqual(["pay dee", "reverse p_dee"]);
  });

  it("is refused while it is unknown, failed, or has no way back; an agent undoes its own actor's alone", async () => {
    const payer = await createPayer();
    const bank = new Bank();
    bank.loses = (to) => to === "eve";
    const unknown = (await pay(payer, "eve")).tool_call?.id ?? "";
    expect(await act(payer.agent, unknown, "compensate")).toMatchObject({ http: 409, code: "not_compensable" });
    const { id } = await pay(payer, "fay");
    const undone = await act(payer.agent, id, "compensate");
    expect(await act(payer.agent, undone.compensation?.id ?? "", "compensate")).toMatchObject({ http: 409 });
    const stranger = await createPayer();
    expect(await act(stranger.agent, id, "compensate")).toMatchObject({ http: 404 });
    const other = await asRoot(payer.id, "/v1/keys", "POST", { tenant: payer.id, roles: ["agent"], actors: ["other"] });
    const { key } = await other.json<{ key: string }>();
    expect(await act(key, id, "compensate")).toMatchObject({ http: 404 });
  });
});

/** Publishes the tenant's config anew, and waits until it is what calls are decided by. */
async function republish(
  tenant: string,
  tools: Readonly<Record<string, unknown>>,
  sections: Readonly<Record<string, unknown>>,
): Promise<void> {
  const root = "root-key-of-the-tests";
  const answer = await request("/v1/config", root, {
    method: "PUT",
    headers: { "interlock-tenant": tenant, "if-match": "*" },
    body: JSON.stringify(testConfig({ session: { tool_usd: 100 } }, {}, { sections, tools: { ...TOOLS, ...tools } })),
  });
  if (!answer.ok) throw new Error(await answer.text());
  await new Promise((resolve) => setTimeout(resolve, 1_100));
}
