// The demo CRM: customers to read, notes to write, list and delete.
import { Hono } from "hono";
import { parseRecord } from "../json-source.ts";
import { toolError, type ToolHost } from "./context.ts";
import { findCustomer } from "./customers.ts";

/** Routes under `/crm`. */
export const crm = new Hono<ToolHost>();

crm.get("/customers/:id", (c) => {
  const customer = findCustomer(c.req.param("id"));
  return customer === undefined ? toolError(c, 404, "not_found", "No such customer.") : c.json(customer);
});

crm.post("/notes", async (c) => {
  const body = parseRecord(await c.req.text());
  const customer = findCustomer(String(body?.["customer_id"]));
  if (customer === undefined) return toolError(c, 422, "invalid_customer", "customer_id must name a customer.");
  const text = body?.["text"];
  if (typeof text !== "string" || text.trim() === "" || text.length > 10_000) {
    return toolError(c, 422, "invalid_text", "text must have 1 to 10000 characters.");
  }
  const idempotencyKey = c.req.header("idempotency-key") ?? null;
  return c.json(await c.var.state.writeNote({ customerId: customer.id, text, idempotencyKey }), 201);
});

crm.get("/notes", async (c) => c.json({ data: await c.var.state.listNotes(c.req.query("customer_id") ?? null) }));

crm.delete("/notes/:id", async (c) => {
  const id = c.req.param("id");
  const isDeleted = await c.var.state.deleteNote(id);
  return isDeleted ? c.json({ id, deleted: true }) : toolError(c, 404, "not_found", "No such note.");
});
