// Proves notices to approvers: signed, addressed, delivered at least once, and never to who was reached already.
import { exports } from "cloudflare:workers";
import { Webhook } from "standardwebhooks";
import { afterEach, beforeEach, describe, expect, it, vi, type Mock } from "vitest";
import { compose } from "../../src/compose.ts";
import type { Env } from "../../src/env.ts";
import { notifyApprovers, type NoticeMessage } from "../../src/jobs/notify-approvers.ts";
import { approvalRule, approve, asked, decide, publish, RULE, withApprovals, type People } from "./people.ts";
import { asRoot, bindings, upstream } from "./tenant.ts";

/** What the queue tries again after a test finds someone there. */
const quiet = (): void => {
  vi.restoreAllMocks();
  upstream(() => new Response(null, { status: 204 }));
};
beforeEach(quiet);
afterEach(quiet);

const worker = (exports as unknown as { default: { fetch(request: Request): Promise<Response> } }).default;
const ports = compose(bindings as unknown as Env).ports;
const SECRET = `whsec_${btoa("a signing key of 24 byte")}`;
const PUBLIC_URL = "https://gateway.test/";

/** One notice as its receiver got it. */
interface Hook {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

interface Notified {
  readonly people: People;
  readonly approval: string;
  readonly call: string;
  readonly hooks: readonly Hook[];
  readonly message: (
    attempts?: number,
  ) => NoticeMessage & { readonly ack: Mock<() => void>; readonly retry: Mock<NoticeMessage["retry"]> };
}

/**
 * A call that waits in a tenant with three approvers' webhooks. The deployment's own consumer of the queue runs too:
 * it knows no public address, so that its notices carry none, and is told that nobody is there.
 */
async function notified(statusOf: (path: string) => number = () => 204): Promise<Notified> {
  const people = await withApprovals();
  await asRoot(people.id, "/v1/secrets/hook", "PUT", { value: SECRET });
  await publish(people.id, {
    ...approvalRule(),
    egress: { allow: ["model.test", "tool.test", "hooks.test"] },
    approvals: {
      webhook: "https://hooks.test/all",
      secret: "hook",
      links_without_account: true,
      approvers: {
        carol: { roles: ["approver"], webhook: "https://hooks.test/carol" },
        dave: { roles: ["legal"], webhook: "https://hooks.test/dave" },
      },
    },
  });
  vi.spyOn(console, "error").mockReturnValue();
  const hooks: Hook[] = [];
  upstream(async (outgoing) => {
    const text = await outgoing.text();
    if (!text.includes('"api_url"')) return new Response(null, { status: 503 });
    const path = new URL(outgoing.url).pathname;
    hooks.push({ path, headers: Object.fromEntries(outgoing.headers), text });
    return new Response(null, { status: statusOf(path) });
  });
  await vi.waitFor(async () => {
    const config = await ports.configs.active(people.id);
    expect(config?.published.document.approvals.webhook).toBeDefined();
  });
  const waiting = await asked(people.agent);
  const body = JSON.stringify({ v: 1, tenant: people.id, tool_call: waiting.call, approval: waiting.approval });
  return { people, ...waiting, hooks, message: (attempts = 1) => ({ body, attempts, ack: vi.fn(), retry: vi.fn() }) };
}

describe("a notice", () => {
  it("reaches the tenant's webhook and the addressed approvers, signed, with a link that opens the approval", async () => {
    const { people, approval, call, hooks, message } = await notified();
    const one = message();
    await notifyApprovers(ports, [one], PUBLIC_URL);
    expect(one.ack).toHaveBeenCalledOnce();
    expect(hooks.map((each) => each.path).toSorted()).toEqual(["/all", "/carol"]);
    const told = new Map(
      hooks.map(({ path, headers, text }) => [
        path,
        new Webhook(SECRET).verify(text, { ...headers }) as { readonly data: Readonly<Record<string, unknown>> },
      ]),
    );
    expect(hooks.map((each) => each.text).join("")).not.toContain("amount_usd");
    expect(told.get("/all")).toMatchObject({
      type: "approval.requested",
      data: {
        approval_id: approval,
        tool_call_id: call,
        tool: "refund",
        reasons: [{ rule_id: "over-50", message: RULE.message }],
        requirements: [{ roles: ["approver"], count: 1 }],
        api_url: `https://gateway.test/v1/approvals/${approval}`,
      },
    });
    expect(told.get("/all")?.data).not.toHaveProperty("link");
    const link = String(told.get("/carol")?.data["link"]);
    expect(link).toMatch(/^https:\/\/gateway\.test\/approve\//);
    const shown = await worker.fetch(new Request(link));
    expect(shown.status).toBe(200);
    expect(await shown.text()).toContain("amount_usd");
    upstream(() => Response.json({}, { status: 201 }));
    expect((await approve(people.ann, approval)).status).toBe(200);
  });

  it("comes again for who was not reached, under the same id, and not for who was", async () => {
    let isUp = false;
    const { hooks, message } = await notified((path) => (path === "/carol" && !isUp ? 503 : 204));
    const ids = (path: string): readonly (string | undefined)[] =>
      hooks.filter((each) => each.path === path).map((each) => each.headers["webhook-id"]);
    const first = message(3);
    await notifyApprovers(ports, [first], PUBLIC_URL);
    expect(first.ack).not.toHaveBeenCalled();
    expect(first.retry).toHaveBeenCalledWith({ delaySeconds: 40 });
    isUp = true;
    const second = message(4);
    await notifyApprovers(ports, [second], PUBLIC_URL);
    expect(second.ack).toHaveBeenCalledOnce();
    expect(ids("/all")).toHaveLength(1);
    expect(ids("/carol")).toHaveLength(2);
    expect(new Set(ids("/carol")).size).toBe(1);
    expect(ids("/carol")[0]).not.toBe(ids("/all")[0]);
  });

  it("is not given of what no longer waits, nor of what is no notice", async () => {
    const { people, approval, hooks, message } = await notified();
    await decide(people.agent, approval, "withdraw");
    const odd = { ...message(), body: "{}" };
    const late = message();
    await notifyApprovers(ports, [late, odd], PUBLIC_URL);
    expect(late.ack).toHaveBeenCalledOnce();
    expect(odd.ack).toHaveBeenCalledOnce();
    expect(hooks).toHaveLength(0);
  });

  it("that cannot be looked into comes again", async () => {
    const { message } = await notified();
    const one = message();
    const toolCalls = { ...ports.toolCalls, read: () => Promise.reject(new Error("gone")) };
    await notifyApprovers({ ...ports, toolCalls }, [one], PUBLIC_URL);
    expect(one.ack).not.toHaveBeenCalled();
    expect(one.retry).toHaveBeenCalledWith({ delaySeconds: 10 });
  });

  it("is sent by the queue as soon as a call waits", async () => {
    const { people } = await notified();
    const told: string[] = [];
    upstream(async (outgoing) => {
      told.push(`${new URL(outgoing.url).pathname} ${await outgoing.text()}`);
      return new Response(null, { status: 204 });
    });
    const { approval } = await asked(people.agent, "k-of-the-queue");
    await vi.waitFor(
      () => {
        const mine = told.filter((each) => each.includes(approval)).map((each) => each.split(" ", 1).join(""));
        expect(new Set(mine)).toEqual(new Set(["/all", "/carol"]));
      },
      { timeout: 8_000, interval: 50 },
    );
  });
});
