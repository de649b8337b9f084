// Plays steps against one MCP server with the TypeScript SDK; says what came of each, one JSON
// line each.
//
//     node client.mjs STEPS COMMAND [ARGUMENT]...
//     node client.mjs STEPS URL
//
// STEPS is a JSON list. The step `hold` says that it is there and waits for its input to end.
// `PEER_MODULES` names the folder whose `node_modules` has the SDK; `PEER_MODE` says how it finds the
// revision (`legacy`, which is 2025-11-25, or `auto`).

import { createRequire } from "node:module";

const require = createRequire(`${process.env.PEER_MODULES}/`);
const { Client, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");
const { StdioClientTransport } = require("@modelcontextprotocol/client/stdio");

const say = (result) => process.stdout.write(`${JSON.stringify(result)}\n`);

// A call that is given up at its first sign of progress.
async function cancelled(client, step) {
  const giveUp = new AbortController();
  try {
    const options = { signal: giveUp.signal, onprogress: () => giveUp.abort("enough") };
    say(await client.callTool({ name: step.tool, arguments: step.arguments }, options));
  } catch (error) {
    if (!giveUp.signal.aborted) throw error;
    say({ cancelled: true });
  }
}

async function called(client, step) {
  const told = [];
  const options = step.progress ? { onprogress: ({ progress, total }) => told.push([progress, total]) } : {};
  say(await client.callTool({ name: step.tool, arguments: step.arguments }, options));
  if (step.progress) say({ progress: told });
}

async function play(client, step) {
  switch (step.do) {
    case "about": return say({ protocol: client.getNegotiatedProtocolVersion() });
    case "tools": return say(await client.listTools());
    case "call": return called(client, step);
    case "cancel": return cancelled(client, step);
    case "resources": return say(await client.listResources());
    case "templates": return say(await client.listResourceTemplates());
    case "read": return say(await client.readResource({ uri: step.uri }));
    case "prompts": return say(await client.listPrompts());
    case "prompt": return say(await client.getPrompt({ name: step.name, arguments: step.arguments }));
    case "hold":
      say({ holding: true });
      return new Promise((resolve) => process.stdin.on("end", resolve).resume());
    default: throw new Error(`no such step: ${step.do}`);
  }
}

const [steps, command, ...args] = process.argv.slice(2);
const client = new Client(
  { name: "peers", version: "1.0.0" },
  { versionNegotiation: { mode: process.env.PEER_MODE ?? "legacy" } },
);
const overHttp = command.startsWith("http://");
const transport = overHttp
  ? new StreamableHTTPClientTransport(new URL(command))
  : new StdioClientTransport({ command, args, env: process.env });
await client.connect(transport);
for (const step of JSON.parse(steps)) {
  try {
    await play(client, step);
  } catch (error) {
    say({ error: { code: error.code, message: error.message } });
  }
}
if (overHttp) await transport.terminateSession();
await client.close();
// What is still on its way into the pipe would be cut off.
await new Promise((written) => process.stdout.write("", written));
process.exit(0);
