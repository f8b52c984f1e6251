// Names the CEL types that have no literal in JSON.
import { objectType } from "@bufbuild/cel";
import { DurationSchema } from "@bufbuild/protobuf/wkt";

/** `google.protobuf.Duration`, CEL's duration. */
export const DURATION = objectType(DurationSchema);
