// Decides how OpenAI Responses translate to and from what no dialect owns.
import type { JsonObject } from "../../json/canonical.ts";
import { textOf } from "../body-fields.ts";
import { chatErrorBody, readChatError } from "../chat/errors.ts";
import type { Codec } from "../dialect.ts";
import { readReply, writeReply } from "./reply.ts";
import { readRequest } from "./request-reader.ts";
import { writeRequest } from "./request-writer.ts";
import { ResponsesStreamReader } from "./stream-reader.ts";
import { ResponsesStreamWriter } from "./stream-writer.ts";

/** Responses, translated. */
export const responsesCodec: Codec = {
  readRequest,
  writeRequest,
  readReply,
  writeReply,
  readError: readChatError,
  writeError: chatErrorBody,
  streamReader: () => new ResponsesStreamReader(),
  streamWriter: (minted) => new ResponsesStreamWriter(minted),
  withSystem,
};

/** The request with a text before its own instructions. */
function withSystem(body: JsonObject, text: string): JsonObject {
  const own = textOf(body["instructions"]) ?? "";
  return { ...body, instructions: own === "" ? text : `${text}\n\n${own}` };
}
