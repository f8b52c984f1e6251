// Decides which functions a Gemini request offers, and which of them has to be called.
import { isJsonObject, type Json, type JsonObject } from "../../json/canonical.ts";
import { textOf } from "../body-fields.ts";
import type { ToolChoice, ToolOffer } from "../conversation.ts";
import { at, itemsOf, objectOf, present, type Findings } from "../findings.ts";
import { listOf } from "./part-reader.ts";
import { jsonSchemaOf } from "./schema.ts";
import { camelMembers } from "./spelling.ts";

/** The functions on offer, in order. */
export function readTools(value: Json | undefined, findings: Findings): readonly ToolOffer[] {
  return listOf(value).flatMap((tool, index) => {
    const path = `tools.${index}`;
    if (!isJsonObject(tool)) {
      findings.invalid(path, "expected a tool");
      return [];
    }
    const members = camelMembers(tool, path, findings);
    findings.only(members, path, new Set(["functionDeclarations"]));
    return listOf(members["functionDeclarations"]).flatMap(
      (each, place) => readDeclaration(each, `${path}.functionDeclarations.${place}`, findings) ?? [],
    );
  });
}

/** The schema of a function without parameters. */
const NO_PARAMETERS: JsonObject = { type: "object", properties: {} };

function readDeclaration(declaration: Json, path: string, findings: Findings): ToolOffer | undefined {
  const members = camelMembers(objectOf(declaration) ?? {}, path, findings);
  const { behavior, ...rest } = members;
  if (behavior !== undefined && behavior !== "BLOCKING") findings.foreign(at(path, "behavior"));
  findings.only(rest, path, new Set(["name", "description", "parameters", "parametersJsonSchema"]));
  const name = textOf(rest["name"]);
  const plain = objectOf(rest["parameters"]);
  const schema = objectOf(rest["parametersJsonSchema"]) ?? (plain === undefined ? NO_PARAMETERS : jsonSchemaOf(plain));
  if (name === undefined) {
    findings.invalid(path, "expected a function with a name");
    return undefined;
  }
  if (rest["parameters"] !== undefined && rest["parametersJsonSchema"] !== undefined)
    findings.invalid(path, "expected either parameters or parametersJsonSchema, not both");
  return { name, ...present("description", textOf(rest["description"])), schema };
}

/** A choice, and whether Gemini was to keep to the schemas in any case. */
interface Chosen {
  readonly toolChoice?: ToolChoice;
  readonly isStrict: boolean;
}

/** Which function has to be called. */
export function readToolChoice(value: Json | undefined, tools: readonly ToolOffer[], findings: Findings): Chosen {
  const config = camelMembers(objectOf(value) ?? {}, "toolConfig", findings);
  if (config["includeServerSideToolInvocations"] !== undefined)
    findings.hint("toolConfig.includeServerSideToolInvocations");
  findings.only(config, "toolConfig", new Set(["functionCallingConfig", "includeServerSideToolInvocations"]));
  const calling = camelMembers(objectOf(config["functionCallingConfig"]) ?? {}, CALLING, findings);
  const { streamFunctionCallArguments: pieces, ...rest } = calling;
  if (pieces !== undefined) findings.hint(at(CALLING, "streamFunctionCallArguments"));
  findings.only(rest, CALLING, new Set(["mode", "allowedFunctionNames"]));
  return chosen(textOf(rest["mode"]) ?? "MODE_UNSPECIFIED", tools, {
    allowed: itemsOf(rest["allowedFunctionNames"]),
    findings,
  });
}

const CALLING = "toolConfig.functionCallingConfig";

function chosen(
  mode: string,
  tools: readonly ToolOffer[],
  { allowed, findings }: { readonly allowed: readonly Json[]; readonly findings: Findings },
): Chosen {
  if (mode === "ANY") return { toolChoice: readForced(allowed, tools, findings), isStrict: false };
  if (allowed.length > 0 && !allowsAll(allowed, tools)) findings.foreign(at(CALLING, "allowedFunctionNames"));
  switch (mode) {
    case "MODE_UNSPECIFIED":
      return { isStrict: false };
    case "AUTO":
      return { toolChoice: { type: "auto" }, isStrict: false };
    case "NONE":
      return { toolChoice: { type: "none" }, isStrict: false };
    case "VALIDATED":
      return { toolChoice: { type: "auto" }, isStrict: true };
    default:
      findings.invalid(at(CALLING, "mode"), "expected AUTO, ANY, NONE or VALIDATED");
      return { isStrict: false };
  }
}

function readForced(allowed: readonly Json[], tools: readonly ToolOffer[], findings: Findings): ToolChoice {
  const [only] = allowed;
  if (allowed.length === 1 && typeof only === "string") return { type: "tool", name: only };
  if (allowed.length > 0 && !allowsAll(allowed, tools)) findings.foreign(at(CALLING, "allowedFunctionNames"));
  return { type: "required" };
}

function allowsAll(allowed: readonly Json[], tools: readonly ToolOffer[]): boolean {
  return tools.every(({ name }) => allowed.includes(name));
}
