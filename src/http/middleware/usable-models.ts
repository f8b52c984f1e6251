// Finds what a key's actors may name as a model (models, routes, agents, `auto`), for every surface's own list.
import type { ModelEntry } from "../../core/config/document.ts";
import { accept, type Outcome } from "../../core/errors.ts";
import { matchesAny } from "../../core/policy/constraints.ts";
import { mayActAs } from "../../core/principal.ts";
import { AUTO } from "../../core/config/routing-document.ts";
import type { HttpContext } from "../context.ts";
import { authenticate } from "./authenticate.ts";

/** Who has what is no model of one provider: routes and agents. */
const OURS = { provider: "interlock" };

/** A model, or what stands for one, that may be asked for by its name. */
export interface UsableModel {
  readonly name: string;
  readonly entry: Pick<ModelEntry, "provider" | "context" | "max_output_tokens">;
  /** When the config that has it was published, in epoch milliseconds. */
  readonly publishedAt: number;
}

/** The models, in the config's order; none without a config. Refuses a key that is none. */
export async function usableModels(c: HttpContext): Promise<Outcome<readonly UsableModel[]>> {
  const authenticated = await authenticate(c);
  if (!authenticated.ok) return authenticated;
  const { principal } = authenticated.value;
  const config = await c.var.runtime.ports.configs.active(principal.tenant);
  if (config === undefined) return accept([]);
  const { models, routes, agents, actors, routing } = config.published.document;
  const patterns = Object.entries(actors).flatMap(([name, actor]) =>
    mayActAs(principal, name) ? (actor.models ?? []) : [],
  );
  const publishedAt = config.published.published_at;
  const routed = routing === undefined ? [] : [AUTO];
  const ours = [...Object.keys(routes), ...Object.keys(agents), ...routed].map((name) => [name, OURS] as const);
  return accept(
    [...Object.entries(models), ...ours]
      .filter(([name]) => matchesAny(name, patterns))
      .map(([name, entry]) => ({ name, entry, publishedAt })),
  );
}
