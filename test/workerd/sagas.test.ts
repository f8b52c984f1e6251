// Proves that the calls of a saga stand or fall together: undone last first, past what cannot be undone, with an exact report.
import { afterEach, describe, expect, it, vi } from "vitest";
import { act, Bank, createPayer, errand, pay, read, TOOLS, type Payer, stopPayers } from "./payments.ts";

afterEach(async () => {
  await stopPayers();
  vi.restoreAllMocks();
});

const { compensation: _, ...final } = TOOLS.pay;
/** A payment that has no way back. */
const more = { wire: { ...final, url: "https://tool.test/pay" } };
const STEPS = ["one", "two", "three", "four", "five"];
const saga = { task_id: "trip", saga: true };

/** The payments of these steps, each as a member of the saga; the third is one that cannot be undone. */
async function book(payer: Payer, steps: readonly string[]): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const step of steps) {
    const answer = await pay(payer, step, saga, step === "three" ? "wire" : "pay");
    ids.push(answer.tool_call?.id ?? answer.id);
  }
  return ids;
}

describe("a saga of five steps", () => {
  it.each(STEPS.map((step, at) => [step, at] as const))("that fails at step %s undoes the others", async (step, at) => {
    const payer = await createPayer(more);
    const bank = new Bank();
    bank.meddle = (path, body) =>
      path === "/pay" && body["to"] === step ? Response.json({ error: "sold out" }, { status: 422 }) : undefined;
    const before = await book(payer, STEPS.slice(0, at));
    const failed = await pay(payer, step, saga, step === "three" ? "wire" : "pay");
    const ids = Object.fromEntries(before.map((id, index) => [STEPS[index], id]));
    const undone = STEPS.slice(0, at).toReversed();
    expect(failed).toMatchObject({ http: 502, code: "tool_failed" });
    expect(failed.tool_call?.saga?.members.map(({ tool_call_id, status }) => [tool_call_id, status])).toEqual(
      undone.map((each) => [ids[each], each === "three" ? "not_compensable" : "compensated"]),
    );
    expect(failed.tool_call?.saga?.not_undone).toEqual(at > 2 ? [ids["three"]] : []);
    expect(failed.tool_call?.saga?.status).toBe(at > 2 ? "partly_undone" : "undone");
    expect(bank.log).toEqual([
      ...STEPS.slice(0, at).map((each) => `pay ${each}`),
      ...undone.filter((each) => each !== "three").map((each) => `reverse p_${each}`),
    ]);
    expect(await read(payer, failed.tool_call?.id ?? "")).toMatchObject({ saga: failed.tool_call?.saga });
    expect(await pay(payer, "late", saga)).toMatchObject({ http: 409, code: "saga_closed" });
  });
});

describe("a saga", () => {
  it("is undone on request, and goes on past what the upstream refuses", async () => {
    const payer = await createPayer();
    const bank = new Bank();
    const ids = await book(payer, ["one", "two", "four"]);
    bank.meddle = (path, body) =>
      path === "/reverse" && body["payment"] === "p_two" ? Response.json({}, { status: 409 }) : undefined;
    const undone = await act(payer.agent, ids[0] ?? "", "compensate", { saga: true });
    expect(undone).toMatchObject({
      http: 200,
      saga: {
        status: "partly_undone",
        members: [{ status: "compensated" }, { status: "compensation_failed" }, { status: "compensated" }],
        not_undone: [ids[1]],
      },
    });
    expect(bank.log.slice(3)).toEqual(["reverse p_four", "reverse p_one"]);
    bank.meddle = () => undefined;
    await act(payer.operator, ids[1] ?? "", "compensate", { retry: true });
    expect(await act(payer.agent, ids[0] ?? "", "compensate", { saga: true })).toMatchObject({
      saga: { status: "undone", not_undone: [] },
    });
    expect(bank.log.filter((each) => each.startsWith("reverse"))).toHaveLength(3);
  });

  it("takes back what is held, leaves reads alone, and undoes what is found to have happened later", async () => {
    const payer = await createPayer({ later: { ...TOOLS.pay, hold_s: 600 } });
    const bank = new Bank();
    const [one = ""] = await book(payer, ["one"]);
    bank.loses = (to) => to === "two";
    const unknown = (await pay(payer, "two", saga)).tool_call?.id ?? "";
    const held = (await pay(payer, "held", saga, "later")).id;
    const undone = await act(payer.agent, one, "compensate", { saga: true });
    expect(undone.saga?.members.map((each) => each.status)).toEqual(["withdrawn", "unknown", "compensated"]);
    expect(undone.saga?.not_undone).toEqual([unknown]);
    expect(await read(payer, held)).toMatchObject({ status: "withdrawn" });
    await errand(payer, unknown, "settle");
    await errand(payer, unknown, "unwind");
    expect(await read(payer, unknown)).toMatchObject({ status: "compensated", saga: { status: "undone" } });
    expect(bank.log).toEqual(["pay one", "pay two", "reverse p_one", "reverse p_two"]);
  });

  it("is undone by the queue where the gateway died before it could", async () => {
    const payer = await createPayer();
    const bank = new Bank();
    await book(payer, ["one", "two"]);
    bank.loses = (to) => to === "four";
    const id = (await pay(payer, "four", saga)).tool_call?.id ?? "";
    await act(payer.operator, id, "resolve", { outcome: "failed", evidence: "not there" });
    await errand(payer, id, "unwind");
    expect(await read(payer, id)).toMatchObject({ status: "failed", saga: { status: "undone" } });
    expect(bank.log.slice(3)).toEqual(["reverse p_two", "reverse p_one"]);
  });

  it("needs a task; a call outside it has none to undo", async () => {
    const payer = await createPayer();
    const bank = new Bank();
    expect(await pay(payer, "one", { saga: true })).toMatchObject({ http: 400, code: "invalid_request" });
    expect(bank.payments).toBe(0);
    const { id } = await pay(payer, "one", { task_id: "trip" });
    expect(await act(payer.agent, id, "compensate", { saga: true })).toMatchObject({
      http: 409,
      code: "not_compensable",
    });
  });
});
