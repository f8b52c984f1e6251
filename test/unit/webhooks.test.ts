// Proves notices: signatures that the standard's own library accepts, one guarded attempt, and silence about secrets.
import { Webhook } from "standardwebhooks";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createEgress, type EgressAnswer, type EgressRequest } from "../../src/adapters/egress.ts";
import { createWebhooks } from "../../src/adapters/webhooks.ts";

afterEach(() => vi.restoreAllMocks());

const SECRET = Buffer.alloc(24, 3).toString("base64");
const message = {
  tenant: "acme",
  url: "https://hooks.test/approvals?token=in-the-url",
  secret: "hook",
  id: "msg_1",
  body: { type: "approval.requested", data: { text: "Grüße, 你好" } },
  allowedHosts: ["hooks.test"],
};

function delivery(
  answer: EgressAnswer | Error = { sent: true, response: new Response(null, { status: 204 }) },
  secret: string | undefined = `whsec_${SECRET}`,
): { sent: EgressRequest[]; logged: string[]; delivered: Promise<boolean> } {
  const sent: EgressRequest[] = [];
  const logged: string[] = [];
  vi.spyOn(console, "error").mockImplementation((line: string) => void logged.push(line));
  const webhooks = createWebhooks(
    (request) => {
      sent.push(request);
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
    },
    { reveal: () => Promise.resolve(secret) },
  );
  return { sent, logged, delivered: webhooks.deliver(message) };
}

describe("a webhook", () => {
  it.each([`whsec_${SECRET}`, SECRET])("is signed so that the standard's library accepts it", async (secret) => {
    const { sent, delivered } = delivery(undefined, secret);
    expect(await delivered).toBe(true);
    const [request] = sent;
    const headers = Object.fromEntries(request?.headers ?? []);
    const body = String(request?.body);
    expect(new Webhook(secret).verify(body, headers)).toEqual(message.body);
    expect(() => new Webhook(secret).verify(`${body} `, headers)).toThrow("No matching signature");
    expect(headers["webhook-id"]).toBe("msg_1");
    expect(request).toMatchObject({ method: "POST", allowedHosts: ["hooks.test"], service: undefined });
  });

  it.each([
    { what: "answers 500", answer: new Response("no", { status: 500 }), reason: "status_500" },
    { what: "redirects", answer: Response.redirect("https://elsewhere.test/", 307), reason: "status_307" },
  ])("is not delivered where its receiver $what", async ({ answer, reason }) => {
    const { delivered, logged, sent } = delivery({ sent: true, response: answer });
    expect(await delivered).toBe(false);
    expect(sent).toHaveLength(1);
    expect(JSON.parse(logged[0] ?? "")).toMatchObject({ event: "webhook_not_delivered", webhook_id: "msg_1", reason });
  });

  it("is not delivered where nothing answers, or the host is not allowed", async () => {
    expect(await delivery(new Error("down")).delivered).toBe(false);
    const guarded = createWebhooks(createEgress({ allowPrivate: false, services: new Map() }), {
      reveal: () => Promise.resolve(SECRET),
    });
    const fetched = vi.spyOn(globalThis, "fetch");
    expect(await guarded.deliver({ ...message, allowedHosts: ["other.test"] })).toBe(false);
    expect(fetched).not.toHaveBeenCalled();
  });

  it.each([
    { secret: "", reason: "secret_malformed" },
    { secret: "correct horse battery staple", reason: "secret_malformed" },
    { secret: "whsec_c2hvcnQ=", reason: "secret_malformed" },
  ])("is not sent with the secret $secret, and the log does not tell it", async ({ secret, reason }) => {
    const { sent, delivered, logged } = delivery(undefined, secret);
    expect(await delivered).toBe(false);
    expect(sent).toHaveLength(0);
    expect(JSON.parse(logged[0] ?? "")).toMatchObject({ reason });
    if (secret !== "") expect(logged.join("")).not.toContain(secret);
    expect(logged.join("")).not.toContain("in-the-url");
  });

  it("is not sent where its secret is not stored or cannot be read", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    const egress = vi.fn<Parameters<typeof createWebhooks>[0]>();
    for (const reveal of [() => Promise.resolve(undefined), () => Promise.reject(new Error("sealed"))])
      expect(await createWebhooks(egress, { reveal }).deliver(message)).toBe(false);
    expect(egress).not.toHaveBeenCalled();
  });
});
