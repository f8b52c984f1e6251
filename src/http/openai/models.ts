// Answers `GET /v1/models`: the configured models that the key's actors may use, in OpenAI's list shape.
import { matchesAny } from "../../core/policy/constraints.ts";
import { mayActAs } from "../../core/principal.ts";
import type { HttpContext } from "../context.ts";
import { authenticate } from "../middleware/authenticate.ts";
import { openAiError } from "./errors.ts";

/** Lists the models. */
export async function listModels(c: HttpContext): Promise<Response> {
  const authenticated = await authenticate(c);
  if (!authenticated.ok) return openAiError(authenticated);
  const { principal } = authenticated.value;
  const config = await c.var.runtime.ports.configs.active(principal.tenant);
  if (config === undefined) return Response.json({ object: "list", data: [] });
  const { models, actors } = config.published.document;
  const patterns = Object.entries(actors).flatMap(([name, actor]) =>
    mayActAs(principal, name) ? (actor.models ?? []) : [],
  );
  const created = Math.floor(config.published.published_at / 1000);
  const data = Object.entries(models)
    .filter(([name]) => matchesAny(name, patterns))
    .map(([id, entry]) => ({ id, object: "model", created, owned_by: entry.provider }));
  return Response.json({ object: "list", data });
}
