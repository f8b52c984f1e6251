// The demo billing API: refunds to make once per idempotency key, look up and reverse.
import { Hono } from "hono";
import { parseRecordKeepingDigits } from "../json-source.ts";
import { parseCents } from "../money.ts";
import { toolError, type ToolHost } from "./context.ts";
import { findCustomer } from "./customers.ts";

/** Routes under `/billing`. */
export const billing = new Hono<ToolHost>();

billing.post("/refunds", async (c) => {
  const body = parseRecordKeepingDigits(await c.req.text());
  if (body === undefined) return toolError(c, 422, "invalid_body", "The body must be a JSON object.");
  const customer = findCustomer(String(body["customer_id"]));
  if (customer === undefined) return toolError(c, 422, "invalid_customer", "customer_id must name a customer.");
  const amount = body["amount_usd"];
  const cents = typeof amount === "string" ? parseCents(amount) : undefined;
  if (cents === undefined || cents === 0) {
    return toolError(c, 422, "invalid_amount", "amount_usd must be a positive decimal with at most two places.");
  }
  const idempotencyKey = c.req.header("idempotency-key") ?? null;
  const { outcome, refund } = await c.var.state.makeRefund({
    customerId: customer.id,
    cents,
    idempotencyKey,
  });
  if (outcome === "key_reused") {
    return toolError(
      c,
      422,
      "idempotency_key_reused",
      "This idempotency key belongs to a refund with other parameters.",
    );
  }
  if (outcome === "replayed") c.header("idempotent-replayed", "true");
  return c.json(refund, 201);
});

billing.get("/refunds", async (c) =>
  c.json({ data: await c.var.state.listRefunds(c.req.query("idempotency_key") ?? null) }),
);

billing.get("/refunds/:id", async (c) => {
  const refund = await c.var.state.findRefund(c.req.param("id"));
  return refund === undefined ? toolError(c, 404, "not_found", "No such refund.") : c.json(refund);
});

billing.post("/refunds/:id/reverse", async (c) => {
  const reply = await c.var.state.reverseRefund(c.req.param("id"));
  if (reply === undefined) return toolError(c, 404, "not_found", "No such refund.");
  if (reply.outcome === "replayed") c.header("idempotent-replayed", "true");
  return c.json(reply.refund);
});

/** The one route that shows a secret: it proves that whoever calls scrubs it from what it passes on. */
billing.all("/echo-auth", (c) => c.json({ authorization: c.req.header("authorization") ?? null }));
