// Tells drizzle-kit where the D1 schema and its migrations are.
import { defineConfig } from "drizzle-kit";

export default defineConfig({
  dialect: "sqlite",
  schema: ["./src/adapters/d1/schema.ts", "./src/adapters/d1/eval-schema.ts"],
  out: "./migrations",
});
