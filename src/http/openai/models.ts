// Answers `GET /v1/models` and `GET /v1/models/{id}`: the configured models that the key's actors may use, in OpenAI's list shape.
import { accept, refuse, type Outcome } from "../../core/errors.ts";
import { matchesAny } from "../../core/policy/constraints.ts";
import { mayActAs } from "../../core/principal.ts";
import type { HttpContext } from "../context.ts";
import { authenticate } from "../middleware/authenticate.ts";
import { openAiError } from "./errors.ts";

/** Lists the models. */
export async function listModels(c: HttpContext): Promise<Response> {
  const data = await usableModels(c);
  return data.ok ? Response.json({ object: "list", data: data.value }) : openAiError(data);
}

/** Answers one model, if the key's actors may use it. */
export async function retrieveModel(c: HttpContext): Promise<Response> {
  const data = await usableModels(c);
  if (!data.ok) return openAiError(data);
  const id = c.req.param("id") ?? "";
  const found = data.value.find((model) => model.id === id);
  return found === undefined
    ? openAiError(refuse("unknown_model", `no model "${id}" that this key may use`))
    : Response.json(found);
}

interface OpenAiModel {
  readonly id: string;
  readonly object: "model";
  readonly created: number;
  readonly owned_by: string;
}

async function usableModels(c: HttpContext): Promise<Outcome<readonly OpenAiModel[]>> {
  const authenticated = await authenticate(c);
  if (!authenticated.ok) return authenticated;
  const { principal } = authenticated.value;
  const config = await c.var.runtime.ports.configs.active(principal.tenant);
  if (config === undefined) return accept([]);
  const { models, agents, actors } = config.published.document;
  const patterns = Object.entries(actors).flatMap(([name, actor]) =>
    mayActAs(principal, name) ? (actor.models ?? []) : [],
  );
  const created = Math.floor(config.published.published_at / 1000);
  const named = [
    ...Object.entries(models).map(([id, { provider }]) => ({ id, owned_by: provider })),
    ...Object.keys(agents).map((id) => ({ id, owned_by: "interlock" })),
  ];
  const usable = named.filter(({ id }) => matchesAny(id, patterns));
  return accept(usable.map(({ id, owned_by }) => ({ id, object: "model", created, owned_by })));
}
