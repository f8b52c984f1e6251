// Finds a dialect by its name: what passes through it, and how it is translated.
import { chatCodec } from "./chat/codec.ts";
import { chatWire } from "./chat/wire.ts";
import { countTokensWire } from "./count-tokens/wire.ts";
import { countGenerateWire } from "./count-generate/wire.ts";
import { generateCodec } from "./generate/codec.ts";
import { generateWire } from "./generate/wire.ts";
import { embeddingsWire } from "./embeddings/wire.ts";
import { messagesCodec } from "./messages/codec.ts";
import { messagesWire } from "./messages/wire.ts";
import { responsesCodec } from "./responses/codec.ts";
import { responsesWire } from "./responses/wire.ts";
import type { Codec, Dialect, GeneratingDialect, Wire } from "./dialect.ts";

const WIRES: Readonly<Record<Dialect, Wire>> = {
  chat: chatWire,
  responses: responsesWire,
  messages: messagesWire,
  generate: generateWire,
  embeddings: embeddingsWire,
  count_tokens: countTokensWire,
  count_generate: countGenerateWire,
};

const CODECS: Readonly<Record<GeneratingDialect, Codec>> = {
  chat: chatCodec,
  responses: responsesCodec,
  messages: messagesCodec,
  generate: generateCodec,
};

/** What the gateway needs of a dialect for calls that pass through it. */
export function wireOf(dialect: Dialect): Wire {
  return WIRES[dialect];
}

/** How a generating dialect is translated. */
export function codecOf(dialect: GeneratingDialect): Codec {
  return CODECS[dialect];
}
