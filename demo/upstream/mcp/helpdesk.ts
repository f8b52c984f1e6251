// The demo help desk: an MCP server with tools, resources and a prompt, for clients of every revision, without sessions.
import {
  completable,
  createMcpHandler,
  McpServer,
  ResourceTemplate,
  type CallToolResult,
} from "@modelcontextprotocol/server";
import * as z from "zod";
import type { DemoState } from "../demo-state.ts";
import { ARTICLES, findArticle, searchArticles, type Article } from "./articles.ts";

/** Answers one request of an MCP client. */
export async function answerHelpdesk(request: Request, state: DurableObjectStub<DemoState>): Promise<Response> {
  return createMcpHandler(() => helpdesk(state)).fetch(request);
}

type State = DurableObjectStub<DemoState>;

const ticketId = z.string().regex(/^tic_[0-9]+$/);
const Ticket = z.object({
  id: z.string(),
  customer_id: z.string(),
  subject: z.string(),
  status: z.enum(["open", "closed"]),
  resolution: z.nullable(z.string()),
});

function helpdesk(state: State): McpServer {
  const server = new McpServer({ name: "demo-helpdesk", title: "Demo help desk", version: "1.0.0" });
  registerReads(server, state);
  registerWrites(server, state);
  registerArticles(server);
  registerPrompt(server);
  return server;
}

function registerReads(server: McpServer, state: State): void {
  const annotations = { readOnlyHint: true, openWorldHint: false };
  server.registerTool(
    "search_articles",
    {
      title: "Search articles",
      description: "Search the help desk's articles. Every word of the query has to occur.",
      inputSchema: z.strictObject({ query: z.string().min(1).max(200) }),
      annotations,
    },
    ({ query }) => ({ content: searchArticles(query).map(linkTo) }),
  );
  server.registerTool(
    "get_ticket",
    {
      title: "Get ticket",
      description: "Look up a ticket by its id.",
      inputSchema: z.strictObject({ ticket_id: ticketId }),
      outputSchema: Ticket,
      annotations,
    },
    async ({ ticket_id: id }) => structured((await state.findTicket(id)) ?? noTicket(id)),
  );
}

function registerWrites(server: McpServer, state: State): void {
  server.registerTool(
    "close_ticket",
    {
      title: "Close ticket",
      description: "Close a ticket with a resolution that its customer is shown.",
      inputSchema: z.strictObject({ ticket_id: ticketId, resolution: z.string().min(1).max(500) }),
      outputSchema: Ticket,
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true },
    },
    async ({ ticket_id: id, resolution }) => structured((await state.closeTicket(id, resolution)) ?? noTicket(id)),
  );
  server.registerTool(
    "delete_ticket",
    {
      title: "Delete ticket",
      description: "Delete a ticket for good, with everything that was said in it.",
      inputSchema: z.strictObject({ ticket_id: ticketId }),
      annotations: { readOnlyHint: false, destructiveHint: true },
    },
    async ({ ticket_id: id }) =>
      (await state.deleteTicket(id))
        ? { content: [{ type: "text", text: `Deleted ${id}.` }] }
        : structured(noTicket(id)),
  );
}

function registerArticles(server: McpServer): void {
  server.registerResource(
    "article",
    new ResourceTemplate("helpdesk://articles/{slug}", {
      list: () => ({ resources: ARTICLES.map(({ slug, title }) => ({ uri: uriOf(slug), name: slug, title })) }),
      complete: { slug: (begun) => slugs(begun) },
    }),
    { title: "Article", description: "An article of the help desk.", mimeType: "text/markdown" },
    ({ href }, { slug }) => {
      const article = findArticle(String(slug));
      const contents =
        article === undefined ? [] : [{ uri: href, mimeType: "text/markdown", text: markdownOf(article) }];
      return { contents };
    },
  );
}

function registerPrompt(server: McpServer): void {
  server.registerPrompt(
    "answer_customer",
    {
      title: "Answer a customer",
      description: "Answer a customer's question from an article.",
      argsSchema: z.object({ article: completable(z.string(), slugs), question: z.string() }),
    },
    ({ article, question }) => {
      const found = findArticle(article);
      const source = found === undefined ? "There is no such article." : markdownOf(found);
      const text = `Answer this customer from the article, and say so where it does not answer.\n\n${source}\n\nQuestion: ${question}`;
      return { messages: [{ role: "user", content: { type: "text", text } }] };
    },
  );
}

const uriOf = (slug: string): string => `helpdesk://articles/${slug}`;
const markdownOf = ({ title, text }: Article): string => `# ${title}\n\n${text}\n`;
const slugs = (begun: string): string[] => ARTICLES.map(({ slug }) => slug).filter((slug) => slug.startsWith(begun));

function linkTo({ slug, title, text }: Article): CallToolResult["content"][number] {
  return { type: "resource_link", uri: uriOf(slug), name: slug, title, description: text, mimeType: "text/markdown" };
}

/** A failure that a model can read. */
const noTicket = (id: string): Error => new Error(`there is no ticket ${id}`);

function structured(found: z.infer<typeof Ticket> | Error): CallToolResult {
  if (found instanceof Error) return { content: [{ type: "text", text: found.message }], isError: true };
  return { content: [{ type: "text", text: JSON.stringify(found) }], structuredContent: found };
}
