// Decides how Gemini's generateContent translates to and from what no dialect owns.
import type { Codec } from "../dialect.ts";
import { readError, writeError } from "./errors.ts";
import { readReply, writeReply } from "./reply.ts";
import { readRequest } from "./request-reader.ts";
import { withSystem, writeRequest } from "./request-writer.ts";
import { GenerateStreamReader } from "./stream-reader.ts";
import { GenerateStreamWriter } from "./stream-writer.ts";

/** Gemini's generateContent, translated. */
export const generateCodec: Codec = {
  readRequest,
  writeRequest,
  readReply,
  writeReply,
  readError,
  writeError,
  streamReader: () => new GenerateStreamReader(),
  streamWriter: (minted) => new GenerateStreamWriter(minted),
  withSystem,
};
