// Lets a call go on from a response that was kept here, and keeps what it is answered: no provider keeps anything.
import type { ModelCall } from "../../core/call.ts";
import {
  continuedBody,
  inputItems,
  isOver,
  isToBeKept,
  previousOf,
  referencesIn,
  resolvedBody,
  type Shown,
} from "../../core/dialect/responses/state.ts";
import { readJson, textOf } from "../../core/dialect/body-fields.ts";
import { itemsOf } from "../../core/dialect/findings.ts";
import { accept, refuse, type Outcome, type Refusal } from "../../core/errors.ts";
import { isJsonObject, type JsonObject } from "../../core/json/canonical.ts";
import { isTooDeep, TOO_DEEP } from "../../core/json/exact.ts";
import { locateMembers, memberText } from "../../core/json/members.ts";
import type { ModelPorts } from "../ports.ts";
import type { KeptResponse, ResponseOwner } from "../ports/response-states.ts";

/** How long responses are kept. */
const KEPT_MS = 30 * 86_400_000;
/** Characters of a response and its input together beyond which they are not kept. */
const MAX_CHARS = 4_000_000;
/** How often a request may name an item instead of sending it. */
const MAX_REFERENCES = 256;
/** Items that are loaded at once. */
const AT_ONCE = 6;

type StatePorts = Pick<ModelPorts, "responseStates" | "system">;

/** A call with everything it goes on from in its input, and how its answer is shown. */
export interface ContinuedCall {
  readonly call: ModelCall;
  readonly owner: ResponseOwner;
  readonly shown: Shown;
}

/**
 * Puts what a call goes on from into its input, before anything is decided or held. A call whose session nobody named joins
 * the session of what it goes on from. Refuses `previous_response_not_found`, also for what is another's, `invalid_request`
 * for items that are not here, and `body_too_large` where the call is longer with all of that, before it is put together.
 */
export async function continueResponse(
  ports: StatePorts,
  call: ModelCall,
  { isNamed, maxBytes }: { readonly isNamed: boolean; readonly maxBytes: number },
): Promise<Outcome<ContinuedCall>> {
  const { context, body } = call;
  const asked: ResponseOwner = {
    tenant: context.principal.tenant,
    actor: context.actor,
    session: context.session,
    isNamed,
  };
  const resolved = await resolveReferences(ports, call, { owner: asked, maxBytes });
  if (!resolved.ok) return resolved;
  const previous = previousOf(body);
  const shown: Shown = { body, previous: previous ?? null, isKept: isToBeKept(body) };
  if (previous === undefined) return accept({ call: resolved.value, owner: asked, shown });
  const kept = await ports.responseStates.find(asked, previous, ports.system.now());
  if (kept === undefined || kept.lost !== undefined) return notFound(previous, kept);
  const before = [...kept.input, ...itemsOf(kept.response["output"]).filter(isJsonObject)];
  const joined = { ...resolved.value, context: { ...context, session: kept.session } };
  const continued = withText(joined, continuedBody(resolved.value.body, before));
  if (continued.bodyBytes > maxBytes) return tooLarge(maxBytes);
  return accept({ call: continued, owner: { ...asked, session: kept.session }, shown });
}

function notFound(id: string, kept: KeptResponse | undefined): Refusal {
  const detail =
    kept === undefined
      ? `Previous response with id '${id}' not found.`
      : `Previous response with id '${id}' was not kept: it is longer than is kept. Send the conversation as input.`;
  const mistakes = [{ path: "previous_response_id", message: detail }];
  return refuse("previous_response_not_found", detail, { mistakes });
}

/** Whose items are asked for, and how long the call may become with them. */
interface Resolving {
  readonly owner: ResponseOwner;
  readonly maxBytes: number;
}

async function resolveReferences(
  ports: StatePorts,
  call: ModelCall,
  resolving: Resolving,
): Promise<Outcome<ModelCall>> {
  const named = referencesIn(call.body);
  if (named.length === 0) return accept(call);
  if (named.length > MAX_REFERENCES)
    return invalidInput(`expected at most ${MAX_REFERENCES} item references: send the items themselves`);
  if (isTooDeep(call.body.text)) return refuse("invalid_request", TOO_DEEP);
  const found = await loadItems(ports, call, { ...resolving, named });
  return found.ok ? accept(withText(call, resolvedBody(call.body, found.value))) : found;
}

/** The items by their ids, a few at a time: no more are loaded than the call has room for, each as often as it is named. */
async function loadItems(
  { responseStates, system }: StatePorts,
  { bodyBytes }: ModelCall,
  { owner, maxBytes, named }: Resolving & { readonly named: readonly string[] },
): Promise<Outcome<ReadonlyMap<string, JsonObject>>> {
  const times = new Map<string, number>();
  for (const id of named) times.set(id, (times.get(id) ?? 0) + 1);
  const ids = [...times];
  const found = new Map<string, JsonObject>();
  let bytes = bodyBytes;
  for (let at = 0; at < ids.length; at += AT_ONCE) {
    const loaded = await Promise.all(
      ids
        .slice(at, at + AT_ONCE)
        .map(async ([id, count]) => ({ id, count, item: await responseStates.item(owner, id, system.now()) })),
    );
    for (const { id, count, item } of loaded) {
      if (item === undefined) continue;
      found.set(id, item);
      bytes += bytesOf(JSON.stringify(item)) * count;
    }
    if (bytes > maxBytes) return tooLarge(maxBytes);
  }
  const missing = ids.flatMap(([id]) => (found.has(id) ? [] : [id]));
  return missing.length === 0
    ? accept(found)
    : invalidInput(`no item with id '${missing.join("', '")}' is kept here: send the items themselves`);
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).byteLength;
}

function tooLarge(maxBytes: number): Refusal {
  return refuse("body_too_large", `with what it goes on from, the body is larger than ${maxBytes} bytes`);
}

function invalidInput(message: string): Refusal {
  return refuse("invalid_request", `input: ${message}`, { mistakes: [{ path: "input", message }] });
}

function withText(call: ModelCall, text: string): ModelCall {
  const body = locateMembers(text);
  // What is changed in an object's text leaves an object.
  return body === undefined ? call : { ...call, body, bodyBytes: bytesOf(text) };
}

/** Keeps a response that is over, as its caller was shown it. Never throws: what is not kept is not found. */
export async function keepResponse(
  ports: StatePorts,
  { call, owner, shown }: ContinuedCall,
  response: JsonObject,
): Promise<void> {
  const id = textOf(response["id"]);
  if (id === undefined || !shown.isKept || !isOver(response)) return;
  try {
    await ports.responseStates.keep(owner, id, keptOf(ports, { call, owner }, { ...response, id }));
  } catch (error) {
    const reason = error instanceof Error ? error.name : "unknown";
    console.error(JSON.stringify({ event: "response_not_kept", tenant: owner.tenant, reason }));
  }
}

/** A response as it is kept; of one that is too long there is only its id. */
function keptOf(
  { system }: StatePorts,
  { call, owner }: Pick<ContinuedCall, "call" | "owner">,
  response: JsonObject & { readonly id: string },
): KeptResponse {
  const input = memberText(call.body, "input") ?? "[]";
  const isTooLong = input.length + JSON.stringify(response).length > MAX_CHARS;
  return {
    session: owner.session,
    response: isTooLong ? { id: response.id } : response,
    input: isTooLong ? [] : inputItems(readJson(input)),
    ...(isTooLong ? { lost: "too_long" as const } : {}),
    expiresAt: system.now() + KEPT_MS,
  };
}
