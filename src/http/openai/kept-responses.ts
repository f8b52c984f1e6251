// Answers `GET` and `DELETE /v1/responses/{id}` and its input items: responses that the gateway keeps, for whoever made them.
import { itemsPage, type ItemsQuery } from "../../core/dialect/responses/state.ts";
import { accept, refuse, type Outcome, type Refusal } from "../../core/errors.ts";
import type { KeptResponse, ResponseOwner } from "../../gateway/ports/response-states.ts";
import type { HttpContext } from "../context.ts";
import { authenticate, authorize } from "../middleware/authenticate.ts";
import { readCallContext } from "../middleware/call-context.ts";
import { openAiError } from "./errors.ts";

/** Answers a kept response. */
export async function retrieveResponse(c: HttpContext): Promise<Response> {
  if (c.req.query("stream") === "true")
    return openAiError(refusedField("unsupported", "stream", "a response that is over is answered whole"));
  const found = await findKept(c);
  return found.ok ? Response.json(found.value.kept.response) : openAiError(found);
}

/** Deletes one. */
export async function deleteResponse(c: HttpContext): Promise<Response> {
  const owner = await ownerOf(c);
  if (!owner.ok) return openAiError(owner);
  const { responseStates, system } = c.var.runtime.ports;
  const id = c.req.param("id") ?? "";
  return (await responseStates.remove(owner.value, id, system.now()))
    ? Response.json({ id, object: "response", deleted: true })
    : openAiError(notFound(id));
}

/** Lists what a response answered, with everything it went on from. */
export async function listInputItems(c: HttpContext): Promise<Response> {
  const query = readQuery(c);
  if (!query.ok) return openAiError(query);
  const found = await findKept(c);
  if (!found.ok) return openAiError(found);
  const { id, kept } = found.value;
  return Response.json(itemsPage(id, kept.input, query.value));
}

async function findKept(c: HttpContext): Promise<Outcome<{ readonly id: string; readonly kept: KeptResponse }>> {
  const owner = await ownerOf(c);
  if (!owner.ok) return owner;
  const { responseStates, system } = c.var.runtime.ports;
  const id = c.req.param("id") ?? "";
  const kept = await responseStates.find(owner.value, id, system.now());
  return kept === undefined || kept.lost !== undefined ? notFound(id) : accept({ id, kept });
}

function notFound(id: string): Refusal {
  return refuse("not_found", `Response with id '${id}' not found.`);
}

/** Whoever asks finds its own, in the session that it names, or in those that nobody named. */
async function ownerOf(c: HttpContext): Promise<Outcome<ResponseOwner>> {
  const authenticated = await authenticate(c);
  if (!authenticated.ok) return authenticated;
  const { principal, credential } = authenticated.value;
  c.set("principal", principal);
  c.set("credential", credential);
  const authorized = authorize(principal, "call");
  if (!authorized.ok) return authorized;
  const context = readCallContext(c, { surface: { kind: "chat", subject: c.req.param("id") ?? "" } });
  if (!context.ok) return context;
  return accept({
    tenant: principal.tenant,
    actor: context.value.actor,
    session: context.value.session,
    isNamed: c.req.header("interlock-session") !== undefined,
  });
}

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 100;

function readQuery(c: HttpContext): Outcome<ItemsQuery> {
  const limit = Number(c.req.query("limit") ?? DEFAULT_LIMIT);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    return refusedField("invalid_request", "limit", `expected a whole number from 1 to ${MAX_LIMIT}`);
  const order = c.req.query("order") ?? "desc";
  if (order !== "asc" && order !== "desc") return refusedField("invalid_request", "order", "expected asc or desc");
  return accept({ limit, order, after: c.req.query("after") });
}

function refusedField(code: "invalid_request" | "unsupported", path: string, message: string): Refusal {
  return refuse(code, `${path}: ${message}`, { mistakes: [{ path, message }] });
}
