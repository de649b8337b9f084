// Does what the conformance suite's scenario calls for, with the TypeScript SDK's client.
//
//     node conformance_client.mjs MODULES URL
//
// MODULES is the folder whose `node_modules` has the SDK. Which scenario it is, for which revision
// and with what, the suite says in the environment.

import { createRequire } from "node:module";

const [modules, url] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { Client, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");

const { MCP_CONFORMANCE_SCENARIO: scenario, MCP_CONFORMANCE_PROTOCOL_VERSION: revision } = process.env;
const given = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}");

// The server of this scenario knows no other era, whatever revision it is run for.
const isOld = revision !== "2026-07-28" || scenario === "json-schema-ref-no-deref";

// Something of the right kind for each argument that is required.
function fill({ properties = {}, required = [] }) {
  const values = { string: "x", integer: 1, number: 1, boolean: true, array: [], object: {} };
  return Object.fromEntries(required.map((name) => [name, values[properties[name]?.type] ?? "x"]));
}

// What a person would accept as it stands.
function accepted({ properties = {} }) {
  const kept = Object.entries(properties).map(([name, { default: value, type }]) => [
    name,
    value ?? (type === "boolean" ? true : undefined),
  ]);
  return Object.fromEntries(kept.filter(([, value]) => value !== undefined));
}

async function attempt(client, name, args) {
  try {
    await client.callTool({ name, arguments: args });
  } catch (error) {
    console.error(`${name}: ${error}`);
  }
}

const scripts = {
  initialize: async () => {},
  tools_call: (client) => client.callTool({ name: "add_numbers", arguments: { a: 5, b: 3 } }),
  "request-metadata": (client) => client.callTool({ name: "add_numbers", arguments: { a: 5, b: 3 } }),
  "elicitation-sep1034-client-defaults": (client) =>
    client.callTool({ name: "test_client_elicitation_defaults", arguments: {} }),
  "sse-retry": (client) => client.callTool({ name: "test_reconnection", arguments: {} }),
  "json-schema-ref-no-deref": async () => {},
  async "json-schema-2020-12-preservation"(client, tools) {
    const { inputSchema: schema } = tools.find(({ name }) => name === "json_schema_2020_12_tool");
    await client.callTool({ name: "json_schema_echo", arguments: { schema } });
  },
  async "sep-2322-client-request-state"(client) {
    for (const name of ["echo_state", "unrelated", "no_state", "no_result_type"]) {
      await attempt(client, `test_mrtr_${name}`, {});
    }
  },
  async "http-standard-headers"(client, tools) {
    for (const { name, inputSchema } of tools) await client.callTool({ name, arguments: fill(inputSchema) });
    for (const { uri } of (await client.listResources()).resources) await client.readResource({ uri });
    for (const { name } of (await client.listPrompts()).prompts) await client.getPrompt({ name });
  },
  async "http-custom-headers"(client, tools) {
    const shown = new Set(tools.map(({ name }) => name));
    for (const { name, arguments: args } of given.toolCalls) {
      if (shown.has(name)) await attempt(client, name, args ?? {});
    }
  },
  async "http-invalid-tool-headers"(client, tools) {
    for (const { name, inputSchema } of tools) await attempt(client, name, fill(inputSchema));
  },
};

const client = new Client(
  { name: "conformance", version: "1.0.0" },
  {
    capabilities: { elicitation: { form: {} }, sampling: {}, roots: {} },
    versionNegotiation: { mode: isOld ? "legacy" : "auto" },
  },
);
client.setRequestHandler("elicitation/create", ({ params }) => ({
  action: "accept",
  content: accepted(params.requestedSchema),
}));
client.setRequestHandler("sampling/createMessage", () => ({
  role: "assistant",
  model: "none",
  content: { type: "text", text: "said" },
}));
client.setRequestHandler("roots/list", () => ({ roots: [] }));
await client.connect(new StreamableHTTPClientTransport(new URL(url)));
const { tools } = await client.listTools();
await scripts[scenario](client, tools);
await client.close();
