// Names what the gateway needs of model providers.
import type { ProviderEntry } from "../../core/config/document.ts";
import type { Dialect } from "../../core/dialect/dialect.ts";

/** One request to a model provider. */
export interface ModelRequest {
  readonly tenant: string;
  readonly providerName: string;
  readonly provider: ProviderEntry;
  /** What the body is written in. */
  readonly dialect: Dialect;
  /** The provider's own name for the model: some name it in the path. */
  readonly model: string;
  readonly isStream: boolean;
  readonly body: string;
  readonly headers: ReadonlyMap<string, string>;
  /** Without `?`; empty for none. */
  readonly query: string;
  readonly allowedHosts: readonly string[];
  readonly signal: AbortSignal;
}

/** What came back from a provider, before anything is read of its body. */
export type ModelResponse =
  | {
      readonly type: "answered";
      readonly status: number;
      readonly headers: Headers;
      readonly body: ReadableStream<Uint8Array> | null;
      /** The whole body; an alternative to reading \`body\`. */
      bytes(): Promise<ArrayBuffer>;
      readonly credential: string | undefined;
    }
  | { readonly type: "blocked"; readonly message: string }
  | { readonly type: "unreachable"; readonly message: string }
  | { readonly type: "aborted" };

/** Model providers. */
export interface Models {
  send(request: ModelRequest): Promise<ModelResponse>;
}
