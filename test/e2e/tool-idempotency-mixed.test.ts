// Proves at-most-once under a mixed load with duplicates, answers that are the same bytes again, and tools that insist on a key.
import { afterAll, beforeAll, expect, test } from "vitest";
import { openStage, type Answer, type Stage } from "./harness.ts";

let stage: Stage;

beforeAll(async () => {
  stage = await openStage();
});
afterAll(() => stage.close());

test("1,000 parallel calls, mixed and with duplicates, have as many effects as distinct keys", async () => {
  const tenant = await stage.tenant();
  await stage.reset();
  const calls = Array.from({ length: 1_000 }, (_, each) => {
    const key = (each * 7_919) % 260;
    const kind = key % 3;
    return kind === 0
      ? { key, name: "billing.refund", args: { customer_id: "cus_123", amount_usd: 1 + (key % 9) } }
      : kind === 1
        ? { key, name: "crm.note", args: { customer_id: "cus_456", text: `note ${key}` } }
        : { key, name: "crm.get_customer", args: { customer_id: "cus_789" } };
  });
  const startedAt = Date.now();
  const answers = await Promise.all(
    calls.map(({ key, name, args }, each) =>
      tenant.tool(name, args, { session_id: `s${each % 8}` }, { headers: { "Idempotency-Key": `mixed-${key}` } }),
    ),
  );
  const took = Date.now() - startedAt;
  const of = (status: number): readonly Answer[] => answers.filter((each) => each.status === status);
  const others = answers.filter((each) => each.status !== 200 && each.status !== 409);
  expect([...new Set(others.map((each) => each.text))]).toEqual([]);
  const distinct = (kind: number): number =>
    new Set(calls.filter(({ key }) => key % 3 === kind).map(({ key }) => key)).size;
  const { refunds, notes } = await stage.effects();
  expect([refunds, notes]).toEqual([distinct(0), distinct(1)]);
  expect(of(200).filter((each) => each.json["replayed"] === false)).toHaveLength(
    distinct(0) + distinct(1) + distinct(2),
  );
  console.log(
    `1,000 calls under 260 keys in ${took} ms: ${of(200).length} answered, ${of(409).length} told to wait; ` +
      `${refunds} refunds and ${notes} notes for ${distinct(0)} and ${distinct(1)} distinct keys`,
  );
});

test("a repeat answers the same bytes of the result", async () => {
  const tenant = await stage.tenant();
  const call = (): Promise<Answer> =>
    tenant.tool("crm.get_customer", { customer_id: "cus_789" }, {}, { headers: { "Idempotency-Key": "bytes" } });
  const resultOf = ({ text }: Answer): string => /"result":(\{.*\}),"replayed"/.exec(text)?.[1] ?? "";
  const [first, again] = [await call(), await call()];
  expect(resultOf(first)).toContain('"id":"cus_789"');
  expect(resultOf(again)).toBe(resultOf(first));
  expect(again.text).toBe(first.text.replace('"replayed":false', '"replayed":true'));
});

test("a tool that insists on a key refuses calls without one, and says where that is written", async () => {
  const note = {
    kind: "http",
    method: "POST",
    url: `${stage.gateway.upstreamUrl}/crm/notes`,
    effect: "write",
    idempotency: { required: true },
    auth: { kind: "bearer", secret: "demo_crm" },
    input_schema: { type: "object" },
  };
  const tenant = await stage.tenant({ tools: { "crm.strict": note }, actor: { allowed_tools: ["crm.strict"] } });
  const args = { customer_id: "cus_123", text: "hello" };
  const refused = await tenant.tool("crm.strict", args);
  expect([refused.status, refused.json["code"], refused.json["type"]]).toEqual([
    400,
    "idempotency_key_required",
    "/errors/idempotency-key-required",
  ]);
  expect(refused.json["detail"]).toContain("/docs");
  const keyed = await tenant.tool("crm.strict", args, {}, { headers: { "Idempotency-Key": "k" } });
  expect(keyed.status).toBe(200);
});
