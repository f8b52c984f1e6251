// Decides what a refusal looks like to an MCP client: an error of JSON-RPC, with the catalogue's code in its data.
import { ProtocolError, ProtocolErrorCode } from "@modelcontextprotocol/server";
import { ERRORS, type Refusal } from "../../core/errors.ts";
import { isJsonObject } from "../../core/json/canonical.ts";

/** A refusal as the error that the official server answers with. An error of the server behind is passed on as it said it. */
export function protocolError(refusal: Refusal): ProtocolError {
  const { code, detail, retryAfterS, extensions = {} } = refusal;
  const own = extensions["json_rpc"];
  if (isJsonObject(own) && typeof own["code"] === "number" && typeof own["message"] === "string")
    return new ProtocolError(own["code"], own["message"], own["data"]);
  const data = {
    code,
    should_retry: ERRORS[code].retry,
    ...(retryAfterS === undefined ? {} : { retry_after_ms: retryAfterS * 1_000 }),
  };
  return new ProtocolError(jsonRpcCode(refusal), `${ERRORS[code].title}: ${detail}`, data);
}

function jsonRpcCode({ code }: Refusal): number {
  const { status } = ERRORS[code];
  return status === 400 || status === 404 ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
}

/** An answer outside of any request's own: a JSON-RPC error without an id, under an HTTP status. */
export function rpcErrorResponse(
  status: number,
  error: { readonly code: number; readonly message: string },
  id: unknown = null,
): Response {
  return Response.json({ jsonrpc: "2.0", error, id }, { status });
}

/** A refusal of a whole request, under the catalogue's own status. */
export function refusedResponse(refusal: Refusal): Response {
  const { code, message, data } = protocolError(refusal);
  return Response.json(
    { jsonrpc: "2.0", error: { code, message, data }, id: null },
    {
      status: ERRORS[refusal.code].status,
      ...(refusal.retryAfterS === undefined ? {} : { headers: { "retry-after": String(refusal.retryAfterS) } }),
    },
  );
}
