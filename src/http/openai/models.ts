// Answers `GET /v1/models` and `GET /v1/models/{id}`: the configured models that the key's actors may use, in OpenAI's list shape.
import { refuse } from "../../core/errors.ts";
import type { HttpContext } from "../context.ts";
import { usableModels, type UsableModel } from "../middleware/usable-models.ts";
import { openAiError } from "./errors.ts";

/** Lists the models. */
export async function listModels(c: HttpContext): Promise<Response> {
  const data = await usableModels(c);
  return data.ok ? Response.json({ object: "list", data: data.value.map((model) => shown(model)) }) : openAiError(data);
}

/** Answers one model, if the key's actors may use it. */
export async function retrieveModel(c: HttpContext): Promise<Response> {
  const data = await usableModels(c);
  if (!data.ok) return openAiError(data);
  const id = c.req.param("id") ?? "";
  const found = data.value.find(({ name }) => name === id);
  return found === undefined
    ? openAiError(refuse("unknown_model", `no model "${id}" that this key may use`))
    : Response.json(shown(found));
}

interface OpenAiModel {
  readonly id: string;
  readonly object: "model";
  readonly created: number;
  readonly owned_by: string;
}

function shown({ name, entry, publishedAt }: UsableModel): OpenAiModel {
  return { id: name, object: "model", created: Math.floor(publishedAt / 1000), owned_by: entry.provider };
}
