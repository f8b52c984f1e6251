// Decides how Anthropic messages translate to and from what no dialect owns.
import type { Codec } from "../dialect.ts";
import { readError, writeError } from "./errors.ts";
import { readReply, writeReply } from "./reply.ts";
import { readRequest } from "./request-reader.ts";
import { withSystem, writeRequest } from "./request-writer.ts";
import { MessagesStreamReader } from "./stream-reader.ts";
import { MessagesStreamWriter } from "./stream-writer.ts";

/** Anthropic messages, translated. */
export const messagesCodec: Codec = {
  readRequest,
  writeRequest,
  readReply,
  writeReply,
  readError,
  writeError,
  streamReader: () => new MessagesStreamReader(),
  streamWriter: (minted) => new MessagesStreamWriter(minted),
  withSystem,
};
