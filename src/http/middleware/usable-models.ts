// Finds the configured models that a key's actors may use, for every surface's own list.
import type { ModelEntry } from "../../core/config/document.ts";
import { accept, type Outcome } from "../../core/errors.ts";
import { matchesAny } from "../../core/policy/constraints.ts";
import { mayActAs } from "../../core/principal.ts";
import type { HttpContext } from "../context.ts";
import { authenticate } from "./authenticate.ts";

/** A model that may be asked for by its name. */
export interface UsableModel {
  readonly name: string;
  readonly entry: ModelEntry;
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
  const { models, actors } = config.published.document;
  const patterns = Object.entries(actors).flatMap(([name, actor]) =>
    mayActAs(principal, name) ? (actor.models ?? []) : [],
  );
  const publishedAt = config.published.published_at;
  return accept(
    Object.entries(models)
      .filter(([name]) => matchesAny(name, patterns))
      .map(([name, entry]) => ({ name, entry, publishedAt })),
  );
}
