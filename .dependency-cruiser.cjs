// Decides which room may import which: core decides, gateway sequences, adapters touch the world, surfaces translate, objects remember.
const only = (name, from, allowed) => ({
  name,
  severity: "error",
  from: { path: from },
  to: { pathNot: allowed, dependencyTypesNot: ["core"] },
});

module.exports = {
  forbidden: [
    { name: "no-circular", severity: "error", from: {}, to: { circular: true } },
    {
      name: "no-orphans",
      severity: "error",
      from: { orphan: true, pathNot: ["\\.d\\.(m|c)?ts$", "src/core/call\\.ts$", "src/cli/main\\.ts$"] },
      to: {},
    },
    { name: "not-resolvable", severity: "error", from: {}, to: { couldNotResolve: true, pathNot: "^cloudflare:" } },
    only("core-is-pure", "^src/core/", [
      "^src/core/",
      "node_modules/(zod|z-schema|@noble/(hashes|ciphers)|@bufbuild/(cel|cel-spec|protobuf|re2))/",
    ]),
    only("gateway-through-ports", "^src/gateway/", ["^src/core/", "^src/gateway/"]),
    only("adapters", "^src/adapters/", [
      "^src/core/",
      "^src/adapters/",
      "^src/gateway/ports(\\.ts$|/)",
      "node_modules/(zod|drizzle-orm|@pydantic/genai-prices|openai|jose|@modelcontextprotocol/client)/",
    ]),
    only("surfaces", "^src/http/", [
      "^src/core/",
      "^src/gateway/",
      "^src/http/",
      "^src/env\\.ts$",
      "node_modules/(zod|hono|@modelcontextprotocol/server)/",
    ]),
    only("jobs", "^src/jobs/", ["^src/core/", "^src/gateway/", "^src/jobs/"]),
    only("objects", "^durable-objects/", ["^src/core/", "^durable-objects/", "^cloudflare:"]),
    only("cli-talks-http", "^src/cli/", ["^src/core/", "^src/cli/", "node_modules/(yaml|commander|zod)/", "^node:"]),
    {
      name: "adapters-only-in-compose",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/(adapters/|compose\\.ts|env\\.ts)" },
      to: { path: "^src/adapters/" },
    },
    {
      name: "env-names-remotes-only",
      severity: "error",
      from: { path: "^src/env\\.ts$" },
      to: { path: "^src/adapters/", pathNot: "^src/adapters/durable/rpc\\.ts$" },
    },
    {
      name: "objects-only-in-index",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/index\\.ts$" },
      to: { path: "^durable-objects/" },
    },
    {
      name: "surfaces-apart",
      severity: "error",
      from: { path: "^src/http/(api|openai)/" },
      to: { path: "^src/http/(api|openai)/", pathNot: "^src/http/$1/" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["workerd", "worker", "import", "types", "default"],
    },
  },
};
