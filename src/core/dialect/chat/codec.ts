// Decides how OpenAI chat completions translate to and from what no dialect owns.
import type { Codec } from "../dialect.ts";
import { chatErrorBody, readChatError } from "./errors.ts";
import { readReply, writeReply } from "./reply.ts";
import { readRequest } from "./request-reader.ts";
import { withSystem, writeRequest } from "./request-writer.ts";
import { ChatStreamReader } from "./stream-reader.ts";
import { ChatStreamWriter } from "./stream-writer.ts";

/** Chat completions, translated. */
export const chatCodec: Codec = {
  readRequest,
  writeRequest,
  readReply,
  writeReply,
  readError: readChatError,
  writeError: chatErrorBody,
  streamReader: () => new ChatStreamReader(),
  streamWriter: (minted) => new ChatStreamWriter(minted),
  withSystem,
};
