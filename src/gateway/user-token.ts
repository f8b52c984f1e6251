// Answers by which token an end user stands in records: whoever searches or erases names the user as the caller did.
import { maskUser } from "../core/guard/mask-json.ts";
import { sivTokens } from "../core/guard/mask-tokens.ts";
import type { Ports } from "./ports.ts";

/** The token of an end user of a tenant, the same as in every record; a token itself stays as it is. */
export async function userToken(ports: Pick<Ports, "masking">, tenant: string, user: string): Promise<string> {
  return maskUser(sivTokens(await ports.masking.keysOf(tenant)), user);
}
