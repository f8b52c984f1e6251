// Seeds tenants whose refunds need people, and speaks for those people.
import { expect } from "vitest";
import { createKey, createTenant, refund, request, testConfig } from "./tenant.ts";

export interface Call {
  readonly id: string;
  readonly status: string;
  readonly result?: unknown;
  readonly approval?: { readonly id: string; readonly status: string };
}
export interface Refused {
  readonly code: string;
  readonly approval_status?: string;
  readonly errors?: readonly { readonly path: string }[];
}

export const RULE = {
  id: "over-50",
  tools: ["refund"],
  when: "args.amount_usd > 50.0",
  effect: "require_approval",
  message: "refunds over 50 need a person",
};
export const approvalRule = (approval: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> => ({
  policy: { rules: [{ ...RULE, approval: { roles: ["approver"], ...approval } }] },
});

export interface People {
  readonly id: string;
  readonly agent: string;
  readonly ann: string;
  readonly ben: string;
  readonly operator: string;
}

/** A tenant whose refunds over 50 need people. */
export async function withApprovals(
  sections: Readonly<Record<string, unknown>> = approvalRule(),
  actor: Readonly<Record<string, unknown>> = {},
): Promise<People> {
  const { id, agent } = await createTenant({}, {}, { sections, actor });
  const [ann, ben, operator] = await Promise.all([
    createKey(id, ["approver"]),
    createKey(id, ["approver"]),
    createKey(id, ["operator"]),
  ]);
  return { id, agent, ann, ben, operator };
}

/** Publishes another version of the tenant's config. */
export async function publish(tenant: string, sections: Readonly<Record<string, unknown>>): Promise<void> {
  const current = await request("/v1/config", "root-key-of-the-tests", { headers: { "interlock-tenant": tenant } });
  const answer = await request("/v1/config", "root-key-of-the-tests", {
    method: "PUT",
    headers: { "interlock-tenant": tenant, "if-match": current.headers.get("etag") ?? "" },
    body: JSON.stringify(testConfig({}, {}, { sections })),
  });
  if (!answer.ok) throw new Error(await answer.text());
}

/** Asks for a refund that has to wait; answers the approval's id. */
export async function asked(agent: string, key = "k1", amount = 60): Promise<{ approval: string; call: string }> {
  const answer = await refund(agent, "s1", key, amount);
  expect(answer.status).toBe(202);
  const call = await answer.json<Call>();
  expect(call.status).toBe("pending_approval");
  return { approval: call.approval?.id ?? "", call: call.id };
}

export const decide = (
  key: string,
  approval: string,
  verdict: "approve" | "deny" | "withdraw",
  body?: unknown,
): Promise<Response> =>
  request(`/v1/approvals/${approval}/${verdict}`, key, {
    method: "POST",
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
export const approve = (key: string, approval: string, body?: unknown): Promise<Response> =>
  decide(key, approval, "approve", body);
export const refusal = async (answer: Response | Promise<Response>): Promise<Refused & { status: number }> => {
  const response = await answer;
  return { ...(await response.json<Refused>()), status: response.status };
};
export const inspect = async (key: string, approval: string): Promise<Record<string, unknown>> =>
  (await request(`/v1/approvals/${approval}`, key)).json();
export const refunds = (sent: readonly Request[]): readonly Request[] =>
  sent.filter((each) => each.url.includes("tool.test"));
export const done = (): Response => Response.json({ id: "re_1" }, { status: 201 });
