// The projects: pure tests in Node and the same Worker inside workerd (quick and long), and end-to-end tests over the built bundle.
import path from "node:path";
import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin";
import { defineConfig, type TestProjectConfiguration } from "vitest/config";

const TEST_SECRETS_KEY = Buffer.alloc(32, 7).toString("base64");

/** Tests inside workerd that take long: they fill stores, wait for alarms, inject faults by the hundred. `npm run check` leaves them to `npm test`. */
const LONG = [
  "approvals",
  "audit",
  "canary-watch",
  "coverage",
  "credentials",
  "erasure",
  "explain",
  "limits",
  "masking",
  "reports",
  "release-evidence",
  "releases",
  "retention",
  "transactions",
  "upstream",
].map((name) => `test/workerd/${name}.test.ts`);

interface Files {
  readonly include: readonly string[];
  readonly exclude: readonly string[];
}

/** A project of tests that run inside workerd, beside the Worker they test. */
function insideWorkerd(name: string, { include, exclude }: Files): TestProjectConfiguration {
  return {
    plugins: [
      cloudflareTest(async () => ({
        remoteBindings: false,
        wrangler: { configPath: "./wrangler.toml" },
        miniflare: {
          bindings: {
            ENVIRONMENT: "test",
            ROOT_KEY: "root-key-of-the-tests",
            SECRETS_KEY: TEST_SECRETS_KEY,
            ALLOW_PRIVATE_EGRESS: "true",
            MCP_ALLOWED_HOSTS: "gateway.test",
            TEST_MIGRATIONS: await readD1Migrations(path.join(import.meta.dirname, "migrations")),
          },
        },
      })),
    ],
    test: {
      name,
      include: [...include],
      exclude: [...exclude],
      setupFiles: ["./test/workerd/setup.ts"],
      testTimeout: 30_000,
      // One runtime for all files: each start costs seconds. Tests share its storage and make tenants of their own.
      isolate: false,
      maxWorkers: 1,
      deps: {
        optimizer: {
          ssr: {
            enabled: true,
            include: [
              "hono",
              "hono/html",
              "zod/mini",
              "zod/v4/locales/en.js",
              "z-schema",
              "drizzle-orm",
              "drizzle-orm/d1",
              "drizzle-orm/sqlite-core",
              "@noble/hashes/sha2.js",
              "@noble/hashes/utils.js",
              "@noble/ciphers/aes.js",
              "@pydantic/genai-prices",
              "openai",
              "jose",
              "@modelcontextprotocol/client",
              "@modelcontextprotocol/server",
            ],
          },
        },
      },
    },
  };
}

export default defineConfig({
  test: {
    // An alarm that comes due while the runtime is taken down wakes an object whose module is no longer served.
    onUnhandledError: (error) => !(error.name === "EnvironmentTeardownError" && error.message.includes("Closing rpc")),
    projects: [
      // Pure tests share nothing but modules: each module is loaded once.
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], environment: "node", isolate: false } },
      // The same, for what takes longer: `npm run check` leaves them to `npm test`.
      { test: { name: "unit-long", include: ["test/unit-long/**/*.test.ts"], environment: "node", isolate: false } },
      insideWorkerd("workerd", { include: ["test/workerd/**/*.test.ts"], exclude: LONG }),
      insideWorkerd("workerd-long", { include: LONG, exclude: [] }),
      {
        test: {
          name: "e2e",
          include: [
            "test/e2e/**/*.test.ts",
            "test/cli/**/*.test.ts",
            "test/demo/**/*.test.ts",
            "test/docs/**/*.test.ts",
          ],
          environment: "node",
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
