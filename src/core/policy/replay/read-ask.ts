// Decides whether a stored text is what a tool call asked of the policy.
import * as z from "zod/mini";
import { isJsonObject, type JsonObject } from "../../json/canonical.ts";
import { ROLES } from "../../principal.ts";
import { USER_ORIGINS, type ToolCallAsk } from "../ask.ts";
import { Constraints } from "../constraints.ts";

const text = z.nullable(z.string());

/** The shape of an ask as it is stored. */
export const AskDocument = z.object({
  actor: z.string(),
  principal: z.object({ key_id: z.string(), roles: z.array(z.enum(ROLES)), scopes: z.array(z.string()) }),
  tool: z.string(),
  args: z.custom<JsonObject>(isJsonObject),
  constraints: Constraints,
  session: z.string(),
  task: text,
  intent: text,
  confidence: z.nullable(z.number()),
  user: text,
  /** Records of earlier versions have neither: whoever they named, the caller declared. */
  user_origin: z._default(z.enum(USER_ORIGINS), "declared"),
  user_prompt: z._default(text, null),
  release: text,
  confirmed: z.boolean(),
});

/** The ask of a recorded call, or `undefined` where the text is not one. */
export function readAsk(stored: string): ToolCallAsk | undefined {
  let value: unknown;
  try {
    value = JSON.parse(stored);
  } catch {
    return undefined;
  }
  const parsed = AskDocument.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}
