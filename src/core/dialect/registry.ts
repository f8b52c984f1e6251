// Finds a dialect by its name: what passes through it, and how it is translated.
import { GatewayFault } from "../errors.ts";
import { chatCodec } from "./chat/codec.ts";
import { chatWire } from "./chat/wire.ts";
import { countTokensWire } from "./count-tokens/wire.ts";
import { generateCodec } from "./generate/codec.ts";
import { generateWire } from "./generate/wire.ts";
import { messagesCodec } from "./messages/codec.ts";
import { messagesWire } from "./messages/wire.ts";
import { responsesCodec } from "./responses/codec.ts";
import { responsesWire } from "./responses/wire.ts";
import type { Codec, Dialect, GeneratingDialect, Wire } from "./dialect.ts";

const WIRES: Readonly<Partial<Record<Dialect, Wire>>> = {
  chat: chatWire,
  responses: responsesWire,
  messages: messagesWire,
  generate: generateWire,
  count_tokens: countTokensWire,
};

const CODECS: Readonly<Record<GeneratingDialect, Codec>> = {
  chat: chatCodec,
  responses: responsesCodec,
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
  return CODECS[dialect];
}
