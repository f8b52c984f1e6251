// Decides how signed state of another dialect travels through a chat client: beside the tool call it belongs to.
import type { Signed } from "../conversation.ts";
import { GENERATING } from "../names.ts";
import type { JsonObject } from "../../json/canonical.ts";
import { objectOf } from "../findings.ts";

/** The state that a tool call carries: Gemini's in the field that its own chat surface has for it, any other in ours. */
export function signatureOf(call: JsonObject): Signed | undefined {
  const extra = objectOf(call["extra_content"]);
  const google = objectOf(extra?.["google"])?.["thought_signature"];
  if (typeof google === "string") return { origin: "generate", value: google };
  const own = objectOf(extra?.["interlock"]);
  const origin = GENERATING.find((each) => each === own?.["origin"]);
  return origin === undefined || own?.["value"] === undefined ? undefined : { origin, value: own["value"] };
}

/** The member that hands Gemini's own state back to its chat surface: a signature, and nothing else that a caller put there. */
export function googleSigned(signed: Signed | undefined): JsonObject {
  const signature = signed?.origin === "generate" ? signed.value : undefined;
  return typeof signature === "string" ? { extra_content: { google: { thought_signature: signature } } } : {};
}

/** The member that carries it. */
export function carried(signed: Signed | undefined): JsonObject {
  if (signed === undefined) return {};
  const { origin, value } = signed;
  const google = googleSigned(signed);
  return Object.keys(google).length > 0 ? google : { extra_content: { interlock: { origin, value } } };
}
