// Decides which parts of a Gemini request would act, answer or cost outside what the gateway decides, and refuses them by name.
import { accept, refuse, type Mistake, type Outcome } from "../../errors.ts";
import { isJsonObject, type Json } from "../../json/canonical.ts";
import type { ObjectText } from "../../json/members.ts";
import { readJson, textOf } from "../body-fields.ts";
import { camelCase } from "./spelling.ts";

/** A member that starts something elsewhere, whatever it says. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  continuationToken: "it goes on with an answer that cannot be counted before it is sent",
};

/** The same in `generationConfig`. */
const CONFIGURED_ELSEWHERE: Readonly<Record<string, string>> = {
  routingConfig: "another model would answer than the one decided on: name the models in a route",
  modelSelectionConfig: "another model would answer than the one decided on: name the models in a route",
  modelConfig: "another model would answer than the one decided on: name the models in a route",
};

/**
 * Refuses `unsupported`, naming each: tools that Google runs (`googleSearch`, `codeExecution`, `urlContext`, `fileSearch` and
 * every other that is no function of the caller's), members that act elsewhere, and service tiers above the list price.
 */
export function refuseHosted(body: ObjectText): Outcome<undefined> {
  const mistakes = body.members.flatMap(({ key, valueStart, valueEnd }) => {
    const name = camelCase(key);
    const text = (): Json => readJson(body.text.slice(valueStart, valueEnd)) ?? null;
    if (name === "tools") return toolMistakes(text(), key);
    if (name === "serviceTier") return tierMistakes(text(), key);
    if (name === "generationConfig") return elsewhere(text(), CONFIGURED_ELSEWHERE, `${key}.`);
    return Object.hasOwn(ELSEWHERE, name) ? elsewhere({ [key]: text() }, ELSEWHERE, "") : [];
  });
  if (mistakes.length === 0) return accept(undefined);
  return refuse("unsupported", mistakes.map(({ path, message }) => `${path}: ${message}`).join("; "), { mistakes });
}

function toolMistakes(value: Json, path: string): readonly Mistake[] {
  const tools: readonly Json[] = Array.isArray(value) ? (value as readonly Json[]) : [value];
  return tools.flatMap((tool, index) =>
    Object.entries(isJsonObject(tool) ? tool : {}).flatMap(([key, each]) =>
      each === null || camelCase(key) === "functionDeclarations"
        ? []
        : [
            {
              path: `${path}.${index}.${key}`,
              message: `${key} runs at Google, past every decision made here: offer a function that you run`,
            },
          ],
    ),
  );
}

function tierMistakes(value: Json, path: string): readonly Mistake[] {
  if (value === null || /(?:^|_)(?:standard|unspecified|flex)$/i.test(textOf(value) ?? "")) return [];
  return [{ path, message: "it costs more than the list price that a hold is computed from" }];
}

function elsewhere(value: Json, names: Readonly<Record<string, string>>, prefix: string): readonly Mistake[] {
  return Object.entries(isJsonObject(value) ? value : {}).flatMap(([key, each]) => {
    const message = Object.hasOwn(names, camelCase(key)) ? names[camelCase(key)] : undefined;
    return each === null || message === undefined ? [] : [{ path: prefix + key, message }];
  });
}
