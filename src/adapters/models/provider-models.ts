// Reaches model providers of every kind: the tenant's credential in, nothing of the caller's but what is listed.
import type { Secrets, System } from "../../gateway/ports.ts";
import type { ModelRequest, ModelResponse, Models } from "../../gateway/ports/models.ts";
import { AccessTokens } from "../access-tokens.ts";
import type { Egress } from "../egress.ts";
import { answered, unanswered } from "./answered.ts";
import { googleAuthorization } from "./google-credentials.ts";
import { modelAddress } from "./model-address.ts";
import { credentialHeader, modelHeaders } from "./model-headers.ts";
import { askWorkersAi, type WorkersAi } from "./workers-ai.ts";

/** What providers are reached with. */
export interface ModelMeans {
  readonly egress: Egress;
  readonly secrets: Pick<Secrets, "reveal">;
  readonly system: Pick<System, "now">;
  /** `undefined` where the deployment has no such binding. */
  readonly workersAi: WorkersAi | undefined;
}

/** A request's credential: the header it goes into, and what to do when it is refused. */
type Credential =
  | {
      readonly ok: true;
      readonly header: readonly [string, string] | undefined;
      /** The text that must not be seen in an answer or a record. */
      readonly text: string | undefined;
      readonly refused: () => void;
    }
  | { readonly ok: false; readonly reason: string };

/** Every provider of the deployment. */
export function providerModels({ egress, secrets, system, workersAi }: ModelMeans): Models {
  const tokens = new AccessTokens(egress, system);
  return {
    send: async (request): Promise<ModelResponse> => {
      if (request.provider.kind === "workers-ai") return askWorkersAi(workersAi, request);
      const address = modelAddress(request);
      if (address === undefined)
        return { type: "blocked", message: `provider "${request.providerName}" has no address for ${request.dialect}` };
      const credential = await credentialOf(secrets, tokens, request);
      if (!credential.ok) return { type: "blocked", message: credential.reason };
      const headers = modelHeaders(request.dialect, request.headers);
      if (credential.header !== undefined) headers.set(...credential.header);
      try {
        const answer = await egress({
          url: address.url,
          method: "POST",
          headers,
          body: request.body,
          allowedHosts: address.allowedHosts ?? request.allowedHosts,
          service: request.provider.service,
          signal: request.signal,
        });
        if (!answer.sent) return { type: "blocked", message: answer.reason };
        if (answer.response.status === 401) credential.refused();
        return answered(answer.response, credential.text);
      } catch (error) {
        return unanswered(error, request.signal);
      }
    },
  };
}

async function credentialOf(
  secrets: Pick<Secrets, "reveal">,
  tokens: AccessTokens,
  { tenant, provider, dialect, allowedHosts, signal }: ModelRequest,
): Promise<Credential> {
  if (provider.secret === undefined) return { ok: true, header: undefined, text: undefined, refused: nothing };
  const secret = await secrets.reveal(tenant, provider.secret).catch(() => undefined);
  if (secret === undefined) return { ok: false, reason: `the stored secret "${provider.secret}" cannot be read` };
  if (provider.kind !== "gemini" && dialect !== "generate" && dialect !== "count_generate")
    return { ok: true, header: credentialHeader(provider, dialect, secret), text: secret, refused: nothing };
  const authorization = await googleAuthorization(tokens, provider, { tenant, key: secret, allowedHosts, signal });
  if (!authorization.ok) return authorization;
  const { name, value, texts, refused } = authorization;
  return { ok: true, header: [name, value], text: texts[0], refused };
}

function nothing(): void {
  // An API key stays what it is when it is refused.
}
