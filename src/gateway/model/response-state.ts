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
import { locateMembers, memberText } from "../../core/json/members.ts";
import type { Ports } from "../ports.ts";
import type { KeptResponse, ResponseOwner } from "../ports/response-states.ts";

/** How long responses are kept. */
const KEPT_MS = 30 * 86_400_000;
/** Characters of a response and its input together beyond which they are not kept. */
const MAX_CHARS = 4_000_000;
/** Items that a request may name instead of sending them. */
const MAX_REFERENCES = 256;

type StatePorts = Pick<Ports, "responseStates" | "system">;

/** A call with everything it goes on from in its input, and how its answer is shown. */
export interface ContinuedCall {
  readonly call: ModelCall;
  readonly owner: ResponseOwner;
  readonly shown: Shown;
}

/**
 * Puts what a call goes on from into its input, before anything is decided or held. A call whose session nobody named joins
 * the session of what it goes on from. Refuses `previous_response_not_found`, also for what is another's, and
 * `invalid_request` for items that are not here.
 */
export async function continueResponse(
  ports: StatePorts,
  call: ModelCall,
  isNamed: boolean,
): Promise<Outcome<ContinuedCall>> {
  const { context, body } = call;
  const asked: ResponseOwner = {
    tenant: context.principal.tenant,
    actor: context.actor,
    session: context.session,
    isNamed,
  };
  const resolved = await resolveReferences(ports, call, asked);
  if (!resolved.ok) return resolved;
  const previous = previousOf(body);
  const shown: Shown = { body, previous: previous ?? null, isKept: isToBeKept(body) };
  if (previous === undefined) return accept({ call: resolved.value, owner: asked, shown });
  const kept = await ports.responseStates.find(asked, previous, ports.system.now());
  if (kept === undefined || kept.lost !== undefined) return notFound(previous, kept);
  const before = [...kept.input, ...itemsOf(kept.response["output"]).filter(isJsonObject)];
  const joined = { ...resolved.value, context: { ...context, session: kept.session } };
  const continued = withText(joined, continuedBody(resolved.value.body, before));
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

async function resolveReferences(
  { responseStates, system }: StatePorts,
  call: ModelCall,
  owner: ResponseOwner,
): Promise<Outcome<ModelCall>> {
  const ids = [...new Set(referencesIn(call.body))];
  if (ids.length === 0) return accept(call);
  if (ids.length > MAX_REFERENCES)
    return invalidInput(`expected at most ${MAX_REFERENCES} item references: send the items themselves`);
  const items = await Promise.all(
    ids.map(async (id) => [id, await responseStates.item(owner, id, system.now())] as const),
  );
  const found = new Map(items.flatMap(([id, item]) => (item === undefined ? [] : [[id, item] as const])));
  const missing = ids.filter((id) => !found.has(id));
  if (missing.length > 0)
    return invalidInput(`no item with id '${missing.join("', '")}' is kept here: send the items themselves`);
  return accept(withText(call, resolvedBody(call.body, found)));
}

function invalidInput(message: string): Refusal {
  return refuse("invalid_request", `input: ${message}`, { mistakes: [{ path: "input", message }] });
}

function withText(call: ModelCall, text: string): ModelCall {
  const body = locateMembers(text);
  // What is changed in an object's text leaves an object.
  return body === undefined ? call : { ...call, body, bodyBytes: new TextEncoder().encode(text).byteLength };
}

/** Keeps a response that is over, as its caller was shown it. Never throws: what is not kept is not found. */
export async function keepResponse(
  ports: StatePorts,
  { call, owner, shown }: ContinuedCall,
  response: JsonObject,
): Promise<void> {
  const id = textOf(response["id"]);
  if (id === undefined || !shown.isKept || !isOver(response)) return;
  const input = memberText(call.body, "input") ?? "[]";
  const isTooLong = input.length + JSON.stringify(response).length > MAX_CHARS;
  const kept: KeptResponse = {
    session: owner.session,
    response: isTooLong ? { id } : response,
    input: isTooLong ? [] : inputItems(readJson(input)),
    ...(isTooLong ? { lost: "too_long" } : {}),
    expiresAt: ports.system.now() + KEPT_MS,
  };
  try {
    await ports.responseStates.keep(owner, id, kept);
  } catch (error) {
    const reason = error instanceof Error ? error.name : "unknown";
    console.error(JSON.stringify({ event: "response_not_kept", tenant: owner.tenant, reason }));
  }
}
