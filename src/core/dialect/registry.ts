// Finds a dialect by its name: what passes through it, and how it is translated.
import { GatewayFault } from "../errors.ts";
import { chatCodec } from "./chat/codec.ts";
import { chatWire } from "./chat/wire.ts";
import { countTokensWire } from "./count-tokens/wire.ts";
import { countGenerateWire } from "./count-generate/wire.ts";
import { generateCodec } from "./generate/codec.ts";
import { generateWire } from "./generate/wire.ts";
import { embeddingsWire } from "./embeddings/wire.ts";
import { messagesCodec } from "./messages/codec.ts";
import { messagesWire } from "./messages/wire.ts";
import type { Codec, Dialect, GeneratingDialect, Wire } from "./dialect.ts";

const WIRES: Readonly<Partial<Record<Dialect, Wire>>> = {
  chat: chatWire,
  messages: messagesWire,
  generate: generateWire,
  embeddings: embeddingsWire,
  count_tokens: countTokensWire,
  count_generate: countGenerateWire,
};

const CODECS: Readonly<Partial<Record<GeneratingDialect, Codec>>> = {
  chat: chatCodec,
  messages: messagesCodec,
  generate: generateCodec,
};

/** What the gateway needs of a dialect for calls that pass through it. */
export function wireOf(dialect: Dialect): Wire {
  const wire = WIRES[dialect];
  if (wire === undefined) throw new GatewayFault("internal", `dialect ${dialect} is not spoken`);
  return wire;
}

/** How a generating dialect is translated. */
export function codecOf(dialect: GeneratingDialect): Codec {
  const codec = CODECS[dialect];
  if (codec === undefined) throw new GatewayFault("internal", `dialect ${dialect} is not translated`);
  return codec;
}
